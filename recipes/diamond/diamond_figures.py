"""The figures of the recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdfit.recipes.metrics import Metrics

CONSTANTS = ("C11", "C12", "C44")
MEASURED = (1079.0, 124.0, 578.0)


def draw_learning(history: list[dict[str, float]], path: Path) -> None:
    """Loss, elastic constants and stress by update."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.semilogy([record["loss"] for record in history])
    left.set(xlabel="update", ylabel="loss")
    for name, measured in zip(CONSTANTS, MEASURED, strict=True):
        (line,) = middle.plot([record[f"ElasticConstants/{name}"] for record in history], label=name)
        middle.axhline(measured, color=line.get_color(), linestyle=":")
    middle.set(xlabel="update", ylabel="reweighted value (GPa)")
    middle.legend()
    right.plot([_pressure(record) for record in history])
    right.axhline(0, color="grey", linestyle=":")
    right.set(xlabel="update", ylabel="pressure (GPa)")
    figure.savefig(path, dpi=110)


def _pressure(record: dict[str, float]) -> float:
    """In GPa; the published targets hold the stress instead."""
    if "Pressure" in record:
        return 1e-4 * record["Pressure"]
    return -float(np.mean([record[f"Stress/{component}"] for component in ("xx", "yy", "zz")]))


def draw_constants(before: Metrics, after: Metrics, path: Path) -> None:
    """Prior, trained and measured elastic constants."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(3)
    for shift, (name, metrics) in zip((-0.27, 0.0), (("prior", before), ("trained", after)), strict=True):
        values = [metrics[c].value for c in CONSTANTS]
        axes.bar(places + shift, values, 0.25, yerr=[metrics[c].standard_error or 0 for c in CONSTANTS], label=name)
    axes.bar(places + 0.27, MEASURED, 0.25, label="measured", color="grey")
    axes.set(xticks=places, xticklabels=CONSTANTS, ylabel="elastic constant (GPa)")
    axes.legend()
    figure.savefig(path, dpi=110)
