"""What a simulation leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.structure import Structure


@dataclass(frozen=True)
class Trajectory:
    """Frames of one or several replicas at equal intervals.

    Attributes:
        times: ``(frames,)`` in fs since the end of equilibration.
        positions: ``(replicas, frames, atoms, 3)`` in Å, never wrapped into the cell.
        velocities: the same shape, Å per internal time unit (10.18 fs).
        cells: ``(replicas, frames, 3, 3)`` in Å.
        potential_energies: ``(replicas, frames)`` in eV.
        stresses: ``(replicas, frames, 3, 3)`` in eV/Å³: (1/V) ∂U/∂ε, without the kinetic part.
        species: ``(atoms,)`` atomic numbers.
        masses: ``(atoms,)`` in amu.
        periodic: three flags.
        degrees_of_freedom: of the kinetic energy.
        ensemble: ``"NVE"``, ``"NVT"`` or ``"NPT"``.
        temperature: of the thermostat (of the start in NVE) in K.
        pressure: of the barostat in bar, or None.
        timestep: in fs.
    """

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    cells: np.ndarray
    potential_energies: np.ndarray
    stresses: np.ndarray
    species: np.ndarray
    masses: np.ndarray
    periodic: np.ndarray
    degrees_of_freedom: int
    ensemble: str
    temperature: float
    pressure: float | None
    timestep: float

    def __len__(self) -> int:
        return len(self.times)

    @property
    def replicas(self) -> int:
        return self.positions.shape[0]

    @property
    def volumes(self) -> np.ndarray:
        """``(replicas, frames)`` in Å³."""
        return np.abs(np.linalg.det(self.cells))

    @property
    def kinetic_energies(self) -> np.ndarray:
        """``(replicas, frames)`` in eV."""
        squared = np.sum(self.velocities.astype(np.float64) ** 2, axis=-1)
        return 0.5 * squared @ self.masses

    def structure(self, frame: int = -1, replica: int = 0) -> Structure:
        """One frame as a structure, with velocities."""
        return Structure(
            species=self.species,
            positions=self.positions[replica, frame].astype(np.float64),
            cell=self.cells[replica, frame].astype(np.float64),
            periodic=self.periodic,
            masses=self.masses,
            velocities=self.velocities[replica, frame].astype(np.float64),
        )

    def part(self, start: int = 0, stop: int | None = None, every: int = 1) -> Trajectory:
        """Some of the frames."""
        import dataclasses

        chosen = slice(start, stop, every)
        arrays = {name: getattr(self, name)[:, chosen] for name in PER_FRAME}
        return dataclasses.replace(self, times=self.times[chosen], **arrays)


#: The arrays of a trajectory that have one entry per replica and frame.
PER_FRAME = ("positions", "velocities", "cells", "potential_energies", "stresses")
