"""Velocity autocorrelation and the vibrational density of states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.observables.correlation import TimeCorrelation, autocorrelation, frame_interval
from mdfit.simulate import Trajectory

#: Points of the spectrum per point that the window resolves.
_OVERSAMPLING = 4


@dataclass(frozen=True)
class _VelocityCorrelation(TimeCorrelation):
    """What both functions of the velocities share."""

    uses_velocities = True

    def _normalised(self, trajectory: Trajectory) -> np.ndarray:
        """Σ_i m_i <v_i(t)·v_i(t+τ)> over its value at τ = 0."""
        chosen = np.ones(len(trajectory.species), bool) if self.species is None else trajectory.species == self.species
        roots = np.sqrt(trajectory.masses[chosen])[:, None]
        lags = self.lags(trajectory)
        curves = [
            autocorrelation((replica[:, chosen] * roots).reshape(len(trajectory), -1), lags)
            for replica in trajectory.velocities
        ]
        total = np.mean(curves, axis=0)
        return total / total[0]


@dataclass(frozen=True)
class VelocityAutocorrelation(_VelocityCorrelation):
    """Σ_i m_i <v_i(t)·v_i(t+τ)> / Σ_i m_i <v_i²> for lags τ from 0 to ``max_lag``: 1 at zero, no unit.

    M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.7.

    Args:
        max_lag: in fs; for an error bar at most an eighth of the trajectory.
        species: chemical symbol or number; None takes all atoms.

    Example:
        >>> from mdfit.observables import VelocityAutocorrelation
        >>> velocities = VelocityAutocorrelation(max_lag="1 ps", species="O")
        >>> velocities.name, velocities.grid_unit
        ('VelocityAutocorrelation O', 'fs')
    """

    unit = ""
    grid_unit = "fs"

    def grid_of(self, trajectory: Trajectory) -> np.ndarray:
        """Lags in fs."""
        return self.lag_times(trajectory)

    def of_trajectory(self, trajectory: Trajectory) -> np.ndarray:
        return self._normalised(trajectory)


@dataclass(frozen=True)
class VibrationalDensityOfStates(_VelocityCorrelation):
    """Fourier transform of the mass-weighted velocity autocorrelation, in 1/THz; ∫ D dν = 1.

    D(ν) = 4 ∫₀^∞ C(τ) w(τ) cos(2πντ) dτ with the Hann window w(τ) = cos²(πτ/(2 max_lag)), so that lines have a width of
    1/max_lag.  P. H. Berens et al., J. Chem. Phys. 79, 2375 (1983), doi:10.1063/1.446044.

    Args:
        max_lag: in fs: the longer, the finer the frequencies; for an error bar at most an eighth of the trajectory.
        species: chemical symbol or number; None takes all atoms.

    Example:
        >>> from mdfit.observables import VibrationalDensityOfStates
        >>> spectrum = VibrationalDensityOfStates(max_lag="2 ps")
        >>> spectrum.unit, spectrum.grid_unit
        ('1/THz', 'THz')
    """

    unit = "1/THz"
    grid_unit = "THz"

    def grid_of(self, trajectory: Trajectory) -> np.ndarray:
        """Frequencies in THz, up to the highest that the frames resolve."""
        points = _OVERSAMPLING * (self.lags(trajectory) - 1)
        return np.arange(points + 1) / (2 * points * frame_interval(trajectory) * 1e-3)

    def of_trajectory(self, trajectory: Trajectory) -> np.ndarray:
        from scipy import fft

        correlation = self._normalised(trajectory)
        lags = len(correlation)
        windowed = correlation * np.cos(np.pi * np.arange(lags) / (2 * (lags - 1))) ** 2
        padded = np.concatenate([windowed, np.zeros((_OVERSAMPLING - 1) * (lags - 1))])
        # The cosine transform of the first kind is x_0 + 2 Σ x_m cos(2πν m Δt).
        return 2 * frame_interval(trajectory) * 1e-3 * fft.dct(padded, type=1)
