"""Curves of all models beside those of all atoms, and the course of the trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tip4p_judgement import Curves

from mdfit.report.figures import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Panel, save_row

COLOURS = {
    "reference": GREY,
    "force_matching_spline": PURPLE,
    "relative_entropy_spline": BLUE,
    "force_matching_network": ORANGE,
    "relative_entropy_network": GREEN,
}


def draw_curves(found: Mapping[str, Curves], published: np.ndarray, kind: str, labels: tuple[str, str], out: Path):
    """One kind of curve of all models, and their differences from that of all atoms.

    Args:
        found: of the reference and of each model.
        published: on the first bins of ours.
        kind: ``"rdf"``, ``"adf"`` or ``"g3"``.
        labels: of both axes.
        out: the picture.
    """
    atoms = found["reference"][kind]
    grid, value = np.asarray(atoms.observable.grid), atoms.value

    def values(axes) -> None:
        axes.plot(grid, value, color=GREY, linewidth=3.5, alpha=0.6)
        axes.plot(grid[: len(published)], published, ":", color=INK, linewidth=1)
        for name, curves in found.items():
            if name != "reference":
                axes.plot(grid, curves[kind].value, color=COLOURS[name], linewidth=1)
        axes.set(xlabel=labels[0], ylabel=labels[1], xlim=_range(kind, grid))

    def differences(axes) -> None:
        spread = atoms.standard_error
        axes.fill_between(grid, -spread, spread, color=GREY, alpha=0.6, linewidth=0, label="all atoms")
        difference = published - value[: len(published)]
        axes.plot(grid[: len(published)], difference, ":", color=INK, linewidth=1, label="all atoms, published")
        for name, curves in found.items():
            if name != "reference":
                axes.plot(
                    grid, curves[kind].value - value, color=COLOURS[name], linewidth=1, label=name.replace("_", " ")
                )
        axes.set(xlabel=labels[0], ylabel="model − all atoms", xlim=_range(kind, grid))
        axes.legend(fontsize=7)

    caption = f"{labels[1]} of all models"
    save_row([Panel(kind, caption, values), Panel(f"{kind}_difference", f"{caption}, differences", differences)], out)


def draw_learning(histories: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> None:
    """Errors of the forces along force matching, and norms of the gradient along relative entropy."""

    def forces(axes) -> None:
        for name, history in histories.items():
            if name.startswith("force_matching"):
                steps, errors = zip(*[(r["step"], r["validation_loss"] ** 0.5) for r in history], strict=True)
                axes.plot(steps, 1000 * np.array(errors), color=COLOURS[name], label=name.replace("_", " "))
        axes.set(xlabel="updates", ylabel="RMSE of validation forces (meV/Å)")
        axes.legend()

    def gradients(axes) -> None:
        for name, history in histories.items():
            if name.startswith("relative_entropy"):
                norms = np.array([record["gradient_norm"] for record in history])
                axes.plot(norms / norms[0], color=COLOURS[name], label=name.replace("_", " "))
        axes.set(xlabel="updates", ylabel="norm of the gradient, first = 1", yscale="log")
        axes.legend()

    panels = [Panel("forces", "Errors of forces", forces), Panel("gradients", "Norms of the gradient", gradients)]
    save_row(panels, out)


def _range(kind: str, grid: np.ndarray) -> tuple[float, float]:
    """The part of the axis in which there is something to see."""
    return (2.2, float(grid[-1])) if kind == "rdf" else (0.7 if kind == "adf" else 2.3, float(grid[-1]))
