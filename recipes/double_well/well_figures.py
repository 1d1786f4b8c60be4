"""The figures of the recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from double_well import GRID, energy, exact_density, start, truth

from mdfit.potentials import Potential


def draw_fields(potential: Potential, seed: int, sampled: dict[str, np.ndarray], path: Path) -> None:
    """Sampled densities and potentials before and after, and the truth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, field, style in (("start", start(seed), ":"), ("trained", potential, "-")):
        left.plot(GRID, sampled[name], style, label=name)
        right.plot(GRID, _shifted(field), style, label=name)
    left.plot(GRID, exact_density(), "k--", label="exact")
    right.plot(GRID, _shifted(truth()), "k--", label="exact")
    left.set(xlabel="x (Å)", ylabel="density (1/Å)")
    right.set(xlabel="x (Å)", ylabel="potential (kT)", ylim=(-0.5, 6))
    left.legend()
    figure.savefig(path, dpi=110)


def draw_norms(norms: dict[str, list[float]], path: Path) -> None:
    """Norms of both gradients against the length of the trajectory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.loglog(norms["frames"], norms["through_simulation"], "o-", label="through the simulation")
    axes.loglog(norms["frames"], norms["reweighting"], "s-", label="reweighting")
    axes.set(xlabel="frames of the trajectory", ylabel="norm of the gradient")
    axes.legend()
    figure.savefig(path, dpi=110)


def _shifted(potential) -> np.ndarray:
    """With the mean zero where particles are."""
    values = energy(potential, GRID)
    return values - values[exact_density() > 0.3].mean()
