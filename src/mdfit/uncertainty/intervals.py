"""Credible intervals from samples of a posterior or members of an ensemble, and how often intervals hold the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.errors import ObservableError

#: From so many samples on their quantiles are an interval; fewer are taken for a normal distribution.
QUANTILES_FROM = 100


@dataclass(frozen=True)
class Interval:
    """A credible interval of a number, or of each number of a curve.

    Attributes:
        mean: over the models.
        spread: standard deviation over the models, less what their statistical errors add to it.
        low, high: the ends.
        level: the probability that is meant.
        models: number of models.

    Example:
        >>> from mdfit.uncertainty import credible_interval
        >>> interval = credible_interval([1.0, 1.2, 0.9, 1.1])
        >>> f"{interval.mean:.2f}: {interval.low:.2f} to {interval.high:.2f}"
        '1.05: 0.59 to 1.51'
    """

    mean: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    models: int

    @property
    def width(self) -> np.ndarray:
        """From end to end."""
        return self.high - self.low

    def holds(self, truth: np.ndarray | float) -> np.ndarray:
        """Whether the truth is inside, for each number."""
        return (np.asarray(truth) >= self.low) & (np.asarray(truth) <= self.high)


def credible_interval(
    values: np.ndarray,
    level: float = 0.95,
    *,
    weights: np.ndarray | None = None,
    standard_errors: np.ndarray | None = None,
) -> Interval:
    """The interval of a prediction that several models make.

    From 100 models on the quantiles of their values.  For fewer, mean ± t √(1 + 1/S) s with Student's t of S − 1 degrees of
    freedom: 2.51 s for S = 8 and 95 %.

    Args:
        values: ``(models, ...)``.
        level: probability, above 0 and below 1.
        weights: ``(models,)`` of the models, equal when left out.
        standard_errors: statistical errors of ``values``, of their shape; their mean square is taken from the variance.

    Raises:
        ObservableError: for fewer than two models, or values that are not finite.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 0 or len(values) < 2:
        raise ObservableError("An interval needs the values of two models or more; one says nothing of its own error.")
    if not np.isfinite(values).all():
        bad = sorted({int(index) for index in np.argwhere(~np.isfinite(values))[:, 0]})
        raise ObservableError(f"The values of models {bad[:5]} are not finite; leave these models out, and say so.")
    if not 0 < level < 1:
        raise ObservableError(f"The level of an interval is a probability between 0 and 1, not {level}.")
    share = np.full(len(values), 1 / len(values)) if weights is None else _normalised(weights, len(values))
    number = 1 / np.sum(share**2)
    mean = np.tensordot(share, values, axes=1)
    variance = np.tensordot(share, (values - mean) ** 2, axes=1) * number / max(number - 1, 1e-12)
    if standard_errors is not None:
        noise = np.tensordot(share, np.asarray(standard_errors, np.float64) ** 2, axes=1)
        variance = np.maximum(variance - noise, 0.0)
    spread = np.sqrt(variance)
    if number >= QUANTILES_FROM and standard_errors is None:
        low, high = _quantiles(values, share, ((1 - level) / 2, (1 + level) / 2))
    else:
        half = prediction_factor(number, level) * spread
        low, high = mean - half, mean + half
    return Interval(mean, spread, low, high, level, len(values))


def prediction_factor(models: float, level: float = 0.95) -> float:
    """T √(1 + 1/S) for S models: how many standard deviations an interval of this level reaches to each side."""
    from scipy import stats

    if models < 1.5:
        raise ObservableError("Weights leave one model only, which says nothing of its own error.")
    return float(stats.t.ppf((1 + level) / 2, models - 1) * np.sqrt(1 + 1 / models))


@dataclass(frozen=True)
class Coverage:
    """How many of several intervals held the truth.

    Example:
        >>> from mdfit.uncertainty import Coverage
        >>> str(Coverage(15, 16))
        '0.94 (15 of 16; 0.70 to 1.00 with 95 %)'
    """

    held: int
    of: int

    @property
    def value(self) -> float:
        """The part that held it."""
        return self.held / self.of

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the probability to hold it, as the number of intervals tells (Clopper and Pearson)."""
        from scipy import stats

        found = stats.binomtest(self.held, self.of).proportion_ci(level)
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.2f} ({self.held} of {self.of}; {low:.2f} to {high:.2f} with 95 %)"


def _normalised(weights: np.ndarray, models: int) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (models,) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ObservableError(
            f"The weights of {models} models are as many finite numbers, not negative and not all zero."
        )
    return weights / weights.sum()


def _quantiles(values: np.ndarray, weights: np.ndarray, levels: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    if np.allclose(weights, weights[0]):
        low, high = np.quantile(values, levels, axis=0)
        return low, high
    low, high = np.quantile(values, levels, axis=0, weights=weights, method="inverted_cdf")
    return low, high
