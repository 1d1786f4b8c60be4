"""Values of observables with error bars that know of correlations between frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable, TrajectoryObservable
from mdfit.observables.block_averages import BlockAverages, checked_weights, one_replica
from mdfit.observables.frame_effects import frame_effects
from mdfit.observables.low_frequencies import student_factor
from mdfit.observables.per_frame import per_frame
from mdfit.observables.statistics import MANY_REPLICAS, error_of_mean, warnings_of
from mdfit.potentials import Potential
from mdfit.simulate import Trajectory
from mdfit.units import quantity

#: Fewer frames (of all replicas) give no error bar.
FEWEST_FRAMES = 10
#: Fewer blocks (of all replicas) give no error bar.
FEWEST_BLOCKS = 4
#: Blocks that a replica is cut into at most for correlations in time.
MOST_BLOCKS = 10
#: Blocks that hold fewer independent samples are correlated.
FEWEST_SAMPLES_PER_BLOCK = 2


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with its standard error; ``str()`` is ready for a table.

    Value ± one error holds the true value with a probability of 68 %, ± two errors with at least 90 %, unless there is a
    warning.

    Attributes:
        name: of the observable.
        value: in ``unit``; of shape ``()`` for scalars.
        standard_error: of the same shape.
        effective_samples: independent samples that the frames are worth (for several components the median), or blocks.
        unit: of the value; empty for plain numbers.
        labels: names of the components, empty for scalars and curves.
        grid: where the components of a curve are, in ``grid_unit``; None for scalars.
        grid_unit: of the grid.
        warnings: why the error bar may be too small, or the value off, in words; empty when all is well.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import PotentialEnergy, estimate
        >>> from mdfit.simulate import Trajectory
        >>> energies = 0.1 * np.sin(np.arange(200) ** 2)
        >>> frames = Frames([18], [39.9], np.zeros((200, 1, 3)), np.zeros((3, 3)), [False] * 3, energies=energies)
        >>> print(estimate(PotentialEnergy(), Trajectory.of_frames(frames, temperature=300.0)))
        0.0004 ± 0.0056 eV (effective samples: 193)
    """

    name: str
    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: float
    unit: str
    labels: tuple[str, ...] = ()
    grid: np.ndarray | None = None
    grid_unit: str = ""
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return "; ".join([self._text, *(f"warning: {warning}" for warning in self.warnings)])

    @property
    def _text(self) -> str:
        samples = f"(effective samples: {self.effective_samples:.0f})"
        if self.value.ndim == 0:
            return f"{self._element(())} {samples}"
        if self.grid is not None or self.value.ndim > 1:
            known = np.where(np.isfinite(self.value), self.value, -np.inf)
            largest = self._element(tuple(int(i) for i in np.unravel_index(np.argmax(known), known.shape)))
            return f"{self.name}: {self._extent}, largest {largest} {samples}"
        names = self.labels or tuple(str(index) for index in range(self.value.size))
        parts = [f"{name} {self._element((index,))}" for index, name in enumerate(names)]
        return f"{', '.join(parts)} {samples}"

    @property
    def _extent(self) -> str:
        if self.grid is None:
            return f"{' × '.join(map(str, self.value.shape))} values"
        return f"{len(self.grid)} values from {self.grid[0]:.4g} to {self.grid[-1]:.4g} {self.grid_unit}"

    def _element(self, index: tuple[int, ...]) -> str:
        text = with_error(float(self.value[index]), float(self.standard_error[index]))
        return f"{text} {self.unit}".rstrip()


def with_error(value: float, error: float) -> str:
    """``12 ± 25``: the error with two significant digits, the value as precise as the error."""
    if not (error > 0 and math.isfinite(error)):
        return f"{value:.6g} ± {error:.2g}"
    digits = 1 - math.floor(math.log10(error))
    if digits >= 7 or digits < -4:
        return f"{value:.{max(1, digits + math.floor(math.log10(max(abs(value), error))) + 1)}g} ± {error:.2g}"
    rounded_error, rounded = round(error, digits), round(value, digits)
    places = max(digits, 0)
    return f"{rounded:.{places}f} ± {rounded_error:.{places}f}"


