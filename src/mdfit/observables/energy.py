"""Potential and total energy."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Float

from mdfit.observables.base import Observable
from mdfit.observables.snapshot import Snapshot


@dataclass(frozen=True)
class PotentialEnergy(Observable):
    """Potential energy of the whole structure in eV.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import PotentialEnergy, per_frame
        >>> from mdfit.simulate import Trajectory
        >>> frames = Frames([1], [1.0], np.zeros((2, 1, 3)), np.zeros((3, 3)), [False] * 3, energies=[-1.0, -0.5])
        >>> per_frame(PotentialEnergy(), Trajectory.of_frames(frames, temperature=300.0)).tolist()
        [[-1.0, -0.5]]
    """

    unit = "eV"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return snapshot.potential_energy


@dataclass(frozen=True)
class TotalEnergy(Observable):
    """Potential plus kinetic energy of the whole structure in eV.

    Example:
        >>> from mdfit.observables import TotalEnergy
        >>> TotalEnergy().unit, TotalEnergy().uses_velocities
        ('eV', True)
    """

    uses_velocities = True

    unit = "eV"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return snapshot.potential_energy + snapshot.kinetic_energy
