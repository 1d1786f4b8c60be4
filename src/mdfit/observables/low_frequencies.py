"""Errors of means from the lowest frequencies of a series, which alone tell of motions as slow as the series is long.

The windowed sum of the autocorrelation takes the mean of the series for the true one, so that it overlooks such motions:
for five correlation times it gives half the error.  Here the cosine transforms of the series, which do not know of the
mean, are compared with spectra of relaxing processes of all correlation times, and the spectrum is continued to zero
(U. K. Müller, M. W. Watson, Econometrica 76, 979 (2008), doi:10.3982/ECTA6814).  What the series does not tell
of the correlation time and of the amplitude is averaged over, which gives a mixture of Student's t-distributions.
"""

from __future__ import annotations

import functools

import numpy as np

#: Frequencies that are used at least, and at most when the series is long; those of all replicas together.
FEWEST_FREQUENCIES, MOST_FREQUENCIES = 12, 96
#: One frequency for so many independent samples: the spectrum is nearly flat up to there.
SAMPLES_PER_FREQUENCY = 8
#: Probability of the normal distribution within one standard deviation.
ONE_SIGMA = 0.682689492137086

#: Correlation times over the length of a replica: of one or a few replicas, whose means tell little, and of many.
_LONGEST, _SHORTEST, _TIMES = 2.0, 1e-4, 56
_LONGEST_OF_REPLICAS, _FEW_REPLICAS = 100.0, 4
#: Longer correlation times are taken to be somewhat rarer, with this power.
_RARITY = 0.15
#: Shares of uncorrelated noise in the spectrum at zero, and their probabilities.
_NOISE = ((0.0, 0.9), (0.05, 0.1 / 3), (0.2, 0.1 / 3), (0.5, 0.1 / 3))
#: Elements that are treated at once.
_AT_ONCE = 2**12


def student_factor(degrees_of_freedom: np.ndarray | float) -> np.ndarray:
    """Half the width of the interval of Student's distribution that holds 68.27 %: 1.84 for 1, 1.14 for 4, to 1."""
    from scipy import stats

    return stats.t.ppf(0.5 + ONE_SIGMA / 2, degrees_of_freedom)


def low_frequency_error(series: np.ndarray, independent: np.ndarray) -> np.ndarray:
    """Half the width of the interval around the mean that holds the true one with a probability of 68.27 %.

    Args:
        series: ``(replicas, frames, elements)``.
        independent: ``(elements,)``, about how many independent samples the series is worth; decides how many
            frequencies are used.

    Returns:
        ``(elements,)``; infinite for a single frame.
    """
    replicas, frames, elements = series.shape
    frequencies = np.clip(independent / SAMPLES_PER_FREQUENCY, FEWEST_FREQUENCIES, MOST_FREQUENCIES)
    # In steps of √2, so that few sizes occur.
    frequencies = FEWEST_FREQUENCIES * 2 ** (np.round(2 * np.log2(frequencies / FEWEST_FREQUENCIES)) / 2)
    each = np.minimum(np.ceil(frequencies / replicas), frames - 1).astype(int)
    if replicas * frames < 2:
        return np.full(elements, np.inf)
    power = _power(series, int(each.max(initial=0)))
    error = np.empty(elements)
    for number in np.unique(each):
        chosen = np.flatnonzero(each == number)
        for start in range(0, len(chosen), _AT_ONCE):
            part = chosen[start : start + _AT_ONCE]
            error[part] = _error(power[: number + 1, part], replicas, frames)
    return error


def _power(series: np.ndarray, number: int) -> np.ndarray:
    """Σ_replicas of the squared cosine transforms, ``(1 + number, elements)``; the first of the replicas' means."""
    from scipy import fft

    coefficients = [fft.dct(replica, axis=0, norm="ortho")[: number + 1] for replica in series]
    transformed = np.stack(coefficients)
    transformed[:, 0] -= transformed[:, 0].mean(axis=0)
    return np.sum(transformed**2, axis=0)


def _error(power: np.ndarray, replicas: int, frames: int) -> np.ndarray:
    counts = np.full(len(power), float(replicas))
    counts[0] -= 1
    freedom = counts.sum()
    spectra, probabilities = _spectra(len(power), replicas >= _FEW_REPLICAS)
    # The amplitude is averaged over with the probability density 1/amplitude.
    level = (1 / spectra) @ power
    logarithm = np.log(probabilities) - 0.5 * np.log(spectra) @ counts
    logarithm = logarithm[:, None] - freedom / 2 * np.log(level)
    weights = np.exp(logarithm - logarithm.max(axis=0))
    scales = np.sqrt(level / (freedom * replicas * frames))
    return _width(weights / weights.sum(axis=0), scales, freedom)


def _width(weights: np.ndarray, scales: np.ndarray, freedom: float) -> np.ndarray:
    """Half the width that holds 68.27 % of a mixture of Student's distributions, by bisection."""
    points, inside = _student_table(freedom)
    low, high = scales.min(axis=0) * 0.9, scales.max(axis=0) * student_factor(freedom) * 1.01
    for _ in range(18):
        middle = np.sqrt(low * high)
        held = np.sum(weights * np.interp(middle / scales, points, inside), axis=0)
        low, high = np.where(held < ONE_SIGMA, middle, low), np.where(held < ONE_SIGMA, high, middle)
    return high


@functools.cache
def _student_table(freedom: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy import stats

    points = 60 * np.linspace(0, 1, 2001) ** 2
    return points, 2 * stats.t.cdf(points, freedom) - 1


@functools.cache
def _spectra(number: int, many_replicas: bool) -> tuple[np.ndarray, np.ndarray]:
    """Variances of the cosine transforms, ``(processes, number)``, over that of the mean; the processes' probabilities."""
    longest = _LONGEST_OF_REPLICAS if many_replicas else _LONGEST
    times = np.geomspace(longest, _SHORTEST, _TIMES)
    relaxing = relaxation_spectrum(times, number)
    rarity = times**-_RARITY / np.sum(times**-_RARITY)
    spectra = [(1 - share) * relaxing + share for share, _ in _NOISE]
    return np.concatenate(spectra), np.concatenate([probability * rarity for _, probability in _NOISE])


def relaxation_spectrum(times: np.ndarray, number: int) -> np.ndarray:
    """Variances of the first cosine transforms of exp(−|t|/τ) correlations on [0, 1], over that of the mean.

    2∫∫ cos(kπt) cos(kπs) exp(−|t−s|/τ) dt ds for k > 0, ends included.

    Args:
        times: ``(times,)`` correlation times τ.
        number: of cosines, that of the mean included.

    Returns:
        ``(times, number)``; 1 for the mean.
    """
    rate, order = 1 / times[:, None], np.arange(number)
    square = rate**2 + (np.pi * order) ** 2
    ends = 1 - (-1.0) ** order * np.exp(-rate)
    variances = 2 * rate / square - 4 * rate**2 * ends / square**2
    mean = 2 / rate - 2 * (1 - np.exp(-rate)) / rate**2
    return np.where(order == 0, mean, variances) / mean
