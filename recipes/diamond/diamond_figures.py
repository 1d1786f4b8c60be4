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


def draw_constants(metrics: Metrics, path: Path) -> None:
    """Elastic constants of the prior, of the prior after its own phase, of the outcome, and measured."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    places, width = np.arange(3), 0.2
    labels = {"before": "prior", "prior": "trained prior", "after": "prior + network"}
    shown = [name for name in labels if f"{name}/C11" in metrics]
    for index, name in enumerate(shown):
        found = [metrics[f"{name}/{constant}"] for constant in CONSTANTS]
        errors = [metric.standard_error or 0 for metric in found]
        values = [metric.value for metric in found]
        axes.bar(places + width * (index - 1.5), values, width, yerr=errors, label=labels[name])
    axes.bar(places + width * (len(shown) - 1.5), MEASURED, width, label="measured", color="grey")
    axes.set(xticks=places, xticklabels=CONSTANTS, ylabel="elastic constant (GPa)")
    axes.legend()
    figure.savefig(path, dpi=110)
