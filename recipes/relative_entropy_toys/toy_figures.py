"""The figures of the recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from toy_model import GRID, Basis, mean_force_potential, normalised

#: Colours of the two methods, the same in all figures.
COLOURS = {"force_matching": "tab:orange", "relative_entropy": "tab:blue"}
LABELS = {"force_matching": "force matching", "relative_entropy": "relative entropy"}


def draw_data_efficiency(
    errors: dict[str, dict[str, np.ndarray]], simulated: dict[int, list[float]], path: Path
) -> None:
    """Error of the density against the number of samples.

    Args:
        errors: method → number of samples → squared errors of all seeds.
        simulated: number of samples → squared errors of relative entropy with simulated averages.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for method, by_number in errors.items():
        numbers = np.array([int(n) for n in by_number])
        low, middle, high = np.quantile(np.stack(list(by_number.values()), axis=1), [0.1, 0.5, 0.9], axis=0)
        axes.fill_between(numbers, low, high, color=COLOURS[method], alpha=0.2, linewidth=0)
        axes.plot(numbers, middle, "o-", color=COLOURS[method], label=LABELS[method])
    places = np.repeat(list(simulated), [len(values) for values in simulated.values()])
    axes.plot(places, np.concatenate(list(simulated.values())), "k.", label="relative entropy, simulated")
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="squared error of density (1/Å)")
    axes.legend()
    figure.savefig(path, dpi=110)


def draw_densities(coefficients: dict[str, np.ndarray], path: Path) -> None:
    """The densities of both methods from one set of samples, beside the exact one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = Basis.at(GRID, "quartic")
    exact = mean_force_potential(GRID)
    left.plot(GRID, normalised(exact), "k--", label="exact")
    right.plot(GRID, exact - exact.min(), "k--")
    for method, values in coefficients.items():
        energies = at.values @ values + at.prior
        left.plot(GRID, normalised(energies), color=COLOURS[method], label=LABELS[method])
        right.plot(GRID, energies - energies.min(), color=COLOURS[method])
    left.set(xlim=(-1.8, 1.8), xlabel="q (Å)", ylabel="density (1/Å)")
    right.set(xlim=(-1.8, 1.8), ylim=(0, 20), xlabel="q (Å)", ylabel="energy (k$_B$T)")
    left.legend()
    figure.savefig(path, dpi=110)


def draw_time_steps(errors: dict[str, dict[float, float]], path: Path) -> None:
    """Error of the sampled density against the time step of overdamped dynamics."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for method, by_step in errors.items():
        axes.plot(list(by_step), list(by_step.values()), "o-", color=COLOURS[method], label=LABELS[method])
    axes.set(yscale="log", xlabel="time step", ylabel="squared error of sampled density (1/Å)")
    axes.legend()
    figure.savefig(path, dpi=110)
