"""Curves of errors against one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mdfit.recipes.metrics import Metrics
from mdfit.report.figures import BLUE, GREEN, GREY, SKY, Panel, save_row

#: Labels and colours of curves, by the middle of the names of their metrics.
Curves = Mapping[str, tuple[str, str]]
_OF_DATA = {
    "force_matching": ("force matching", BLUE),
    "force_matching_then_relative_entropy": ("then relative entropy", GREEN),
    "samples": ("the frames themselves", GREY),
}
_OF_TIMESTEPS = {
    "force_matching/langevin": ("force matching, BAOAB", SKY),
    "force_matching/nose_hoover": ("force matching, Nosé–Hoover", BLUE),
    "force_matching_then_relative_entropy/nose_hoover": ("then relative entropy, Nosé–Hoover", GREEN),
}
#: Metrics with their labels.
_DENSITY = ("dihedral_density_mse", "MSE of density (rad$^{-4}$)")
_DIVERGENCE = ("jensen_shannon", "divergence of φ, ψ (nat)")
_RARE = ("population/alpha_L", "population of α$_L$")
_BONDS = ("jensen_shannon_bonds", "divergence of bonds (nat)")
_ANGLES = ("jensen_shannon_angles", "divergence of angles (nat)")


def draw_data_sweep(metrics: Metrics, numbers: Sequence[int], path: Path) -> None:
    """Density, divergence and the rare basin against the number of frames."""
    panels = [_panel(metrics, kind, _OF_DATA, numbers, "frames") for kind in (_DENSITY, _DIVERGENCE, _RARE)]
    save_row(panels, path)


def draw_timestep_sweep(metrics: Metrics, timesteps: Sequence[float], path: Path) -> None:
    """Density, bonds and angles against the time step; those that explode are missing."""
    panels = [_panel(metrics, kind, _OF_TIMESTEPS, timesteps, "time step (fs)") for kind in (_DENSITY, _BONDS, _ANGLES)]
    save_row(panels, path)


def _text(setting: float) -> str:
    """As in the names of metrics."""
    return str(setting) if isinstance(setting, int) else f"{setting:g}"


def _panel(metrics: Metrics, kind: tuple[str, str], curves: Curves, settings: Sequence[float], label: str) -> Panel:
    name, quantity = kind

    def draw(axes) -> None:
        for method, (text, colour) in curves.items():
            found = [(x, metrics[key]) for x in settings if (key := f"{name}/{method}/{_text(x)}") in metrics]
            if found:
                at, values = zip(*found, strict=True)
                errors = [metric.standard_error for metric in values]
                axes.errorbar(
                    at, [metric.value for metric in values], errors, fmt="o-", color=colour, capsize=2, label=text
                )
        if (reference := metrics.get(f"{name}/reference")) is not None:
            text = "reference" if name.startswith("population") else "halves of the reference"
            axes.axhline(reference.value, color=GREY, linestyle="--", label=text)
        axes.set(yscale="log", xlabel=label, ylabel=quantity)
        if settings[-1] > 100 * settings[0]:
            axes.set_xscale("log")
        axes.legend()

    return Panel(name.replace("/", "_"), f"{quantity} against {label}", draw)
