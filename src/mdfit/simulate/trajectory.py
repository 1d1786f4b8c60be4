"""What a simulation leaves behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdfit.data import Frames
from mdfit.errors import SimulationError
from mdfit.structure import Conditions, Structure
from mdfit.structure.conditions import EnsembleName


@dataclass(frozen=True, eq=False)
class Particles:
    """What is recorded in a trajectory and does not change.

    Attributes:
        species: ``(atoms,)`` atomic numbers.
        masses: ``(atoms,)`` in amu.
        periodic: three flags.
        degrees_of_freedom: of their kinetic energy.
        frozen: ``(atoms,)``, the atoms that are held, or None when all move.
        constraints: ``(constraints, 2)``, pairs of atoms at a fixed distance.
        names: of the atoms, such as ``"CA"``; empty when unknown.

    Example:
        >>> from mdfit import StatePoint, Structure
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.simulate import JaxMD, Langevin
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0)
        >>> simulation = JaxMD().simulation(LennardJones(), [StatePoint(dimer, "100 K")], Langevin("1 fs"), [dimer])
        >>> simulation.particles.masses.tolist(), simulation.particles.degrees_of_freedom
        ([40.0, 40.0], 6)
    """

    species: np.ndarray
    masses: np.ndarray
    periodic: np.ndarray
    degrees_of_freedom: int
    frozen: np.ndarray | None = None
    constraints: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    names: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Of atoms."""
        return len(self.species)


@dataclass(frozen=True, eq=False)
class Recording:
    """How frames come about: what a file or a trajectory says beside them.

    Attributes:
        particles: whose frames they are.
        conditions: of each state point.
        timestep: in fs.
        interval: between frames in fs.
    """

    particles: Particles
    conditions: tuple[Conditions, ...]
    timestep: float
    interval: float

    def trajectories(self, moments: Sequence[dict[str, np.ndarray]]) -> list[Trajectory]:
        """A trajectory for each state point of what an engine recorded.

        Args:
            moments: arrays ``(replicas, ...)`` of each frame; those that are not known may be missing.
        """
        arrays: dict[str, Any] = {name: np.stack([m[name] for m in moments], axis=1) for name in moments[0]}
        each = len(arrays["positions"]) // len(self.conditions)
        return [
            self._trajectory({name: array[point * each : (point + 1) * each] for name, array in arrays.items()}, point)
            for point in range(len(self.conditions))
        ]

    def _trajectory(self, arrays: dict[str, Any], point: int) -> Trajectory:
        positions = arrays["positions"]
        unknown = np.full(positions.shape[:2], np.nan)
        given = {
            "velocities": np.broadcast_to(unknown[..., None, None], positions.shape),
            "potential_energies": unknown,
            "stresses": np.broadcast_to(unknown[..., None, None], (*unknown.shape, 3, 3)),
            **arrays,
        }
        return Trajectory(
            times=np.arange(1, positions.shape[1] + 1) * self.interval,
            conditions=self.conditions[point],
            timestep=self.timestep,
            **{one.name: getattr(self.particles, one.name) for one in dataclasses.fields(Particles)},
            **given,
        )


