"""Free-energy surfaces and curves, and the course of the trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dipeptide_distributions import BINS

from mdfit.report.figures import BLUE, GREEN, GREY, ORANGE, Panel, save_row

EDGES = np.linspace(-180, 180, BINS + 1)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
#: k_BT; higher free energies are drawn as if not visited.
HIGHEST = 8.0
COLOURS = {
    "reference": GREY,
    "force_matching": BLUE,
    "relative_entropy": ORANGE,
    "force_matching_then_relative_entropy": GREEN,
}


def draw_surfaces(densities: Mapping[str, np.ndarray], path: Path) -> None:
    """−ln ρ(φ, ψ), a panel for each ensemble."""

    def panel(name: str, density: np.ndarray) -> Panel:
        def draw(axes) -> None:
            energy = _free_energy(density)
            image = axes.pcolormesh(EDGES, EDGES, energy.T, cmap="viridis", vmin=0, vmax=HIGHEST)
            axes.set(xlabel="φ (°)", ylabel="ψ (°)", title=name.replace("_", " "))
            axes.set_xticks(range(-180, 181, 90))
            axes.set_yticks(range(-180, 181, 90))
            axes.grid(False)
            axes.figure.colorbar(image, ax=axes, label="F (k_BT)", shrink=0.8)

        return Panel(name, f"Free energy of φ and ψ, {name}", draw, square=True)

    save_row([panel(*item) for item in densities.items()], path)


def draw_profiles(densities: Mapping[str, np.ndarray], path: Path) -> None:
    """−ln ρ of φ and of ψ in units of k_BT."""

    def panel(axis: int, label: str) -> Panel:
        def draw(axes) -> None:
            for name, density in densities.items():
                width = 2.5 if name == "reference" else 1.3
                marginal = density.sum(axis=1 - axis)
                axes.plot(
                    CENTRES, _free_energy(marginal), color=COLOURS[name], linewidth=width, label=name.replace("_", " ")
                )
            axes.set(xlabel=f"{label} (°)", ylabel="F (k_BT)", ylim=(0, HIGHEST))
            axes.set_xticks(range(-180, 181, 60))
            axes.legend()

        return Panel(label, f"Free energy of {label}", draw)

    save_row([panel(0, "φ"), panel(1, "ψ")], path)


def draw_learning(histories: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Relative entropy along the trainings, minus that at their start, and effective frames."""

    def panel(key: str, label: str) -> Panel:
        def draw(axes) -> None:
            for name, history in histories.items():
                axes.plot([record[key] for record in history], color=COLOURS[name], label=name.replace("_", " "))
            axes.set(xlabel="updates", ylabel=label)
            axes.legend()

        return Panel(key, label, draw)

    save_row([panel("loss", "relative entropy − start (nat)"), panel("gradient_norm", "norm of the gradient")], path)


def _free_energy(density: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        energy = -np.log(density)
    energy = energy - energy[np.isfinite(energy)].min()
    return np.where(energy <= HIGHEST, energy, np.nan)
