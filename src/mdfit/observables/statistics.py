"""Error bars of averages over correlated samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdfit.errors import ObservableError

#: The window of the correlation time is the first that is this many correlation times long.
WINDOW = 5.0
#: Numbers that are transformed at once.
_AT_ONCE = 2**23


def statistical_inefficiency(series: np.ndarray) -> np.ndarray:
    """Statistical inefficiency g = 1 + 2 Σ_m ρ(m): how many correlated samples are worth one independent sample.

    The autocorrelation is pooled over replicas, whose common mean is taken out, and summed up to the first M ≥ 5 g
    (A. D. Sokal, Monte Carlo Methods in Statistical Mechanics, 1996, doi:10.1007/978-1-4899-0319-8_6).  When no window
    closes, g is the number of frames: each replica then counts as one sample.  Values below 1 are raised to 1.

    Args:
        series: ``(replicas, frames, elements)``.

    Returns:
        ``(elements,)``; 1 for elements that do not vary.
    """
    together = max(1, _AT_ONCE // (2 * series.shape[0] * series.shape[1]))
    parts = [_inefficiency(series[..., i : i + together]) for i in range(0, series.shape[2], together)]
    return np.concatenate(parts)


def error_of_mean(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard error of the mean over replicas and frames, and the effective number of samples.

    Args:
        series: ``(replicas, frames, elements)``.

    Returns:
        Two arrays ``(elements,)``.  The variance has its bias from the estimated mean taken out, 1/(1 − 1/n_eff).
    """
    samples = series.shape[0] * series.shape[1]
    effective = samples / statistical_inefficiency(series)
    variance = _variance(series)
    return np.sqrt(variance / np.maximum(effective - 1, 0.5)), effective


def jackknife(
    function: Callable[[np.ndarray], np.ndarray | float], blocks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A function of an average, and its standard error from leaving out one block at a time.

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
    return value, np.sqrt((number - 1) * each.var(axis=0))


def _variance(series: np.ndarray) -> np.ndarray:
    """Mean square deviation from the common mean; exactly zero for rounding noise."""
    mean = series.mean(axis=(0, 1))
    variance = np.mean((series - mean) ** 2, axis=(0, 1))
    noise = (64 * np.finfo(np.float64).eps * np.max(np.abs(series), axis=(0, 1))) ** 2
    return np.where(variance > noise, variance, 0.0)


def _inefficiency(series: np.ndarray) -> np.ndarray:
    from scipy import fft

    frames = series.shape[1]
    deviation = series - series.mean(axis=(0, 1))
    padded = fft.next_fast_len(2 * frames, real=True)
    power = np.zeros((padded // 2 + 1, series.shape[2]))
    for replica in deviation:
        spectrum = fft.rfft(replica, n=padded, axis=0)
        power += spectrum.real**2 + spectrum.imag**2
    covariance = fft.irfft(power, n=padded, axis=0)[:frames] / (frames - np.arange(frames))[:, None]
    varies = _variance(series) > 0
    correlation = covariance / np.where(varies, covariance[0], 1.0)
    running = 2 * np.cumsum(correlation, axis=0) - correlation[0]
    # Beyond half the frames a correlation is mostly noise.
    usable = max(1, frames // 2)
    closed = np.arange(usable)[:, None] >= WINDOW * running[:usable]
    first = np.argmax(closed, axis=0)
    chosen = np.take_along_axis(running, first[None], axis=0)[0]
    chosen = np.where(closed.any(axis=0), chosen, frames)
    return np.where(varies, np.clip(chosen, 1.0, frames), 1.0)