def estimate(
    observable: Observable | TrajectoryObservable,
    trajectory: Trajectory,
    discard: int | str = 0,
    blocks: int | None = None,
    potential: Potential | None = None,
    weights: np.ndarray | None = None,
) -> Estimate:
    """The value of an observable over a trajectory, with its standard error.

    Averages: the error is that of the first-order change of ``combine`` (the delta method), frame by frame, by
    :func:`~mdfit.observables.statistics.error_of_mean` for each component; replicas are pooled.  With ``blocks``, each
    replica is cut into so many parts instead, and the error is that of leaving out one part at a time (the jackknife),
    with Student's factor; parts must be longer than the correlation time.

    Correlations in time: the value is that of the whole trajectory; the error comes from the scatter between parts
    (``blocks`` per replica, by default as many as are twice as long as the longest lag, at most 10), with Student's factor.

    When the series is too short for a reliable error bar, the estimate carries a warning.

    Args:
        observable: any of :mod:`mdfit.observables`.
        trajectory: of one or several replicas.
        discard: frames at the start of each replica to leave out, or a time such as ``"5 ps"``.
        blocks: parts per replica.
        potential: that of the simulation; for observables that need derivatives of the energy (elastic constants, and the
            heat capacity of potentials that depend on the temperature).
        weights: of the frames, ``(replicas, frames)``, up to a factor, for averages in another ensemble than that of the
            simulation; for averages only.

    Raises:
        ObservableError: when there are too few frames, the observable has no meaning for the trajectory, or the weights do
            not fit.
    """
    if not isinstance(observable, (Observable, TrajectoryObservable)):
        raise ObservableError(
            f"{observable.name} is of two ensembles, not of one trajectory; weigh its frames with "
            "mdfit.reweighting.reweight, whose result has a free_energy, or give those of both to "
            "mdfit.reweighting.bennett."
        )
    if weights is not None:
        weights = checked_weights(weights, (trajectory.replicas, len(trajectory)))
        if isinstance(observable, TrajectoryObservable):
            raise ObservableError(
                f"{observable.name} needs the order of the frames, so that they cannot be weighted; simulate the ensemble "
                "itself."
            )
    all_frames = len(trajectory)
    trajectory = _without_start(observable.name, trajectory, discard)
    if weights is not None:
        weights = weights[:, all_frames - len(trajectory) :]
    if blocks is not None and (blocks < 1 or blocks * trajectory.replicas < FEWEST_BLOCKS):
        raise ObservableError(
            f"{blocks} blocks per replica give no error bar; take at least {FEWEST_BLOCKS} blocks in all replicas."
        )
    if isinstance(observable, TrajectoryObservable):
        return _of_correlations(observable, trajectory, blocks)
    return _of_averages(observable, trajectory, blocks, potential, weights)


def _without_start(name: str, trajectory: Trajectory, discard: int | str) -> Trajectory:
    if isinstance(discard, str):
        since_start = trajectory.times - trajectory.times[0]
        if not np.isfinite(since_start).all():
            raise ObservableError(f"{name}: the times of the frames are not known; discard a number of frames.")
        discard = int(np.sum(since_start < quantity(discard, "fs", "discard") * (1 - 1e-9)))
    left = (len(trajectory) - discard) * trajectory.replicas
    if discard < 0 or left < FEWEST_FRAMES:
        raise ObservableError(
            f"{name} has {max(left, 0)} frames left after discarding {discard} of {len(trajectory)} per replica, but "
            f"an error bar needs at least {FEWEST_FRAMES}; simulate longer, save more often or discard less."
        )
    return trajectory.part(discard)


