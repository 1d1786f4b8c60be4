"""Correlation functions in time, by fast Fourier transforms."""

from __future__ import annotations

import numpy as np

from mdfit.errors import ObservableError
from mdfit.simulate import Trajectory
from mdfit.units import quantity

#: Numbers that are transformed at once.
_AT_ONCE = 2**23


def autocorrelation(series: np.ndarray, lags: int) -> np.ndarray:
    """Σ_c <x_c(t) x_c(t+m)>_t for m < ``lags``, of ``(frames, components)``, the mean not taken out.

    Averages over all time origins: Σ_t x(t) x(t+m) / (frames − m).
    """
    from scipy import fft

    frames, components = series.shape
    padded = fft.next_fast_len(frames + lags, real=True)
    total = np.zeros(lags)
    together = max(1, _AT_ONCE // padded)
    for start in range(0, components, together):
        spectrum = fft.rfft(series[:, start : start + together].astype(np.float64), n=padded, axis=0)
        power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=1)
        total += fft.irfft(power, n=padded)[:lags]
    return total / (frames - np.arange(lags))


def frame_interval(trajectory: Trajectory) -> float:
    """Time between frames in fs."""
    if len(trajectory) < 2:
        raise ObservableError("Correlations in time need at least two frames; simulate longer or save more often.")
    return float(trajectory.times[1] - trajectory.times[0])


def number_of_lags(name: str, max_lag: float, trajectory: Trajectory) -> int:
    """How many lags from zero to ``max_lag`` (fs) there are, both included.

    Raises:
        ObservableError: when the trajectory is too short, or its frames too far apart.
    """
    interval = frame_interval(trajectory)
    lags = round(max_lag / interval) + 1
    if lags < 2:
        raise ObservableError(
            f"{name} up to {max_lag} fs needs frames closer than {max_lag} fs, but they are {interval} fs apart; "
            "save more often."
        )
    if lags > len(trajectory):
        raise ObservableError(
            f"{name} up to {max_lag} fs needs more than {lags - 1} frames, but the trajectory has {len(trajectory)}; "
            "simulate longer or lower max_lag."
        )
    return lags


def positive_time(value: float | str, name: str) -> float:
    """A time in fs.

    Raises:
        ObservableError: when it is not positive.
    """
    time = quantity(value, "fs", name)
    if not time > 0:
        raise ObservableError(f"{name} must be positive, but is {time} fs.")
    return time
