"""The figure of the recipe."""

from __future__ import annotations

from pathlib import Path

from crystal_elasticity import BARS, GPA, LATTICE_CONSTANTS, NAMES

from mdfit.recipes.metrics import Metrics


def draw_learning(history: list[dict[str, float]], targets: Metrics, path: Path) -> None:
    """Loss, elastic constants and pressure by update, with their targets."""
    from matplotlib.figure import Figure

    name = f"a={LATTICE_CONSTANTS[1]}"
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.semilogy([record["loss"] for record in history])
    left.set(xlabel="update", ylabel="loss (χ²)")
    for label in NAMES:
        (line,) = middle.plot([record[f"ElasticConstants/{label}"] * GPA for record in history], label=label)
        middle.axhline(targets[f"{name}/consistent/{label}"].value, color=line.get_color(), linestyle=":")
    middle.set(xlabel="update", ylabel="elastic constant (ε/σ³)")
    middle.legend()
    right.plot([record["Pressure"] * BARS for record in history])
    right.axhline(targets[f"{name}/pressure"].value, color="grey", linestyle=":")
    right.set(xlabel="update", ylabel="pressure (ε/σ³)")
    figure.savefig(path, dpi=110)
