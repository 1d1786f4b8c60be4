"""Averages over blocks of a simulation, from which errors of any function of them follow."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.per_frame import per_frame
from mdfit.observables.statistics import bootstrap, jackknife
from mdfit.potentials import Potential
from mdfit.simulate import Trajectory
from mdfit.simulate.trajectory import per_frame_arrays


@dataclass(frozen=True, eq=False)
class BlockAverages:
    """An observable over a simulation that was cut into blocks; its value, and errors by leaving out one at a time.

    Attributes:
        observable: what was averaged.
        averages: of ``observable.per_snapshot`` over each block, ``(blocks, *shape)``.
        weights: what each block counts, ``(blocks,)`` with a mean of 1.

    Example:
        >>> import numpy as np
        >>> from mdfit.observables import BlockAverages, PotentialEnergy
        >>> energies = np.array([[1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 2.0]])
        >>> blocks = BlockAverages.of_values(PotentialEnergy(), energies, blocks=4)
        >>> float(blocks.value), float(blocks.standard_error.round(2))
        (2.25, 0.57)
    """

    observable: Observable
    averages: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(
        cls,
        observable: Observable,
        trajectory: Trajectory,
        blocks: int = 10,
        weights: np.ndarray | None = None,
        potential: Potential | None = None,
    ) -> BlockAverages:
        """Of a trajectory.

        Args:
            observable: a function of averages.
            trajectory: of one or several replicas.
            blocks: into which each replica is cut; longer than the correlation time.
            weights: of the frames, ``(replicas, frames)``, up to a factor; all alike by default.
            potential: that of the simulation; for observables that need the second derivative of the energy.

        Raises:
            ObservableError: when there are fewer frames than blocks, weights that do not fit, or the observable has no
                meaning for the trajectory.
        """
        counts = checked_weights(weights, (trajectory.replicas, len(trajectory)))
        limits = _limits(len(trajectory), blocks)
        averages, sums = [], []
        # One block at a time, since the values of all frames may be large.
        for start, stop in pairwise(limits):
            for replica, own in enumerate(counts[:, start:stop]):
                values = per_frame(observable, one_replica(trajectory.part(start, stop), replica), potential)[0]
                averages.append(_average(values, own, weights is None))
                sums.append(own.sum())
        return cls(observable, np.array(averages), np.array(sums) / np.mean(sums))

    @classmethod
    def of_values(
        cls, observable: Observable, values: np.ndarray, blocks: int, weights: np.ndarray | None = None
    ) -> BlockAverages:
        """Of the values of :func:`~mdfit.observables.per_frame`, ``(replicas, frames, *shape)``; see :meth:`of`."""
        counts = checked_weights(weights, values.shape[:2])
        limits = _limits(values.shape[1], blocks)
        averages, sums = [], []
        for start, stop in pairwise(limits):
            for replica, own in zip(values[:, start:stop], counts[:, start:stop], strict=True):
                averages.append(_average(replica, own, weights is None))
                sums.append(own.sum())
        return cls(observable, np.array(averages), np.array(sums) / np.mean(sums))

    @property
    def value(self) -> np.ndarray:
        """In the unit of the observable."""
        return self._combined(self._weighted.mean(axis=0))

    @property
    def standard_error(self) -> np.ndarray:
        """Of :attr:`value`; NaN for a single block."""
        return self.error_of(lambda value: value)[1]

    def error_of(self, function: Callable[[np.ndarray], np.ndarray | float]) -> tuple[np.ndarray, np.ndarray]:
        """A function of the value, and its standard error with Student's factor."""
        if len(self.averages) < 2:
            value = np.asarray(function(self.value))
            return value, np.full(value.shape, np.nan)
        return jackknife(lambda average: function(self._combined(average)), self._weighted)

    def resampled_error_of(
        self, function: Callable[[np.ndarray], np.ndarray | float], draws: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same for functions that are not smooth, by drawing blocks with replacement; see :func:`bootstrap`."""
        return bootstrap(lambda drawn: function(self._combined(drawn.mean(axis=0))), self._weighted, draws, seed)

    def deviation(self, other: np.ndarray) -> tuple[float, float]:
        """Root mean square of the difference from another curve and its error, over the first bins, which both have.

        The statistical errors of both curves are part of the deviation.
        """
        bins = min(len(self.value), len(other))
        value, error = self.error_of(lambda own: np.sqrt(np.mean((own[:bins] - other[:bins]) ** 2)))
        return float(value), float(error)

    def halves(self) -> tuple[BlockAverages, BlockAverages]:
        """The first and the second half of the blocks."""
        middle = (len(self.averages) + 1) // 2
        first, second = (
            BlockAverages(self.observable, self.averages[part], self.weights[part])
            for part in (slice(middle), slice(middle, None))
        )
        return first, second

    @property
    def _weighted(self) -> np.ndarray:
        """Products with the weights, and behind them the weights, flat."""
        flat = self.averages.reshape(len(self.averages), -1)
        return np.concatenate([flat * self.weights[:, None], self.weights[:, None]], axis=1)

    def _combined(self, weighted: np.ndarray) -> np.ndarray:
        average = (weighted[:-1] / weighted[-1]).reshape(self.averages.shape[1:])
        return np.asarray(_combine(self.observable, jnp.asarray(average)))


def one_replica(trajectory: Trajectory, replica: int) -> Trajectory:
    """A trajectory of one of the replicas."""
    chosen: dict[str, Any] = {
        name: array[replica : replica + 1] for name, array in per_frame_arrays(trajectory).items()
    }
    return dataclasses.replace(trajectory, **chosen)


def _limits(frames: int, blocks: int) -> list[int]:
    """Where blocks begin and end; the first ones are longer by a frame where they cannot be equal."""
    if not 1 <= blocks <= frames:
        raise ObservableError(f"{frames} frames cannot be cut into {blocks} blocks; take fewer.")
    length, longer = divmod(frames, blocks)
    return [block * length + min(block, longer) for block in range(blocks + 1)]


def _average(values: np.ndarray, weights: np.ndarray, equal: bool) -> np.ndarray:
    return values.mean(axis=0) if equal else np.average(values, axis=0, weights=weights)


def checked_weights(weights: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of frames ``(replicas, frames)``; ones when there are none.

    Raises:
        ObservableError: for another shape, or values that are negative, not finite or all zero.
    """
    if weights is None:
        return np.ones(shape)
    array = np.asarray(weights, np.float64)
    if array.shape != shape or not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ObservableError(
            f"Weights of frames must be {shape[0]} × {shape[1]} numbers, not negative and not all zero, but have the shape "
            f"{array.shape}; give those of mdfit.reweighting, or none."
        )
    return array


@functools.partial(jax.jit, static_argnums=0)
def _combine(observable: Observable, average: jax.Array) -> jax.Array:
    return observable.combine(average)
