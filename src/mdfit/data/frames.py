"""Many frames of the same atoms as arrays: what a mapping reads and what reference simulations leave behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data.dataset import Dataset, LabelledStructure
from mdfit.data.frame_files import read_arrays
from mdfit.data.intervals import runs
from mdfit.data.unwrapping import by_nearest_images
from mdfit.errors import DataError, StructureError
from mdfit.structure import Conditions, Structure
from mdfit.structure.conditions import UNKNOWN

#: The arrays with one entry per frame.
_PER_FRAME = ("positions", "forces", "cells", "energies", "times")


@dataclass(frozen=True, eq=False, repr=False)
class Frames:
    """Frames of one system; what is not known is None. Arrays are kept in the number format they come in.

    Attributes:
        species: int32[N], atomic numbers.
        masses: float64[N], amu.
        positions: [F, N, 3], Å.
        cells: [F, 3, 3], Å, row vectors; zero rows where there is no cell vector. One cell [3, 3] is repeated.
        periodic: bool[3].
        forces: [F, N, 3], eV/Å, without forces of constraints.
        energies: float64[F], potential energies in eV, of all atoms simulated.
        times: float64[F], fs.
        constraints: int64[C, 2], pairs of atoms that were held at a fixed distance.
        names: of the atoms, such as ``"CA"``; empty when unknown.
        conditions: under which they were made.
        source: the file, for messages.
        unwrapped: whether positions follow each atom across the boundary of the cell; None, when frames are made, finds out
            whether an atom jumps by more than half of it.
        frozen: bool[N], the atoms that were held, or None when all moved.
        degrees_of_freedom: of the kinetic energy, where it is known.

    Raises:
        DataError: arrays whose shapes do not fit together or that are no numbers, values that are not finite, or no frames.
        StructureError: the first frame is not a valid structure.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> positions = [[[0, 0, 0], [0, 0, 3.8]], [[0, 0, 0], [0, 0, 3.9]]]
        >>> frames = Frames([18, 18], [39.9, 39.9], positions, np.zeros((3, 3)), [False] * 3, energies=[-0.01, -0.02])
        >>> frames
        Frames(2 of 2 atoms, energies)
        >>> frames.structure(1).positions[1].tolist()
        [0.0, 0.0, 3.9]
    """

    species: np.ndarray
    masses: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    periodic: np.ndarray
    forces: np.ndarray | None = None
    energies: np.ndarray | None = None
    times: np.ndarray | None = None
    constraints: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 2), np.int64))
    names: tuple[str, ...] = ()
    conditions: Conditions = UNKNOWN
    source: str | None = None
    unwrapped: bool | None = None
    frozen: np.ndarray | None = None
    degrees_of_freedom: int | None = None

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions)
        if positions.ndim != 3 or positions.shape[2] != 3 or 0 in positions.shape:
            raise DataError(f"Positions have shape {positions.shape}: give (frames, atoms, 3) with at least one frame.")
        frames, atoms = positions.shape[:2]
        cells = np.asarray(self.cells)
        object.__setattr__(self, "cells", np.broadcast_to(cells, (frames, 3, 3)) if cells.ndim == 2 else cells)
        pairs = np.asarray(self.constraints)
        if pairs.size and (pairs.dtype.kind not in "iu" or pairs.shape[1:] != (2,)):
            raise DataError(
                f"{self._where}constraints are {pairs.dtype}{list(pairs.shape)}: give a pair of whole numbers for each."
            )
        object.__setattr__(self, "constraints", pairs.astype(np.int64).reshape(-1, 2))
        shapes = {
            "positions": (frames, atoms, 3),
            "forces": (frames, atoms, 3),
            "cells": (frames, 3, 3),
            "energies": (frames,),
            "times": (frames,),
        }
        for name, shape in shapes.items():
            self._check(name, shape)
        if self.names and len(self.names) != atoms:
            raise DataError(f"{self._where}{len(self.names)} names are given for {atoms} atoms: give one per atom.")
        if self.constraints.size and not 0 <= self.constraints.min() <= self.constraints.max() < atoms:
            raise DataError(f"{self._where}a constraint names an atom that is not one of {atoms}: number them from 0.")
        first = self.structure(0)
        for name in ("species", "masses", "periodic", "frozen"):
            object.__setattr__(self, name, getattr(first, name))
        if self.unwrapped is None:
            followed, _ = by_nearest_images(self.positions, self.cells, self.periodic)
            object.__setattr__(self, "unwrapped", followed is self.positions)

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        if getattr(self, name) is None:
            return
        array = np.asarray(getattr(self, name))
        if array.shape != shape:
            raise DataError(f"{self._where}{name} have shape {array.shape}, but {shape} is needed: correct them.")
        if array.dtype.kind not in "fiu":
            raise DataError(f"{self._where}{name} are {array.dtype}, but real numbers are needed: correct them.")
        if not np.isfinite(array).all():
            bad = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(f"{self._where}{name} of frame {bad} are not finite: remove the frame.")
        object.__setattr__(self, name, array)

    @property
    def _where(self) -> str:
        return f"{self.source}: " if self.source else ""

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        labels = [name for name in ("forces", "energies") if getattr(self, name) is not None]
        return f"Frames({len(self)} of {self.number_of_atoms} atoms, {', '.join(labels) or 'positions only'})"

    @classmethod
    def read(cls, path: str | Path, particles: str | None = None) -> Frames:
        """Frames of an H5MD file: of mdfit, or of another program that states its units.

        Positions that another program has put back into the cell follow their way across the boundary again.

        Args:
            path: the file.
            particles: which group of particles, such as ``"replica_3"``; needed only when there are several.

        Raises:
            DataError: the file is missing, damaged, holds no frames, several groups of particles, or no units or times.
            StructureError: the first frame is not a valid structure.
        """
        return cls(**read_arrays(path, particles))

    @classmethod
    def of_structures(cls, structures: Sequence[Structure], conditions: Conditions = UNKNOWN) -> Frames:
        """Structures of one system as frames; times are not known.

        Raises:
            DataError: other atoms, masses, periodicity or frozen atoms than in the first structure, or no structures.
        """
        if not structures:
            raise DataError("Frames need at least one structure: give some.")
        first = structures[0]
        for index, other in enumerate(structures):
            same = ("species", "masses", "periodic", "frozen")
            if not all(np.array_equal(getattr(other, n), getattr(first, n)) for n in same):
                raise DataError(
                    f"Frame {index} has other atoms, masses, periodicity or frozen atoms than frame 0: frames are of one "
                    "system; make those of each."
                )
        return cls(
            species=first.species,
            masses=first.masses,
            positions=np.stack([one.positions for one in structures]),
            cells=np.stack([one.cell for one in structures]),
            periodic=first.periodic,
            conditions=conditions,
            frozen=first.frozen,
        )

    @property
    def temperature(self) -> float | None:
        """Of their conditions, in K."""
        return self.conditions.temperature

    @property
    def number_of_atoms(self) -> int:
        """Number of atoms, N."""
        return self.positions.shape[1]

    def structure(self, frame: int) -> Structure:
        """One frame as a structure.

        Raises:
            StructureError: the frame is not a valid structure.
        """
        try:
            return Structure(
                self.species, self.positions[frame], self.cells[frame], self.periodic, self.masses, frozen=self.frozen
            )
        except StructureError as problem:
            raise StructureError(f"{self._where}frame {frame}: {problem}") from None

    def select(self, frames: Sequence[int] | np.ndarray | slice) -> Frames:
        """Some of the frames, in the given order."""
        chosen = frames if isinstance(frames, slice) else np.asarray(frames)
        arrays = {name: getattr(self, name) for name in _PER_FRAME}
        return dataclasses.replace(self, **{name: a[chosen] for name, a in arrays.items() if a is not None})

    def segments(self) -> list[Frames]:
        """The longest parts whose frames are at equal intervals, in order; every frame is in one of them.

        Raises:
            DataError: times are not known.
        """
        if self.times is None:
            raise DataError(f"{self._where}the frames do not tell their times: give them.")
        return [self.select(part) for part in runs(self.times)]

    def spread(self, number: int) -> Frames:
        """So many of the frames, or all when there are fewer, at equal intervals from the first to the last."""
        return self.select(np.linspace(0, len(self) - 1, min(number, len(self))).round().astype(int))

    def parts(self, number: int) -> list[Frames]:
        """So many equally long parts, one after the other; frames at the end that do not fill another one are left out.

        Raises:
            DataError: there are fewer frames than parts.
        """
        length = len(self) // number
        if length < 1:
            raise DataError(f"{self._where}{len(self)} frames cannot be cut into {number} parts: take fewer.")
        return [self.select(slice(part * length, (part + 1) * length)) for part in range(number)]

    def of_atoms(self, atoms: Sequence[int] | np.ndarray) -> Frames:
        """Some of the atoms, in the given order; energies stay those of all.

        Raises:
            DataError: a constraint binds an atom that stays to one that does not, or atoms are named twice.
        """
        chosen = np.asarray(atoms, np.int64)
        new = np.full(self.number_of_atoms, -1)
        new[chosen] = np.arange(len(chosen))
        if len(np.unique(chosen)) != len(chosen):
            raise DataError(f"{self._where}an atom is chosen twice: name each atom once.")
        constraints = new[self.constraints]
        if np.any((constraints < 0).any(axis=1) & (constraints >= 0).any(axis=1)):
            raise DataError(f"{self._where}a constrained bond would be cut: choose both atoms of it, or neither.")
        per_atom: dict[str, Any] = {
            "species": self.species[chosen],
            "masses": self.masses[chosen],
            "positions": self.positions[:, chosen],
            "forces": None if self.forces is None else self.forces[:, chosen],
            "names": tuple(self.names[atom] for atom in chosen) if self.names else (),
            "constraints": constraints[(constraints >= 0).all(axis=1)],
            "frozen": None if self.frozen is None else self.frozen[chosen],
            "degrees_of_freedom": self.degrees_of_freedom if len(chosen) == self.number_of_atoms else None,
        }
        return dataclasses.replace(self, **per_atom)

    def without_cell(self) -> Frames:
        """The same frames without a cell, for a molecule that does not meet its images.

        The molecule must be whole in every frame, as in the files of mdfit's own simulations.
        """
        conditions = Conditions(temperature=self.conditions.temperature)
        return dataclasses.replace(self, cells=np.zeros((3, 3)), periodic=np.zeros(3, bool), conditions=conditions)

    def dataset(self, labels: bool = True) -> Dataset:
        """The frames as labelled structures, with forces and energies where they are known.

        Args:
            labels: false leaves forces and energies out.
        """
        forces = self.forces if labels else None
        energies = self.energies if labels else None
        return Dataset(
            tuple(
                LabelledStructure(
                    self.structure(frame),
                    energy=None if energies is None else float(energies[frame]),
                    forces=None if forces is None else forces[frame],
                )
                for frame in range(len(self))
            ),
            source=self.source,
        )
