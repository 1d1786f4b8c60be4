"""Predictions against labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mdfit.errors import shown
from mdfit.recipes.figures import Figure
from mdfit.recipes.plots import reliability_plots
from mdfit.report.drawing import panels_of
from mdfit.report.figures import BLUE, GREY, ORANGE, Panel
from mdfit.uncertainty.label_spread import FEWEST_ERRORS
from mdfit.units import GIGAPASCAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdfit.report.run_files import TestErrors

#: More points than this are shown as a density.
_DENSE = 1500
#: Groups with the largest errors that are drawn.
_MOST_GROUPS = 20


def parity_panels(name: str, test: TestErrors, force_unit: str) -> list[Panel]:
    """Energies per atom, force and stress components of a test set."""
    from mdfit.units import GIGAPASCAL

    factor = 1e3 if force_unit == "meV/Å" else 1.0
    accuracy = test.accuracy
    quantities = (
        ("energy", accuracy.energy, 1.0, "energy", "eV/atom", 1e3, "meV/atom"),
        ("forces", accuracy.forces, 1.0, "force component", "eV/Å", factor, force_unit),
        ("stress", accuracy.stress, 1 / GIGAPASCAL, "stress component", "GPa", 1.0, "GPa"),
    )
    panels = []
    for kind, pairs, scale, label, unit, error_scale, error_unit in quantities:
        if len(pairs):
            density = " Colour: number of points (logarithmic)." if len(pairs) > _DENSE else ""
            draw = parity(scale * pairs, label, unit, error_scale, error_unit)
            plural = "energies per atom" if kind == "energy" else f"{label}s"
            caption = f"Predicted against labelled {plural}, {len(pairs)} values.{density}"
            panels.append(Panel(f"parity_{name}_{kind}", caption, draw, square=True))
    return panels


def _written(label: str) -> str:
    """A label as matplotlib draws it: what stands between dollars is no formula."""
    return shown(label, 60).replace("$", r"\$") or "(none)"


def parity(pairs: np.ndarray, label: str, unit: str, error_scale: float, error_unit: str) -> Callable[[Axes], None]:
    """Draws labels ``pairs[:, 0]`` against predictions ``pairs[:, 1]`` on equal axes."""
    error = error_scale * (pairs[:, 1] - pairs[:, 0])
    text = f"RMSE {np.sqrt(np.mean(error**2)):.3g} {error_unit}\nMAE {np.mean(np.abs(error)):.3g} {error_unit}"
    low, high = float(pairs.min()), float(pairs.max())
    margin = 0.04 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def draw(axes: Axes) -> None:
        if len(pairs) > _DENSE:
            axes.hexbin(
                *pairs.T, gridsize=80, extent=(low, high, low, high), bins="log", mincnt=1, cmap="viridis", lw=0,
                rasterized=True,
            )  # fmt: skip
        else:
            axes.scatter(*pairs.T, s=9, color=BLUE, alpha=0.6, lw=0, rasterized=len(pairs) > 300)
        axes.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=0.9)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.locator_params(nbins=6)
        axes.set(xlabel=f"labelled {label} ({unit})", ylabel=f"predicted {label} ({unit})")
        axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8.5)

    return draw


def element_panel(name: str, errors: dict[str, float], force_unit: str) -> list[Panel]:
    """Force errors per element; nothing to compare for a single one."""
    if len(errors) < 2:
        return []

    def draw(axes: Axes) -> None:
        axes.bar(list(errors), list(errors.values()), color=BLUE, width=0.6)
        axes.set(ylabel=f"force RMSE ({force_unit})")
        axes.grid(visible=False, axis="x")

    return [Panel(f"elements_{name}", "Root-mean-square force error per element.", draw)]


def group_panel(name: str, key: str, test: TestErrors, force_unit: str) -> list[Panel]:
    """Force errors by a label of the structures: of the group, and of each structure in it."""
    frames, per_frame, squares = frame_force_errors(test, 1e3 if force_unit == "meV/Å" else 1.0)
    if not len(frames):
        return []
    labels = test.groups[key][frames]
    total = {label: float(np.sqrt(np.average(squares[0][labels == label], weights=squares[1][labels == label])))
             for label in np.unique(labels)}  # fmt: skip
    drawn = sorted(total, key=total.__getitem__)[-_MOST_GROUPS:]

    def draw(axes: Axes) -> None:
        rows = np.arange(len(drawn))
        axes.barh(rows, [total[label] for label in drawn], color="#a9cce3", height=0.6)
        axes.set_yticks(rows, [_written(str(label)) for label in drawn])
        for row, label in enumerate(drawn):
            values = per_frame[labels == label]
            axes.plot(values, np.full(len(values), row), "|", color=ORANGE, ms=9, mew=1)
        axes.set(xlabel=f"force RMSE ({force_unit})", xlim=(0, None))
        axes.grid(visible=False, axis="y")

    caption = f"Force error by {key}; bars: all structures of the group, strokes: single structures."
    return [Panel(f"groups_{name}_{key}", caption, draw)]


def reliability_panels(name: str, test: TestErrors) -> dict[str, list[Panel]]:
    """Errors of each kind of label of which there are enough, beside what an uncertain potential predicted of them."""
    if test.spread is None:
        return {}
    units = {"forces": (1.0, "eV/Å"), "energy": (1.0, "eV/atom"), "stress": (1 / GIGAPASCAL, "GPa")}
    found = {}
    for kind, (factor, unit) in units.items():
        errors, predicted = (factor * one for one in test.spread.errors(kind))
        if len(errors) >= FEWEST_ERRORS:
            plots = reliability_plots({kind: (errors, predicted)}, unit)
            found[kind] = panels_of(f"reliability_{name}_{kind}", Figure(plots=plots))
    return found


def frame_force_errors(test: TestErrors, factor: float) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Frames with forces, their root-mean-square errors, and (mean squares, numbers of components)."""
    frames, index = np.unique(test.accuracy.force_frames, return_inverse=True)
    error = factor * (test.accuracy.forces[:, 1] - test.accuracy.forces[:, 0])
    sizes = np.bincount(index)
    mean_squares = np.bincount(index, error**2) / sizes
    return frames, np.sqrt(mean_squares), (mean_squares, sizes)
