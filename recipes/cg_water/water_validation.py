"""Independent simulations of the potentials, and how far they are from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from water_beads import angular, radial, targets
from water_training import SKIN

from mdfit.measurements import Measurement
from mdfit.observables import Observable, Pressure, Temperature, estimate, jackknife, per_frame
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import JaxMD, Langevin, StatePoint, Trajectory, run

#: A trajectory is cut into so many parts for the errors of nonlinear functions.
PARTS = 10


@dataclass(frozen=True, eq=False)
class Curve:
    """A distribution on its grid, with standard errors, beside the measured one."""

    grid: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray
    measured: np.ndarray


@dataclass(frozen=True, eq=False)
class Validation:
    """The curves of a potential and its metrics ``rdf_rmse``, ``adf_rmse``, ``pressure`` and ``temperature``."""

    rdf: Curve
    adf: Curve
    metrics: Metrics


def validate(
    potential: Potential, at: StatePoint, sampler: Langevin, duration: float, every: float, seed: int, out: Path
) -> Validation:
    """A new simulation of ``duration`` (fs) from ``at``, kept in the file ``out``.

    A tenth of the duration is dropped at the start.
    """
    trajectory = run(
        potential,
        at,
        sampler,
        duration=duration,
        every=every,
        equilibrate=0.1 * duration,
        key=jax.random.key(seed + 10_000),
        engine=JaxMD(skin=SKIN),
        out=out,
    )
    metrics = {}
    for observable in (Pressure(), Temperature()):
        metrics[observable.name.lower()] = Metric.of(estimate(observable, trajectory))
    curves = {}
    measured = targets(at, pressure_weight=1.0, angle_weight=1.0)
    for name, curve, unit in (("rdf", radial(at), ""), ("adf", angular(), "1/rad")):
        (target,) = (m for m in measured if m.observable == curve)
        found = estimate(curve, trajectory)
        curves[name] = Curve(curve.grid, np.asarray(found.value), np.asarray(found.standard_error), target.value)
        metrics[f"{name}_rmse"] = Metric(*deviation(target, trajectory), unit)
    return Validation(curves["rdf"], curves["adf"], metrics)


def deviation(target: Measurement, trajectory: Trajectory) -> tuple[float, float]:
    """Root-mean-square deviation from a measured curve and its standard error, by leaving out a part at a time.

    The statistical error of the curve is part of the deviation.
    """
    values = per_frame(target.observable, trajectory)
    parts = np.array([part.mean(axis=(0, 1)) for part in np.array_split(values, PARTS, axis=1)])
    value, error = jackknife(lambda average: _rmse(target, average), parts)
    return float(value), float(error)


def _rmse(target: Measurement, average) -> float:
    observable: Observable = target.observable
    return float(np.sqrt(np.mean((np.asarray(observable.combine(average)) - target.value) ** 2)))
