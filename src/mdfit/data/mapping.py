"""Linear maps from atoms to beads: R = C r for positions, F = D f for forces."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mdfit.data.dataset import Dataset
from mdfit.data.force_mapping import TOLERANCE, check_force_mapping, least_noisy_forces, summed_forces
from mdfit.data.frames import Frames
from mdfit.errors import DataError, StructureError


class Atoms(Protocol):
    """What a mapping must know of the atoms; a structure or frames tell it."""

    @property
    def species(self) -> np.ndarray: ...
    @property
    def masses(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False, repr=False)
class Mapping:
    """Beads as linear combinations of atoms.

    Without ``forces`` the force on a bead is the sum of the forces on its atoms and on those that rigid bonds join to
    them (see :func:`mdfit.data.force_mapping.summed_forces`).

    Attributes:
        positions: C, float64[beads, N]; each row sums to 1.
        species: int32[beads], one number from 1 to 118 for each kind of bead.
        masses: float64[beads], amu; see :meth:`of_atoms` and :meth:`centres_of_mass` for the default.
        names: of the beads; empty when there are none.
        forces: D, float64[beads, N], or None for sums.

    Raises:
        DataError: a row that does not sum to 1, a bead without atoms, shapes that do not fit together, or a force map
            that is not consistent with the positions, C Dᵀ = 1.

    Example:
        >>> from ase.build import molecule
        >>> from mdfit import Structure
        >>> from mdfit.data import Mapping
        >>> ethanol = Structure.from_ase(molecule("CH3CH2OH"))
        >>> beads = Mapping.centres_of_mass([[0, 3, 4, 5, 6, 7, 8], [1, 2]], ethanol)
        >>> beads
        Mapping(9 atoms to 2 beads)
        >>> beads.masses.round(3).tolist()
        [18.059, 28.01]
    """

    positions: np.ndarray
    species: np.ndarray
    masses: np.ndarray
    names: tuple[str, ...] = ()
    forces: np.ndarray | None = None

    def __post_init__(self) -> None:
        positions = np.array(self.positions, np.float64)
        if positions.ndim != 2 or 0 in positions.shape or not np.isfinite(positions).all():
            raise DataError(f"The position map has shape {positions.shape}: give finite numbers, (beads, atoms).")
        sums = positions.sum(axis=1)
        wrong = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
        if len(wrong):
            raise DataError(
                f"The coefficients of bead {wrong[0]} sum to {sums[wrong[0]]:.6g}, so that it would not move with its "
                "atoms: divide them by their sum."
            )
        fields: dict[str, np.ndarray] = {
            "positions": positions,
            "species": np.array(self.species, np.int32),
            "masses": np.array(self.masses, np.float64),
        }
        for name in ("species", "masses"):
            if fields[name].shape != (len(positions),):
                raise DataError(f"{fields[name].size} {name} are given for {len(positions)} beads: give one per bead.")
        if self.names and len(self.names) != len(positions):
            raise DataError(f"{len(self.names)} names are given for {len(positions)} beads: give one per bead.")
        if self.forces is not None:
            fields["forces"] = np.array(self.forces, np.float64)
            if fields["forces"].shape != positions.shape:
                raise DataError(
                    f"The force map has shape {fields['forces'].shape}, the position map {positions.shape}: "
                    "give both as (beads, atoms)."
                )
            check_force_mapping(positions, fields["forces"], np.zeros((0, 2), np.int64))
        for name, array in fields.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        return f"Mapping({self.number_of_atoms} atoms to {len(self.positions)} beads)"

    @classmethod
    def of_atoms(
        cls, indices: Sequence[int], atoms: Atoms, species: Sequence[int] | None = None, names: Sequence[str] = ()
    ) -> Mapping:
        """Each bead is one atom.

        Args:
            indices: the atom of each bead.
            atoms: a structure or frames with all atoms.
            species: number of the kind of each bead; by default the atomic numbers.
            names: of the beads.

        Raises:
            DataError: an index out of range, or an atom named twice.
        """
        return cls.centres_of_mass([[index] for index in indices], atoms, species, names, cover=False)

    @classmethod
    def centres_of_mass(
        cls,
        groups: Sequence[Sequence[int]],
        atoms: Atoms,
        species: Sequence[int] | None = None,
        names: Sequence[str] = (),
        cover: bool = True,
    ) -> Mapping:
        """Each bead is the centre of mass of a group of atoms, and has their mass.

        Args:
            groups: the atoms of each bead.
            atoms: a structure or frames with all atoms.
            species: number of the kind of each bead; by default the atomic number of its heaviest atom.
            names: of the beads.
            cover: whether every atom must belong to a bead; false leaves the others out, a solvent for instance.

        Raises:
            DataError: an empty group, an index out of range, an atom in several groups, or in none although ``cover``.
        """
        masses = np.asarray(atoms.masses, np.float64)
        members = [np.asarray(group, np.int64).reshape(-1) for group in groups]
        _check_groups(members, len(masses), cover)
        positions = np.zeros((len(members), len(masses)))
        for bead, group in enumerate(members):
            positions[bead, group] = masses[group] / masses[group].sum()
        if species is None:
            species = [int(atoms.species[group[np.argmax(masses[group])]]) for group in members]
        return cls.of_matrix(positions, atoms, species, names)

    @classmethod
    def of_matrix(
        cls, positions: np.ndarray, atoms: Atoms, species: Sequence[int], names: Sequence[str] = ()
    ) -> Mapping:
        """Any linear map; the mass of bead I is 1 / Σ_i C_Ii² / m_i (Noid et al. 2008, doi:10.1063/1.2938860).

        Raises:
            DataError: see the class, or a matrix of another number of atoms.
        """
        matrix = np.array(positions, np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(atoms.masses):
            raise DataError(
                f"The position map has shape {matrix.shape}, but there are {len(atoms.masses)} atoms: give (beads, atoms)."
            )
        with np.errstate(divide="ignore"):
            masses = 1 / (matrix**2 @ (1 / np.asarray(atoms.masses, np.float64)))
        return cls(matrix, np.asarray(species), masses, tuple(names))

    @property
    def number_of_atoms(self) -> int:
        """Number of atoms, N."""
        return self.positions.shape[1]

    def force_map(self, constraints: np.ndarray) -> np.ndarray:
        """D, float64[beads, N], valid for a simulation with these constraints.

        Args:
            constraints: int[C, 2], pairs of atoms that were held at a fixed distance.

        Raises:
            DataError: there is none of the kind asked for; the message says why.
        """
        if self.forces is None:
            return summed_forces(self.positions, constraints)
        check_force_mapping(self.positions, self.forces, constraints)
        return self.forces

    def frames(self, frames: Frames, forces: bool | None = None) -> Frames:
        """The beads in every frame.

        A bead of several atoms of a periodic structure is computed from the images of its atoms that are nearest to its
        first atom, so that molecules that cross the boundary need not be whole.

        Args:
            frames: of all atoms.
            forces: whether to map forces; by default when there are some. False also maps what has no valid forces.

        Raises:
            DataError: frames of another number of atoms, forces that are wanted but absent, or no valid force map.
        """
        self._check(frames)
        if forces is None:
            forces = frames.forces is not None
        mapped = _apply(self.force_map(frames.constraints), self._forces_of(frames)) if forces else None
        try:
            return Frames(
                species=self.species,
                masses=self.masses,
                positions=self._positions(frames),
                cells=frames.cells,
                periodic=frames.periodic,
                forces=mapped,
                times=frames.times,
                names=self.names,
                conditions=frames.conditions,
                source=frames.source,
                unwrapped=frames.unwrapped,
                frozen=self._frozen(frames),
            )
        except StructureError as problem:
            raise DataError(f"The beads are no valid structure: {problem}") from None

    def _frozen(self, frames: Frames) -> np.ndarray | None:
        """The beads that do not move, since none of their atoms does."""
        if frames.frozen is None:
            return None
        return (self.positions * ~frames.frozen == 0).all(axis=1)

    def apply(self, frames: Frames, forces: bool | None = None) -> Dataset:
        """The beads in every frame as labelled structures; the arguments are those of :meth:`frames`.

        Energies are left out: the energy of beads is a free energy, which a frame does not tell.
        """
        return self.frames(frames, forces).dataset()

    def aggregated(self, frames: Frames) -> Aggregation:
        """The same positions with the force map whose mean squared force is least (Krämer et al. 2023).

        Args:
            frames: with forces and with the constraints of the simulation.

        Raises:
            DataError: frames without forces, of another number of atoms or too few, or no valid force map.
        """
        forces = self._forces_of(frames)
        force_map = least_noisy_forces(self.positions, frames.constraints, forces)
        before = self._reference_force_map(frames.constraints)
        return Aggregation(
            mapping=dataclasses.replace(self, forces=force_map),
            before=None if before is None else float(np.mean(_apply(before, forces) ** 2)),
            after=float(np.mean(_apply(force_map, forces) ** 2)),
        )

    def _reference_force_map(self, constraints: np.ndarray) -> np.ndarray | None:
        """The force map to compare with; None where sums are no forces of beads, so that only weighing helps."""
        try:
            return self.force_map(constraints)
        except DataError:
            return None

    def _check(self, frames: Frames) -> None:
        if frames.number_of_atoms != self.number_of_atoms:
            raise DataError(
                f"The mapping is for {self.number_of_atoms} atoms, the frames {frames.source or ''} hold "
                f"{frames.number_of_atoms}: make the mapping from the same structure."
            )

    def _forces_of(self, frames: Frames) -> np.ndarray:
        self._check(frames)
        if frames.forces is None:
            raise DataError(
                f"The frames {frames.source or ''} hold no forces: save forces in the simulation, or learn without "
                "them (relative entropy)."
            )
        return frames.forces

    def _positions(self, frames: Frames) -> np.ndarray:
        first = np.argmax(self.positions != 0, axis=1)
        others = self.positions.copy()
        others[np.arange(len(first)), first] = 0
        bead, atom = np.nonzero(others)
        beads = frames.positions[:, first].astype(np.float64)
        if not len(bead):
            return beads
        for frame, cell in enumerate(frames.cells.astype(np.float64)):
            shifts = frames.positions[frame, atom].astype(np.float64) - beads[frame, bead]
            if frames.periodic.any():
                # Rows of the inverse are the reciprocal vectors; absent cell vectors have none.
                turns = np.round(shifts @ np.linalg.pinv(cell)) * frames.periodic
                shifts -= turns @ cell
            weighted = others[bead, atom][:, None] * shifts
            np.add.at(beads[frame], bead, weighted)
        return beads


@dataclass(frozen=True)
class Aggregation:
    """A mapping with the least noisy forces, and what that has brought.

    Attributes:
        mapping: with its force map.
        before: mean square of the force components on beads in (eV/Å)², with the force map before; None when sums of
            forces are not valid for this mapping.
        after: with the new one.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames, Mapping
        >>> forces = np.zeros((4, 2, 3))
        >>> forces[:, :, 0] = [[3, -2], [-2, 3], [1, -1], [-1, 2]]
        >>> frames = Frames([1, 1], [1.0, 1.0], [[[0, 0, 0], [1, 0, 0]]] * 4, np.zeros((3, 3)), [False] * 3, forces)
        >>> found = Mapping.of_atoms([1], frames).aggregated(frames)
        >>> round(found.before, 3), round(found.after, 3)
        (1.5, 0.25)
    """

    mapping: Mapping
    before: float | None
    after: float


def _check_groups(groups: Sequence[np.ndarray], atoms: int, cover: bool) -> None:
    times = np.zeros(atoms, np.int64)
    for bead, group in enumerate(groups):
        if not len(group):
            raise DataError(f"Bead {bead} has no atoms: give it some, or leave it out.")
        if group.min() < 0 or group.max() >= atoms:
            wrong = int(group.min() if group.min() < 0 else group.max())
            raise DataError(f"Bead {bead} names the atom {wrong}, but there are {atoms} atoms, numbered from 0.")
        np.add.at(times, group, 1)
    twice, missing = np.flatnonzero(times > 1), np.flatnonzero(times == 0)
    if len(twice):
        beads = [bead for bead, group in enumerate(groups) if twice[0] in group]
        raise DataError(f"Atom {twice[0]} is named {times[twice[0]]} times, in the beads {beads}: name each atom once.")
    if cover and len(missing):
        raise DataError(
            f"{len(missing)} atoms (first: {missing[0]}) belong to no bead: add them, or leave them out with cover=False."
        )


def _apply(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``matrix`` on the atoms of [F, N, 3]: float64[F, beads, 3]."""
    from scipy.sparse import csr_array

    sparse = csr_array(matrix)
    mapped = np.empty((len(vectors), len(matrix), 3))
    for frame, vector in enumerate(vectors):
        mapped[frame] = sparse @ vector.astype(np.float64)
    return mapped