def _of_averages(
    observable: Observable,
    trajectory: Trajectory,
    blocks: int | None,
    potential: Potential | None,
    weights: np.ndarray | None,
) -> Estimate:
    values = per_frame(observable, trajectory, potential)
    averages = values.mean(axis=(0, 1)) if weights is None else np.tensordot(weights, values, 2) / weights.sum()
    combined = np.asarray(observable.combine(jnp.asarray(averages)))
    effects = frame_effects(observable, values, averages, weights)
    error, effective = error_of_mean(effects.reshape(*values.shape[:2], -1))
    warnings = (
        _still(observable, trajectory)
        + observable.warnings(averages)
        + _warnings(effective, error, trajectory.replicas, observable)
    )
    if blocks is not None:
        # Parts that are hardly longer than the correlation time are correlated themselves.
        linear, parts = error, blocks * trajectory.replicas
        error = BlockAverages.of_values(observable, values, blocks, weights).standard_error.reshape(-1)
        if _typical(effective, linear) < FEWEST_SAMPLES_PER_BLOCK * parts and trajectory.replicas < MANY_REPLICAS:
            error = np.fmax(error, linear)
            warnings += (
                f"the {parts} blocks are shorter than {FEWEST_SAMPLES_PER_BLOCK} independent samples; take fewer",
            )
        variance = effects.reshape(-1, error.size).var(axis=0)
        effective = np.where(error > 0, variance / np.where(error > 0, error, 1) ** 2, effective)
    return Estimate(
        name=observable.name,
        value=combined,
        # What no frame has reached has no value, and no error either.
        standard_error=np.where(np.isfinite(combined), error.reshape(combined.shape), np.nan),
        effective_samples=_typical(effective, error),
        unit=observable.unit,
        labels=observable.labels,
        grid=observable.grid,
        grid_unit=observable.grid_unit,
        warnings=warnings,
    )


def _still(observable: Observable | TrajectoryObservable, trajectory: Trajectory) -> tuple[str, ...]:
    """A warning for velocities that never change, as those of overdamped dynamics, which are drawn once."""
    if not observable.uses_velocities or len(trajectory) < 2:
        return ()
    kinetic = trajectory.kinetic_energies
    if np.ptp(kinetic, axis=1).any() or not kinetic.any():
        return ()
    return (
        "the velocities never change, as in Brownian dynamics, where they are drawn once and not used: what depends on "
        "them means nothing",
    )


def _warnings(effective: np.ndarray, error: np.ndarray, replicas: int, observable: Observable) -> tuple[str, ...]:
    varying = effective[error > 0]
    is_curve = observable.grid is not None or len(observable.shape) > 1
    return warnings_of(varying, replicas, is_curve) if varying.size else ()


def _of_correlations(observable: TrajectoryObservable, trajectory: Trajectory, blocks: int | None) -> Estimate:
    observable.check(trajectory)
    shortest = observable.shortest_block(trajectory)
    possible = len(trajectory) // shortest
    number = min(possible, MOST_BLOCKS) if blocks is None else blocks
    if number > possible or number * trajectory.replicas < FEWEST_BLOCKS:
        needed = shortest * (blocks or -(-FEWEST_BLOCKS // trajectory.replicas))
        raise ObservableError(
            f"{observable.name} needs {needed} frames per replica for an error bar ({len(trajectory)} are there); "
            "simulate longer or choose a shorter lag."
        )
    length = len(trajectory) // number
    parts = [
        np.asarray(observable.of_trajectory(one_replica(trajectory.part(i * length, (i + 1) * length), replica)))
        for i in range(number)
        for replica in range(trajectory.replicas)
    ]
    return Estimate(
        name=observable.name,
        value=np.asarray(observable.of_trajectory(trajectory)),
        standard_error=student_factor(len(parts) - 1) * np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts)),
        effective_samples=float(len(parts)),
        unit=observable.unit,
        labels=observable.labels,
        grid=observable.grid_of(trajectory),
        grid_unit=observable.grid_unit,
        warnings=_still(observable, trajectory),
    )


def _typical(effective: np.ndarray, error: np.ndarray) -> float:
    """The median over the components that vary."""
    varying = effective[error.reshape(effective.shape) > 0]
    return float(np.median(varying if varying.size else effective))
