"""Correlation functions in time, by fast Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.data.intervals import interval, irregular_at, where_irregular
from mdfit.errors import ObservableError
from mdfit.observables.base import TrajectoryObservable
from mdfit.observables.pairs import check_species, species_number, with_species
from mdfit.simulate import Trajectory
from mdfit.units import quantity

#: Numbers that are transformed at once.
_AT_ONCE = 2**23


@dataclass(frozen=True)
class TimeCorrelation(TrajectoryObservable):
    """A function of the time lag, of all atoms or of those of one species.

    Args:
        max_lag: in fs; for an error bar at most an eighth of the trajectory.
        species: chemical symbol or number; None takes all atoms.

    Raises:
        ObservableError: for a lag that is not positive, or an unknown element.
    """

    max_lag: float | str
    species: str | int | None = None

    ensembles = ("NVE", "NVT")

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_lag", positive_time(self.max_lag, "max_lag"))
        object.__setattr__(self, "species", species_number(self.species))

    @property
    def name(self) -> str:
        return with_species(type(self).__name__, (self.species,))  # type: ignore[arg-type]

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        check_species(self.name, (self.species,), trajectory)  # type: ignore[arg-type]
        self.lags(trajectory)

    def shortest_block(self, trajectory: Trajectory) -> int:
        return 2 * self.lags(trajectory)

    def lags(self, trajectory: Trajectory) -> int:
        """How many lags from zero to ``max_lag`` there are, both included."""
        return number_of_lags(self.name, self.max_lag, trajectory)  # type: ignore[arg-type]

    def lag_times(self, trajectory: Trajectory) -> np.ndarray:
        """The lags in fs."""
        return np.arange(self.lags(trajectory)) * frame_interval(trajectory)


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
    """Time between frames in fs.

    Raises:
        ObservableError: fewer than two frames, times that are not known, or frames at unequal intervals.
    """
    times = trajectory.times
    if len(trajectory) < 2:
        raise ObservableError("Correlations in time need at least two frames; simulate longer or save more often.")
    if not np.isfinite(times).all():
        raise ObservableError(
            "Correlations in time need the times of frames, which these frames do not tell: give them."
        )
    odd = irregular_at(times)
    if odd is not None:
        raise ObservableError(
            f"Correlations in time need frames at equal intervals, but {where_irregular(times, odd)}; take a part without "
            "gaps, as by Frames.segments()."
        )
    return interval(times)


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
