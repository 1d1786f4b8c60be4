"""Has a simulation reached equilibrium?  Its temperature against the thermostat's, its first half against its second."""

from __future__ import annotations

import numpy as np

from mdfit.observables.base import Observable
from mdfit.observables.density import Density
from mdfit.observables.energy import PotentialEnergy
from mdfit.observables.per_frame import per_frame
from mdfit.observables.statistics import error_of_mean
from mdfit.observables.stress import Pressure
from mdfit.observables.temperature import Temperature
from mdfit.simulate import Trajectory

#: Deviations of more standard errors are flagged: far in the tails even of the few numbers that short series give.
MOST_ERRORS = 5.0
#: Smaller deviations of the temperature come from the time step.
SMALLEST_RELATIVE_DEVIATION = 0.01
#: Frames per replica, and independent samples without its trend, that the second half needs to be a measure.
FEWEST_FRAMES_OF_A_HALF, FEWEST_SAMPLES_OF_A_HALF = 10, 12.0


def equilibration_warnings(trajectory: Trajectory) -> dict[str, tuple[str, ...]]:
    """What speaks against equilibrium, in words, by the name of the observable; empty when nothing does.

    The mean temperature is compared with that of the thermostat (not in NVE, nor where velocities do not change, as in
    overdamped dynamics); temperature, potential energy, pressure and, at constant pressure, density are compared between
    the halves, with the error of the second one without its trend.  A deviation counts from five standard errors on.
    From 12 correlation times on false alarms are rarer than 1 in 1000 for each; of shorter runs, which have not sampled
    their equilibrium, a few in a hundred are flagged.

    Args:
        trajectory: of one or several replicas.
    """
    observables: list[Observable] = [Temperature(), PotentialEnergy()]
    if trajectory.periodic.all():
        observables += [Pressure()] + [Density()] * (trajectory.ensemble == "NPT")
    moving = np.ptp(trajectory.kinetic_energies) > 0
    found: dict[str, tuple[str, ...]] = {}
    for observable in observables:
        if isinstance(observable, Temperature | Pressure) and not moving:
            continue
        values = per_frame(observable, trajectory)[..., None]
        warnings = _drift(observable, values)
        if isinstance(observable, Temperature) and trajectory.ensemble != "NVE":
            warnings = _off_target(values, trajectory.temperature) + warnings
        if warnings:
            found[observable.name] = warnings
    return found


def _off_target(values: np.ndarray, target: float) -> tuple[str, ...]:
    error = float(error_of_mean(values)[0][0])
    deviation = float(values.mean()) - target
    if abs(deviation) <= max(MOST_ERRORS * error, SMALLEST_RELATIVE_DEVIATION * target):
        return ()
    return (
        f"not equilibrated: the mean temperature of {values.mean():.4g} K is {abs(deviation) / error:.0f} standard errors "
        f"{'above' if deviation > 0 else 'below'} the thermostat's {target:.4g} K; equilibrate longer, or shorten the time "
        "step",
    )


def _drift(observable: Observable, values: np.ndarray) -> tuple[str, ...]:
    middle = values.shape[1] // 2
    if middle < FEWEST_FRAMES_OF_A_HALF:
        return ()
    halves = values[:, :middle], values[:, -middle:]
    error, samples = (float(found[0]) for found in error_of_mean(_without_trend(halves[1])))
    error *= np.sqrt(2)
    if samples < FEWEST_SAMPLES_OF_A_HALF:
        error = float(np.linalg.norm([error_of_mean(half)[0][0] for half in halves]))
    first, second = (float(half.mean()) for half in halves)
    # Differences of the size of rounding are none.
    if abs(second - first) <= max(MOST_ERRORS * error, 1e-9 * abs(first)):
        return ()
    return (
        f"not equilibrated: the mean of the second half, {second:.6g} {observable.unit}, is "
        f"{abs(second - first) / max(error, 1e-300):.3g} standard errors {'above' if second > first else 'below'} that of "
        f"the first, {first:.6g} {observable.unit}; equilibrate longer",
    )


def _without_trend(values: np.ndarray) -> np.ndarray:
    """``(replicas, frames, 1)`` less the straight line through the mean of the replicas."""
    times = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    slope = times @ values.mean(axis=0) / (times @ times)
    return values - times[:, None] * slope
