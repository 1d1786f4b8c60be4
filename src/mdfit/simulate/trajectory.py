"""What a simulation leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mdfit.data import Frames
from mdfit.errors import SimulationError
from mdfit.structure import Structure


@dataclass(frozen=True)
class Trajectory:
    """Frames of one or several replicas.

    Attributes:
        times: ``(frames,)`` in fs since the end of equilibration; NaN where they are not known.
        positions: ``(replicas, frames, atoms, 3)`` in Å, not wrapped into the cell unless ``unwrapped`` is false.
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
        unwrapped: whether positions follow each atom across the boundary of the cell.
        frozen: ``(atoms,)``, the atoms that were held, or None when all moved.
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
    unwrapped: bool = True
    frozen: np.ndarray | None = None

    @classmethod
    def of_frames(
        cls, *runs: Frames, temperature: float | None = None, ensemble: Literal["NVE", "NVT", "NPT"] | None = None
    ) -> Trajectory:
        """Frames of other programs, or their beads, so that observables see them as those of a potential.

        What frames do not tell (velocities, stresses, energies that are None) is NaN, so that observables that need it
        refuse.

        Args:
            runs: equally long runs of the same atoms, one per replica.
            temperature: in K; by default that of the frames.
            ensemble: of the simulation; by default NPT where cells change and NVT where they do not.

        Raises:
            SimulationError: no frames, runs of other atoms, lengths or times, an unknown temperature, or an ensemble of
                constant volume although cells change.
        """
        if not runs:
            raise SimulationError("A trajectory needs the frames of at least one run.")
        first = runs[0]
        if any(len(r) != len(first) or not np.array_equal(r.species, first.species) for r in runs):
            raise SimulationError("The runs have different lengths or atoms: use frames.select and frames.of_atoms.")
        if any(not _same_intervals(r.times, first.times) for r in runs):
            raise SimulationError("The runs have their frames at different times: use frames.select.")
        kelvin = first.temperature if temperature is None else temperature
        if kelvin is None:
            raise SimulationError("The frames do not tell their temperature: give it in K.")
        unknown = np.full((len(runs), len(first)), np.nan)
        positions = np.stack([run.positions for run in runs])
        return cls(
            times=np.full(len(first), np.nan) if first.times is None else first.times,
            positions=positions,
            velocities=np.broadcast_to(unknown[..., None, None], positions.shape),
            cells=np.stack([run.cells for run in runs]),
            potential_energies=np.stack(
                [u if r.energies is None else r.energies for r, u in zip(runs, unknown, strict=True)]
            ),
            stresses=np.broadcast_to(unknown[..., None, None], (*unknown.shape, 3, 3)),
            species=first.species,
            masses=first.masses,
            periodic=first.periodic,
            degrees_of_freedom=3 * first.number_of_atoms - len(first.constraints),
            ensemble=_ensemble(runs, ensemble),
            temperature=kelvin,
            pressure=None,
            timestep=float("nan"),
            unwrapped=all(run.unwrapped for run in runs),
        )

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
        """One frame as a structure, with velocities where they are known."""
        velocities = self.velocities[replica, frame].astype(np.float64)
        return Structure(
            species=self.species,
            positions=self.positions[replica, frame].astype(np.float64),
            cell=self.cells[replica, frame].astype(np.float64),
            periodic=self.periodic,
            masses=self.masses,
            velocities=None if np.isnan(velocities).all() else velocities,
            frozen=self.frozen,
        )

    def part(self, start: int = 0, stop: int | None = None, every: int = 1) -> Trajectory:
        """Some of the frames."""
        import dataclasses

        chosen = slice(start, stop, every)
        arrays = {name: getattr(self, name)[:, chosen] for name in PER_FRAME}
        return dataclasses.replace(self, times=self.times[chosen], **arrays)


def _same_intervals(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return bool(np.allclose(first - first[0], second - second[0], rtol=1e-4, atol=1e-6))


def _ensemble(runs: tuple[Frames, ...], given: str | None) -> str:
    """The ensemble that was given, or that the cells tell."""
    changing = any(np.ptp(run.cells, axis=0).max() > _CELL_CHANGE * np.abs(run.cells).max() for run in runs)
    if given not in (None, "NVE", "NVT", "NPT"):
        raise SimulationError(f"The ensemble is {given!r}: give NVE, NVT or NPT.")
    if changing and given in ("NVE", "NVT"):
        raise SimulationError(f"The cells change, so that the ensemble cannot be {given}: give NPT, or leave it out.")
    return given or ("NPT" if changing else "NVT")


#: Cells that change by a smaller share are constant: some formats keep them in single precision.
_CELL_CHANGE = 1e-6

#: The arrays of a trajectory that have one entry per replica and frame.
PER_FRAME = ("positions", "velocities", "cells", "potential_energies", "stresses")
