"""Reweighted averages with error bars, and warnings where the weights have collapsed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Float

from mdfit.observables.low_frequencies import student_factor
from mdfit.observables.statistics import (
    FEWEST_SAMPLES,
    WIDENED_BELOW,
    WIDENING,
    error_of_mean,
    statistical_inefficiency,
    warnings_of,
)
from mdfit.reweighting.effective_size import kish_effective_size, series_of
from mdfit.reweighting.tail import pareto_tail
from mdfit.reweighting.weights import average, log_weights

log = logging.getLogger(__name__)

#: Student's distribution of the error has a third as many degrees of freedom as there are frames that make up the squared
#: error: the squares of weights are more unequal than those of normal numbers (tests/observables/test_coverage.py).
_FRAMES_PER_FREEDOM = 3
#: A tail of this shape is a reason to warn, unless the frames are worth as many samples.
_LARGEST_SHAPE, _MANY_SAMPLES = 0.6, 10 * FEWEST_SAMPLES


@dataclass(frozen=True, eq=False)
class WeightedAverage:
    """A reweighted mean with its standard error; ``value, error = ...`` takes the two apart.

    Attributes:
        value: of the shape of one frame's value.
        standard_error: of the same shape; value ± one error holds the true value with a probability of 68 %, unless
            there is a warning.
        effective_samples: independent samples of equal weight that the frames are worth.
        warnings: why the error bar may be too small, and the value off, in words; empty when all is well.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import average_with_error
        >>> energy = 0.0259 * (1 + np.sin(np.arange(200) ** 2))[None]
        >>> value, error = average_with_error(0.5 * np.sin(np.arange(200) ** 2)[None], energy)
        >>> float(value.round(4)), float(error.round(4))
        (0.0199, 0.0014)
    """

    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: float
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.value, self.standard_error))


def average_with_error(
    change: Float[ArrayLike, "replicas frames"], values: Float[ArrayLike, "replicas frames *shape"]
) -> WeightedAverage:
    """Reweighted mean and its standard error, which knows of the weights and of correlations in time.

    The error is that of the mean of N w (O − <O>), the first-order effect of each frame on the weighted mean, with
    Student's factor for the few frames that make it up.  When the weights have collapsed on a few frames, or their tail
    was not sampled, the result carries warnings, which are logged as well.

    Args:
        change: of the reduced energy, in the order of time.
        values: to be averaged, in any unit.

    Raises:
        ReweightingError: a number is not finite, or shapes differ.
    """
    energies, series = series_of(change, values)
    assert series is not None
    logarithms = log_weights(energies.reshape(-1))
    mean = np.asarray(average(logarithms, series.reshape(energies.size, -1)))
    weights = np.exp(np.asarray(logarithms)).reshape(energies.shape)
    effects = energies.size * weights[..., None] * (series - mean)
    error, effective = error_of_mean(effects)
    inefficiency = np.maximum(statistical_inefficiency(energies[..., None]), energies.size / effective)
    squares = np.sum(effects**2, axis=(0, 1))
    varies = squares > 0
    frames = np.where(varies, squares**2 / np.where(varies, np.sum(effects**4, axis=(0, 1)), 1), energies.size)
    error = error * student_factor(np.maximum(frames / inefficiency / _FRAMES_PER_FREEDOM, 1.0))
    largest = float(inefficiency.max(initial=1.0))
    expected = _expected_number(energies)
    worth = min(float(kish_effective_size(logarithms)), expected) / largest
    if np.ptp(energies) > 0:
        error = error * (1 + WIDENING * np.clip(1 - worth / WIDENED_BELOW, 0, 1))
    warnings = _warnings(worth, np.asarray(logarithms), largest) + warnings_of(
        effective[varies], len(energies), is_curve=effective.size > 1
    )
    for warning in warnings:
        log.warning("Reweighted average: %s.", warning)
    shape = np.shape(values)[2:]
    return WeightedAverage(mean.reshape(shape), error.reshape(shape), worth, warnings)


def worth_of_weights(change: Float[ArrayLike, "replicas frames"]) -> tuple[float, tuple[str, ...]]:
    """Independent samples of equal weight that frames are worth, and why averages over them cannot be trusted, in words.

    Args:
        change: of the reduced energy, in the order of time.

    Raises:
        ReweightingError: a number is not finite.
    """
    energies, _ = series_of(change, None)
    logarithms = log_weights(energies.reshape(-1))
    inefficiency = float(statistical_inefficiency(energies[..., None]).max(initial=1.0))
    worth = min(float(kish_effective_size(logarithms)), _expected_number(energies)) / inefficiency
    return worth, _warnings(worth, np.asarray(logarithms), inefficiency)


def _expected_number(energies: np.ndarray) -> float:
    """Kish's number for normal changes, N exp(−var Δu), of the side of large weights.

    It comes from the bulk of the samples: Kish's own is too large when the largest weights have not been sampled.
    """
    gains = np.maximum(np.median(energies) - energies, 0.0)
    return energies.size * float(np.exp(-min(2 * np.mean(gains**2), 700.0)))


def _warnings(worth: float, logarithms: np.ndarray, inefficiency: float) -> tuple[str, ...]:
    if np.ptp(logarithms) == 0:
        return ()
    warnings: tuple[str, ...] = ()
    if worth < FEWEST_SAMPLES:
        warnings += (
            f"the weights have collapsed: the frames are worth about {worth:.2g} independent ones of equal weight, fewer "
            f"than {FEWEST_SAMPLES:.0f}, so that value and error bar are rough; take a smaller step or simulate anew",
        )
    tail = pareto_tail(logarithms, inefficiency)
    limit = min(tail.threshold, _LARGEST_SHAPE)
    # Of nearly equal weights the tail tells nothing.
    if tail.shape >= limit and worth < _MANY_SAMPLES:
        warnings += (
            f"the tail of the weights is too heavy (Pareto k {tail.shape:.2f}, {limit:.2f} at most), so that value "
            "and error bar cannot be trusted; take a smaller step or simulate anew",
        )
    return warnings
