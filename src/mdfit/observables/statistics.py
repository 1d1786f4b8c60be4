"""Error bars of averages over correlated samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.low_frequencies import low_frequency_error, student_factor

#: The window of the correlation time is the first that is this many correlation times long.
WINDOW = 5.0
#: Fewer independent samples do not tell how correlated they are: error bars carry a warning.
FEWEST_SAMPLES = 25.0
#: As many replicas tell by their scatter, whatever their length.
MANY_REPLICAS = 8
#: The share of the components of a curve that may have fewer independent samples, since their numbers scatter.
ODD_COMPONENTS = 0.1
#: Below so many independent samples errors are widened, by this share at most: a series that happens to hide its slow
#: motions is taken for a longer one (the coverage is that of tests/observables/test_coverage.py).
WIDENED_BELOW, WIDENING, WIDENING_OF_REPLICAS = 60.0, 0.6, 0.3
#: From so many samples on the window gives the effective number, unless the lowest frequencies give less than half, and
#: from so many on the error, too, unless the lowest frequencies give one that is larger by this factor.
_LONG, _VERY_LONG, _DISAGREEMENT = 100.0, 400.0, 1.3
#: Of relaxations the sum of the squared correlations is half that of the correlations; with some room.
_OF_SQUARES = 0.625
#: Replicas that scatter beyond this quantile of what their errors allow count as one sample each.
_STUCK = 0.97
#: Below this statistical inefficiency correlations are negative.
_ALTERNATING = 0.7
#: Numbers that are transformed at once.
_AT_ONCE = 2**23


def statistical_inefficiency(series: np.ndarray) -> np.ndarray:
    """Statistical inefficiency g: how many correlated samples are worth one independent sample.

    Args:
        series: ``(replicas, frames, elements)``.

    Returns:
        ``(elements,)``, at least 1; 1 for elements that do not vary.
    """
    return series.shape[0] * series.shape[1] / error_of_mean(series)[1]


def error_of_mean(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard error of the mean over replicas and frames, and the effective number of independent samples.

    Mean ± error holds the true mean with a probability of 68 %, mean ± two errors with at least 90 %: the error contains
    Student's factor for the few numbers that it rests on, see :mod:`mdfit.observables.low_frequencies`.  The number of
    samples is that of the window where both agree, and else the smaller one.

    Args:
        series: ``(replicas, frames, elements)``.

    Returns:
        Two arrays ``(elements,)``; the error is zero for elements that do not vary.
    """
    samples = series.shape[0] * series.shape[1]
    variance = variance_of(series)
    varies = variance > 0
    error, effective = np.zeros(len(varies)), np.full(len(varies), float(samples))
    together = max(1, _AT_ONCE // (2 * samples))
    for start in range(0, len(varies), together):
        chosen = start + np.flatnonzero(varies[start : start + together])
        if chosen.size:
            error[chosen], effective[chosen] = _error(series[..., chosen], variance[chosen])
    return error, effective


def warnings_of(effective: np.ndarray, replicas: int, is_curve: bool = False) -> tuple[str, ...]:
    """A warning when a series is too short for a reliable error bar, else none.

    Args:
        effective: numbers of independent samples of the components that vary.
        replicas: that the series was pooled from.
        is_curve: whether the components are those of a curve, of which a few may be short of samples.
    """
    short = np.asarray(effective) < FEWEST_SAMPLES
    if replicas >= MANY_REPLICAS or short.mean() <= (ODD_COMPONENTS if is_curve else 0.0):
        return ()
    least = np.median(effective) if is_curve else np.min(effective)
    return (
        f"the series is worth only about {least:.0f} independent samples, and fewer than {FEWEST_SAMPLES:.0f} do not tell "
        "how correlated they are: the error bar is rough; simulate longer",
    )


def _error(series: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy import stats

    replicas, frames, _ = series.shape
    samples = replicas * frames
    correlation = _autocorrelation(series)
    inefficiency = _window(correlation)
    window = samples / np.clip(inefficiency, 1.0, frames)
    # Where the correlation is negative, the lowest frequencies alone are below those of the oscillation.
    error = low_frequency_error(series, np.where(inefficiency < _ALTERNATING, 0.0, window))
    if replicas > 1:
        # Replicas that are stuck apart differ by more than any process that fluctuates so little within them.
        scatter = series.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(replicas)
        most = stats.chi2.ppf(_STUCK, replicas - 1) / (replicas - 1)
        stuck = scatter**2 > most * error**2
        error = np.where(stuck, student_factor(replicas - 1) * scatter, error)
        window = np.where(stuck, replicas, window)
    # Of very long series all frequencies give the same error with less noise.
    of_window = np.sqrt(variance / np.maximum(window - 1, 1))
    long = (window > _VERY_LONG) & (inefficiency >= _ALTERNATING)
    error = np.where(long & (error < _DISAGREEMENT * of_window), of_window, error)
    # The variance around the found mean lacks the mean's own.
    lowest = np.minimum(1 + variance / error**2, samples)
    effective = np.minimum(window, lowest)
    # Correlations that change their sign, of vibrations, add up to little although few periods have been seen.
    squared = np.maximum(_OF_SQUARES * samples / _squared_inefficiency(correlation, replicas), replicas)
    effective = np.where(squared < FEWEST_SAMPLES, np.minimum(effective, squared), effective)
    effective = np.where((window > _LONG) & (lowest > window / 2), window, effective)
    if replicas >= MANY_REPLICAS:
        effective = np.where(window > _LONG, effective, lowest)
    widest = WIDENING_OF_REPLICAS if replicas >= MANY_REPLICAS else WIDENING
    return error * (1 + np.clip(1 - effective / WIDENED_BELOW, 0, widest)), effective


def jackknife(
    function: Callable[[np.ndarray], np.ndarray | float], blocks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A function of an average, and its standard error from leaving out one block at a time.

    The error contains Student's factor: ± 1 error covers 68 % for any number of blocks that are independent.
    B. Efron, C. Stein, Ann. Statist. 9, 586 (1981), doi:10.1214/aos/1176345462.

    Args:
        function: of an array of the shape of one block.
        blocks: ``(blocks, *shape)``, averages over equally long parts, each longer than the correlation time.

    Raises:
        ObservableError: for fewer than two blocks.
    """
    number = len(blocks)
    if number < 2:
        raise ObservableError(f"An error by leaving out blocks needs at least two of them, not {number}.")
    without = (blocks.sum(axis=0) - blocks) / (number - 1)
    each = np.array([np.asarray(function(average), np.float64) for average in without])
    value = np.asarray(function(blocks.mean(axis=0)), np.float64)
    return value, float(student_factor(number - 1)) * np.sqrt((number - 1) * each.var(axis=0))


def bootstrap(
    function: Callable[[np.ndarray], np.ndarray | float], samples: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A function of independent samples, and its standard error from drawing as many of them with replacement.

    For functions that are no smooth functions of averages, such as medians, where :func:`jackknife` fails.
    B. Efron, Ann. Statist. 7, 1 (1979), doi:10.1214/aos/1176344552.

    Args:
        function: of an array of the shape of ``samples``.
        samples: ``(samples, *shape)``: numbers, chains, or indices of anything.
        draws: how often.
        seed: of the draws; two functions of the same samples with the same seed see the same draws.
    """
    chosen = np.random.default_rng(seed).integers(len(samples), size=(draws, len(samples)))
    value = np.asarray(function(samples), np.float64)
    return value, np.std([np.asarray(function(samples[one]), np.float64) for one in chosen], axis=0)


def variance_of(series: np.ndarray) -> np.ndarray:
    """Mean square deviation from the common mean; exactly zero for rounding noise."""
    mean = series.mean(axis=(0, 1))
    variance = np.mean((series - mean) ** 2, axis=(0, 1))
    noise = (64 * np.finfo(np.float64).eps * np.max(np.abs(series), axis=(0, 1))) ** 2
    return np.where(variance > noise, variance, 0.0)


def windowed_inefficiency(series: np.ndarray) -> np.ndarray:
    """G = 1 + 2 Σ_m ρ(m), summed up to the first M ≥ 5 g.

    The autocorrelation is pooled over replicas, whose common mean is taken out (A. D. Sokal, Monte Carlo Methods in
    Statistical Mechanics, 1996, doi:10.1007/978-1-4899-0319-8_6).  When no window closes, g is the number of frames: each
    replica then counts as one sample.  Below about 50 independent samples it is too low.

    Args:
        series: ``(replicas, frames, elements)``.

    Returns:
        ``(elements,)``, below 1 for correlations that are negative; 1 for elements that do not vary.
    """
    varies = variance_of(series) > 0
    return np.where(varies, _window(_autocorrelation(series)), 1.0)


def _window(correlation: np.ndarray) -> np.ndarray:
    return _first_window(2 * np.cumsum(correlation, axis=0) - correlation[0], float(len(correlation)))


def _squared_inefficiency(correlation: np.ndarray, replicas: int) -> np.ndarray:
    """1 + 2 Σ_m ρ(m)², less what noise adds to it: how many samples tell as much of the correlation as one independent one.

    M. S. Bartlett, J. R. Stat. Soc. Suppl. 8, 27 (1946), doi:10.2307/2983611.
    """
    noise = 1 / (replicas * (len(correlation) - np.arange(len(correlation))))
    squares = correlation**2 - noise[:, None]
    squares[0] = 1.0
    return np.maximum(_first_window(2 * np.cumsum(squares, axis=0) - 1), 1.0)


def _first_window(running: np.ndarray, otherwise: float | None = None) -> np.ndarray:
    """A running sum ``(frames, elements)`` at the first M that is 5 of it, up to half the frames; or its last value."""
    # Beyond half the frames a correlation is mostly noise.
    usable = max(1, len(running) // 2)
    closed = np.arange(usable)[:, None] >= WINDOW * np.maximum(running[:usable], 1.0)
    first = np.argmax(closed, axis=0)
    chosen = np.take_along_axis(running, first[None], axis=0)[0]
    return np.where(closed.any(axis=0), chosen, running[usable - 1] if otherwise is None else otherwise)


def _autocorrelation(series: np.ndarray) -> np.ndarray:
    """ρ(m), ``(frames, elements)``, of all replicas, whose common mean is taken out."""
    from scipy import fft

    frames = series.shape[1]
    deviation = series - series.mean(axis=(0, 1))
    padded = fft.next_fast_len(2 * frames, real=True)
    power = np.zeros((padded // 2 + 1, series.shape[2]))
    for replica in deviation:
        spectrum = fft.rfft(replica, n=padded, axis=0)
        power += spectrum.real**2 + spectrum.imag**2
    covariance = fft.irfft(power, n=padded, axis=0)[:frames] / (frames - np.arange(frames))[:, None]
    varies = variance_of(series) > 0
    return covariance / np.where(varies, covariance[0], 1.0)
