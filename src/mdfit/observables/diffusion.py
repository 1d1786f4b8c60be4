"""Mean-square displacement and the coefficient of self-diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.base import TrajectoryObservable
from mdfit.observables.correlation import TimeCorrelation, autocorrelation, frame_interval, positive_time
from mdfit.observables.pairs import species_number, with_species
from mdfit.simulate import Trajectory
from mdfit.units import quantity


@dataclass(frozen=True)
class MeanSquareDisplacement(TimeCorrelation):
    """<‖r(t+τ) − r(t)‖²> over atoms, time origins and replicas, in Å², for lags τ from 0 to ``max_lag``.

    By fast Fourier transforms: V. Calandrini et al., Collection SFN 12, 201 (2011), doi:10.1051/sfn/201112010.

    Args:
        max_lag: in fs; for an error bar at most an eighth of the trajectory.
        species: chemical symbol or number; None takes all atoms.
        relative_to_centre_of_mass: take out the motion of the whole system (which a Langevin thermostat causes); with
            frozen atoms there is none.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import MeanSquareDisplacement
        >>> from mdfit.simulate import Trajectory
        >>> moving = [[[x, 0, 0], [-x, 0, 0]] for x in (1.0, 2.0, 3.0, 4.0)]
        >>> frames = Frames([1, 1], [1.0, 1.0], moving, np.zeros((3, 3)), [False] * 3, times=[0, 10, 20, 30])
        >>> trajectory = Trajectory.of_frames(frames, temperature=300.0)
        >>> MeanSquareDisplacement(max_lag="20 fs").of_trajectory(trajectory).round(3).tolist()
        [0.0, 1.0, 4.0]
    """

    relative_to_centre_of_mass: bool = True

    unit = "Å^2"
    grid_unit = "fs"

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        if not trajectory.unwrapped:
            raise ObservableError(
                f"{self.name} needs positions that follow atoms across the boundary of the cell, but these were put back "
                'into it; read the trajectory with unwrap="auto".'
            )

    def grid_of(self, trajectory: Trajectory) -> np.ndarray:
        """Lags in fs."""
        return self.lag_times(trajectory)

    def of_trajectory(self, trajectory: Trajectory) -> np.ndarray:
        lags = self.lags(trajectory)
        chosen = slice(None) if self.species is None else trajectory.species == self.species
        curves = []
        for replica in trajectory.positions:
            positions = replica.astype(np.float64)
            if self.relative_to_centre_of_mass and trajectory.frozen is None:
                positions = positions - np.average(positions, axis=1, weights=trajectory.masses)[:, None]
            curves.append(_mean_square_displacement(positions[:, chosen], lags))
        return np.mean(curves, axis=0)


@dataclass(frozen=True)
class DiffusionCoefficient(TrajectoryObservable):
    """Coefficient of self-diffusion in Å²/ps (1 Å²/ps = 1e-8 m²/s): a sixth of the slope of the displacement.

    The slope is that of a least-squares line through the mean-square displacement between two lags, where it must be
    linear.  It is the value of the periodic cell; for the correction k_B T ξ/(6π η L) to infinite size see I.-C. Yeh,
    G. Hummer, J. Phys. Chem. B 108, 15873 (2004), doi:10.1021/jp0477147.

    Args:
        fit_from, fit_to: lags in fs; ``fit_to`` at most an eighth of the trajectory for an error bar.
        species: chemical symbol or number; None takes all atoms.
        relative_to_centre_of_mass: take out the motion of the whole system.

    Example:
        >>> from mdfit.observables import DiffusionCoefficient
        >>> diffusion = DiffusionCoefficient(fit_from="1 ps", fit_to="10 ps", species="O")
        >>> diffusion.name, diffusion.unit
        ('DiffusionCoefficient O', 'Å^2/ps')
    """

    fit_from: float | str
    fit_to: float | str
    species: str | int | None = None
    relative_to_centre_of_mass: bool = True

    unit = "Å^2/ps"
    ensembles = ("NVE", "NVT")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fit_from", quantity(self.fit_from, "fs", "fit_from"))
        object.__setattr__(self, "fit_to", positive_time(self.fit_to, "fit_to"))
        object.__setattr__(self, "species", species_number(self.species))
        if not 0 <= self.fit_from < self.fit_to:  # type: ignore[operator]
            raise ObservableError(f"fit_from ({self.fit_from} fs) must lie between 0 and fit_to ({self.fit_to} fs).")

    @property
    def name(self) -> str:
        return with_species("DiffusionCoefficient", (self.species,))  # type: ignore[arg-type]

    @property
    def _displacement(self) -> MeanSquareDisplacement:
        return MeanSquareDisplacement(self.fit_to, self.species, self.relative_to_centre_of_mass)

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        self._displacement.check(trajectory)
        interval = frame_interval(trajectory)
        if self.fit_to - self.fit_from < interval * (1 - 1e-9):  # type: ignore[operator]
            raise ObservableError(
                f"Between fit_from ({self.fit_from} fs) and fit_to ({self.fit_to} fs) there are not two lags, as the "
                f"frames are {interval} fs apart; widen the range."
            )

    def shortest_block(self, trajectory: Trajectory) -> int:
        return self._displacement.shortest_block(trajectory)

    def of_trajectory(self, trajectory: Trajectory) -> np.ndarray:
        lags = self._displacement.grid_of(trajectory)
        fitted = lags >= self.fit_from - 1e-9  # type: ignore[operator]
        curve = self._displacement.of_trajectory(trajectory)
        slope = np.polyfit(lags[fitted] / 1000, curve[fitted], 1)[0]
        return np.asarray(slope / 6)


def _mean_square_displacement(positions: np.ndarray, lags: int) -> np.ndarray:
    """<|r(t+m)|²> + <|r(t)|²> − 2<r(t)·r(t+m)> for m < lags, averaged over atoms of ``(frames, atoms, 3)``."""
    frames, atoms = positions.shape[:2]
    # Near the origin the three terms are small, so that little is lost in their difference.
    flat = (positions - positions.mean(axis=0)).reshape(frames, -1)
    squares = np.concatenate([[0.0], np.cumsum(np.sum(flat**2, axis=1))])
    lag = np.arange(lags)
    ends = squares[frames - lag] + (squares[frames] - squares[lag])
    return (ends / (frames - lag) - 2 * autocorrelation(flat, lags)) / atoms
