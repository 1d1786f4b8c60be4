"""Predicted curves beside a measured one, or that of a reference simulation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np

from mdfit.observables import (
    BlockAverages,
    free_energy_error,
    jensen_shannon_divergence,
    mean_squared_density_error,
)
from mdfit.recipes.figures import Figure, Plot, Series
from mdfit.recipes.metrics import Metric, Metrics

#: A curve that is known as it is, or with errors.
Target = np.ndarray | BlockAverages


def deviations(name: str, found: Mapping[str, BlockAverages], target: Target) -> Metrics:
    """``<name>_rmse/<model>`` of each curve, with the errors of both.

    Args:
        name: of the kind of curve.
        found: by model, whose bins, or the first of them, are those of the target.
        target: what the curves should be.
    """
    aim = _value(target)
    metrics: Metrics = {}
    for model, curve in found.items():
        value, error = curve.deviation(aim)
        if isinstance(target, BlockAverages):
            error = float(np.hypot(error, target.deviation(curve.value)[1]))
        metrics[f"{name}_rmse/{model}"] = Metric(value, error, curve.observable.unit)
    return metrics


def density_deviations(
    name: str, own: BlockAverages, reference: np.ndarray, temperature: float, variables: str, draws: int = 50
) -> Metrics:
    """How far a density of collective variables is from a reference, which counts as exact.

    ``<variables>_density_mse``, ``jensen_shannon`` and ``free_energy_error`` (meV), each with ``/<name>``: the mean squared
    deviation, the Jensen–Shannon divergence, and the error of −k_BT ln ρ weighted by the reference, whose visited bins
    count as half of the rarest where the density has nothing.  Errors by drawing blocks with replacement.

    Args:
        name: of the model.
        own: its density; every block independent.
        reference: on the same bins.
        temperature: in K.
        variables: in the name of the first metric.
        draws: of blocks.
    """

    def free_energy(density: np.ndarray, other: np.ndarray) -> float:
        return 1000 * free_energy_error(density, other, temperature, empty=0.5)

    kinds = {
        f"{variables}_density_mse": (mean_squared_density_error, _square(own.observable.unit)),
        "jensen_shannon": (jensen_shannon_divergence, "nat"),
        "free_energy_error": (free_energy, "meV"),
    }
    metrics: Metrics = {}
    for kind, (measure, unit) in kinds.items():
        value, error = own.resampled_error_of(lambda density, of=measure: of(density, reference), draws, seed=0)
        metrics[f"{kind}/{name}"] = Metric(float(value), float(error), unit)
    return metrics


def _square(unit: str) -> str:
    """Of an inverse unit such as ``1/rad^2``."""
    base, _, power = unit.removeprefix("1/").partition("^")
    return f"{base}^-{2 * int(power or 1)}"


def comparison(
    found: Mapping[str, BlockAverages],
    target: Target,
    x: str,
    y: str,
    *,
    target_label: str = "measured",
    published: Mapping[str, np.ndarray] | None = None,
    beyond: Collection[str] = (),
    x_limits: tuple[float | None, float | None] = (None, None),
) -> Figure:
    """All curves with bands of their standard errors, and their differences from the target.

    Args:
        found: by model.
        target: what the curves should be.
        x: label of the axis of the grid.
        y: of that of the values.
        target_label: of the target.
        published: further curves on the first bins of the longest one.
        beyond: models too far from the target for the plot of differences.
        x_limits: the part of the axis in which there is something to see.
    """
    aim, others = _value(target), published or {}
    own_error = target.standard_error if isinstance(target, BlockAverages) else None
    grid = max((np.asarray(curve.observable.grid) for curve in found.values()), key=len)
    style: Literal["measured", "reference"] = "measured" if own_error is None else "reference"
    values = [Series(label=target_label, x=grid[: len(aim)], y=aim, error=own_error, style=style)]
    differences = [Series(label=target_label, x=grid[: len(aim)], y=np.zeros(len(aim)), error=own_error, style=style)]
    for label, known in others.items():
        bins = min(len(known), len(aim))
        values.append(Series(label=label, x=grid[:bins], y=known[:bins], style="published"))
        differences.append(Series(label=label, x=grid[:bins], y=known[:bins] - aim[:bins], style="published"))
    for model, curve in found.items():
        label, bins = model.replace("_", " "), min(len(curve.value), len(aim))
        value, error = curve.value[:bins], curve.standard_error[:bins]
        values.append(Series(label=label, x=grid[:bins], y=value, error=error))
        if model not in beyond:
            differences.append(Series(label=label, x=grid[:bins], y=value - aim[:bins], error=error))
    return Figure(
        plots=[
            Plot(title=f"{y}, {target_label} and predicted", x=x, y=y, series=values, x_limits=x_limits),
            Plot(title=f"{y}: differences", x=x, y=f"difference from {target_label}", series=differences,
                 x_limits=x_limits),
        ]
    )  # fmt: skip


def _value(target: Target) -> np.ndarray:
    return target.value if isinstance(target, BlockAverages) else np.asarray(target)