@dataclass(frozen=True)
class Trajectory:
    """Frames of one or several replicas.

    Attributes:
        times: ``(frames,)`` in fs since the end of equilibration; NaN where they are not known.
        positions: ``(replicas, frames, atoms, 3)`` in Å, not wrapped into the cell unless ``unwrapped`` is false.
        velocities: the same shape, Å per internal time unit (10.18 fs).  NaN where they are not known, like energies and
            stresses.
        cells: ``(replicas, frames, 3, 3)`` in Å.
        potential_energies: ``(replicas, frames)`` in eV.
        stresses: ``(replicas, frames, 3, 3)`` in eV/Å³: (1/V) ∂U/∂ε, without the kinetic part.
        species: ``(atoms,)`` atomic numbers.
        masses: ``(atoms,)`` in amu.
        periodic: three flags.
        degrees_of_freedom: of the kinetic energy.
        conditions: under which they were made; ensemble and temperature are known.
        timestep: in fs; NaN when unknown.
        unwrapped: whether positions follow each atom across the boundary of the cell.
        frozen: ``(atoms,)``, the atoms that were held, or None when all moved.
        forces: ``(replicas, frames, atoms, 3)`` in eV/Å, without those of constraints, or None where they are not known.
        force_spreads: ``(replicas, frames)`` in eV/Å: how unsure an uncertain potential was, by the atom of the largest
            spread of its force; None where the potential does not tell it.
        energy_spreads: ``(replicas, frames)`` in eV: the spread of its energy per atom, or None.
        virial_spreads: ``(replicas, frames)`` in eV: the spread of its virial per atom, or None; see
            :class:`~mdfit.potentials.StructureSpread`.
        constraints: ``(constraints, 2)``, pairs of atoms that were held at a fixed distance.
        names: of the atoms, such as ``"CA"``; empty when unknown.

    Raises:
        SimulationError: conditions whose ensemble or temperature is not known.

    Example:
        >>> from mdfit import StatePoint, Structure, key
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.simulate import Langevin, run
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0), "100 K")
        >>> trajectory = run(LennardJones(), at, Langevin("1 fs"), duration="4 fs", every="2 fs", replicas=3, key=key(0))
        >>> trajectory.positions.shape, trajectory.times.tolist()
        ((3, 2, 2, 3), [2.0, 4.0])
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
    conditions: Conditions
    timestep: float
    unwrapped: bool = True
    frozen: np.ndarray | None = None
    forces: np.ndarray | None = None
    constraints: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    names: tuple[str, ...] = ()
    force_spreads: np.ndarray | None = None
    energy_spreads: np.ndarray | None = None
    virial_spreads: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.conditions.ensemble is None or self.conditions.temperature is None:
            raise SimulationError(
                f"The conditions of a trajectory are {self.conditions}: ensemble and temperature must be known."
            )

    @classmethod
    def of_frames(
        cls, *runs: Frames, temperature: float | None = None, ensemble: EnsembleName | None = None
    ) -> Trajectory:
        """Frames of other programs, or their beads, so that observables see them as those of a potential.

        What frames do not tell (velocities, stresses, energies that are None) is NaN, so that observables that need it
        refuse.

        Args:
            runs: equally long runs of the same atoms, one per replica.
            temperature: in K; by default that of the frames.
            ensemble: of the simulation; by default that of the frames or, where they do not tell, NPT where cells
                change and NVT where they do not.

        Raises:
            SimulationError: no frames, runs of other atoms, lengths, times or conditions, an unknown temperature, or an
                ensemble of constant volume although cells change.
        """
        if not runs:
            raise SimulationError("A trajectory needs the frames of at least one run.")
        first = runs[0]
        if any(len(r) != len(first) or not np.array_equal(r.species, first.species) for r in runs):
            raise SimulationError("The runs have different lengths or atoms: use frames.select and frames.of_atoms.")
        if any(not np.array_equal(r.frozen, first.frozen) for r in runs):  # type: ignore[arg-type]
            raise SimulationError("The runs have different frozen atoms: make a trajectory of each.")
        if any(not _same_intervals(r.times, first.times) for r in runs):
            raise SimulationError("The runs have their frames at different times: use frames.select.")
        for number, run in enumerate(runs):
            differs = run.conditions.other_than(first.conditions)
            if differs and {"temperature": temperature, "ensemble": ensemble}.get(differs) is None:
                raise SimulationError(
                    f"Run {number} was made under another {differs} ({run.conditions}) than run 0 ({first.conditions}): "
                    "make a trajectory of each."
                )
        conditions = _conditions(runs, temperature, ensemble)
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
            degrees_of_freedom=_degrees_of_freedom(first),
            conditions=conditions,
            timestep=float("nan"),
            unwrapped=all(run.unwrapped for run in runs),
            frozen=first.frozen,
            forces=None if any(run.forces is None for run in runs) else np.stack([run.forces for run in runs]),
            constraints=first.constraints,
            names=first.names,
        )

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Trajectory({self.replicas} × {len(self)} frames of {len(self.species)} atoms, {self.conditions})"

    @property
    def ensemble(self) -> EnsembleName:
        """See :class:`~mdfit.structure.Conditions`."""
        assert self.conditions.ensemble is not None
        return self.conditions.ensemble

    @property
    def temperature(self) -> float:
        """In K."""
        assert self.conditions.temperature is not None
        return self.conditions.temperature

    @property
    def pressure(self) -> float | None:
        """In bar."""
        return self.conditions.pressure

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
        chosen = slice(start, stop, every)
        arrays: dict[str, Any] = {name: array[:, chosen] for name, array in per_frame_arrays(self).items()}
        return dataclasses.replace(self, times=self.times[chosen], **arrays)

    def frames(self, replica: int = 0) -> Frames:
        """The frames of one replica, which a mapping reads, and from which data sets are made."""
        energies = self.potential_energies[replica].astype(np.float64)
        return Frames(
            species=self.species,
            masses=self.masses,
            positions=self.positions[replica],
            cells=self.cells[replica],
            periodic=self.periodic,
            forces=None if self.forces is None else self.forces[replica],
            energies=None if np.isnan(energies).any() else energies,
            times=None if np.isnan(self.times).any() else self.times,
            constraints=self.constraints,
            names=self.names,
            conditions=self.conditions,
            unwrapped=self.unwrapped,
            frozen=self.frozen,
            degrees_of_freedom=self.degrees_of_freedom,
        )


def _degrees_of_freedom(frames: Frames) -> int:
    """As the frames say, or those of dynamics that conserves no momentum."""
    if frames.degrees_of_freedom is not None:
        return frames.degrees_of_freedom
    moving = frames.number_of_atoms - (0 if frames.frozen is None else int(frames.frozen.sum()))
    return 3 * moving - len(frames.constraints)


def _same_intervals(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return bool(np.allclose(first - first[0], second - second[0], rtol=1e-4, atol=1e-6))


def _conditions(runs: tuple[Frames, ...], temperature: float | None, ensemble: EnsembleName | None) -> Conditions:
    """What was given, else what the frames say of their conditions, else what their cells tell."""
    stated = runs[0].conditions
    kelvin = stated.temperature if temperature is None else temperature
    if kelvin is None:
        raise SimulationError("The frames do not tell their temperature: give it in K.")
    changing = any(_changing(run.cells[:, run.periodic]) for run in runs)
    known = ensemble or stated.ensemble
    if changing and known in ("NVE", "NVT"):
        raise SimulationError(f"The cells change, so that the ensemble cannot be {known}: give NPT, or leave it out.")
    return dataclasses.replace(stated, ensemble=known or ("NPT" if changing else "NVT"), temperature=kelvin)


def _changing(vectors: np.ndarray) -> bool:
    """Whether the cell vectors along periodic directions [F, P, 3] change; a box around a cluster is no cell."""
    return bool(vectors.size and np.ptp(vectors, axis=0).max() > _CELL_CHANGE * np.abs(vectors).max())


#: Cells that change by a smaller share are constant: some formats keep them in single precision.
_CELL_CHANGE = 1e-6

#: The arrays of every trajectory that have one entry per replica and frame.
PER_FRAME = ("positions", "velocities", "cells", "potential_energies", "stresses")
#: Where the spreads of a :class:`~mdfit.potentials.StructureSpread` are kept.
SPREADS = {"forces": "force_spreads", "energy": "energy_spreads", "virial": "virial_spreads"}
#: Those that some trajectories have beside them.
_SOMETIMES = ("forces", *SPREADS.values())


def per_frame_arrays(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """All arrays of a trajectory that have one entry per replica and frame."""
    found = {name: getattr(trajectory, name) for name in (*PER_FRAME, *_SOMETIMES)}
    return {name: array for name, array in found.items() if array is not None}
