"""Collective variables: numbers per molecule that tell its shape or place."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.graph.angles import angle_between, dihedral_angle
from mdfit.observables.geometry import nearest_images
from mdfit.observables.pairs import check_reach
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory

#: One atom, or one for each of several molecules.
Atoms = int | Sequence[int]


class CollectiveVariable(ABC):
    """A number for each of one or several tuples of atoms.

    Subclasses are frozen dataclasses; atoms are indices from zero.

    Attributes:
        unit: of the values.
        natural_range: smallest and largest value; None where there are no limits.
        period: after which values repeat; None for those that do not.

    Example:
        >>> from mdfit.observables import CollectiveVariable, Dihedral, Distance
        >>> isinstance(Distance(0, 1), CollectiveVariable)
        True
        >>> Distance.period, round(Dihedral.period, 3)
        (None, 6.283)
    """

    unit: ClassVar[str]
    natural_range: ClassVar[tuple[float, float] | None] = None
    period: ClassVar[float | None] = None

    @abstractmethod
    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        """One value per tuple of atoms; pure and differentiable."""

    @property
    def name(self) -> str:
        """For tables and messages."""
        return type(self).__name__

    @abstractmethod
    def check(self, trajectory: Trajectory, largest: float) -> None:
        """Raises ObservableError when the trajectory cannot give values up to ``largest``."""


@dataclass(frozen=True)
class _OfAtoms(CollectiveVariable):
    """What is measured between atoms, whose indices are the fields of the subclass."""

    def __post_init__(self) -> None:
        chosen = {field.name: _indices(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)}
        if len({len(atoms) for atoms in chosen.values()}) > 1:
            raise ObservableError(f"{type(self).__name__} needs as many atoms for each of {', '.join(chosen)}.")
        for atoms in zip(*chosen.values(), strict=True):
            if len(set(atoms)) < len(atoms):
                raise ObservableError(
                    f"{type(self).__name__} needs different atoms, but is given {', '.join(map(str, atoms))}."
                )
        for name, atoms in chosen.items():
            object.__setattr__(self, name, atoms)

    @property
    def name(self) -> str:
        table = self._table
        return f"{type(self).__name__} {'-'.join(map(str, table[:, 0]))}{'…' if table.shape[1] > 1 else ''}"

    def for_molecules(self, number: int, atoms_per_molecule: int) -> Self:
        """The same of ``number`` equal molecules, whose atoms follow each other."""
        shifts = np.arange(number) * atoms_per_molecule
        rows = (tuple(np.add.outer(shifts, row).ravel().tolist()) for row in self._table)
        return type(self)(*rows)

    def check(self, trajectory: Trajectory, largest: float) -> None:
        atoms = len(trajectory.species)
        if self._table.max() >= atoms:
            raise ObservableError(
                f"{self.name} asks for atom {self._table.max()}, but the trajectory has the atoms 0 to {atoms - 1}."
            )

    @property
    def _table(self) -> np.ndarray:
        """``(atoms of a tuple, tuples)``."""
        return np.array([getattr(self, field.name) for field in dataclasses.fields(self)])

    def _bonds(self, snapshot: Snapshot) -> Float[Array, "bonds tuples 3"]:
        """From each atom of a tuple to the next, to the nearest image."""
        positions = snapshot.positions[self._table]
        return nearest_images(snapshot, positions[1:] - positions[:-1])


@dataclass(frozen=True)
class Distance(_OfAtoms):
    """Distance between the atoms i and j in Å, to the nearest image.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Distance, variable_per_frame
        >>> from mdfit.simulate import Trajectory
        >>> frames = Frames([1, 1], [1.0, 1.0], [[[0, 0, 1], [0, 0, 9]]], 10 * np.eye(3), [True] * 3)
        >>> trajectory = Trajectory.of_frames(frames, temperature=300.0)
        >>> variable_per_frame(Distance(0, 1), trajectory).round(3).tolist()
        [[[2.0]]]
    """

    i: Atoms
    j: Atoms

    unit = "Å"

    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        return jnp.sqrt(jnp.sum(self._bonds(snapshot)[0] ** 2, axis=-1))

    def check(self, trajectory: Trajectory, largest: float) -> None:
        super().check(trajectory, largest)
        check_reach(self.name, largest, trajectory)


@dataclass(frozen=True)
class Angle(_OfAtoms):
    """Angle i–j–k at j in rad, 0 to π.

    Example:
        >>> from ase.build import molecule
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Angle, variable_per_frame
        >>> from mdfit.simulate import Trajectory
        >>> water = molecule("H2O")
        >>> frames = Frames(water.numbers, water.get_masses(), [water.positions], water.cell, water.pbc)
        >>> trajectory = Trajectory.of_frames(frames, temperature=300.0)
        >>> variable_per_frame(Angle(1, 0, 2), trajectory).round(2).tolist()
        [[[1.82]]]
    """

    i: Atoms
    j: Atoms
    k: Atoms

    unit = "rad"
    natural_range = (0.0, float(np.pi))

    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        first, second = self._bonds(snapshot)
        return angle_between(-first, second)


@dataclass(frozen=True)
class Dihedral(_OfAtoms):
    """Dihedral angle i–j–k–l in rad, −π to π: 0 is cis, ±π trans, positive clockwise along j–k (IUPAC).

    Where three consecutive atoms lie exactly on a line the angle is not defined, and is given as 0; molecules that come
    close to that need another variable.

    Example:
        >>> from ase.build import molecule
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Dihedral, variable_per_frame
        >>> from mdfit.simulate import Trajectory
        >>> peroxide = molecule("H2O2")
        >>> frames = Frames(peroxide.numbers, peroxide.get_masses(), [peroxide.positions], peroxide.cell, peroxide.pbc)
        >>> trajectory = Trajectory.of_frames(frames, temperature=300.0)
        >>> variable_per_frame(Dihedral(2, 0, 1, 3), trajectory).round(2).tolist()
        [[[2.11]]]
    """

    i: Atoms
    j: Atoms
    k: Atoms
    l: Atoms  # noqa: E741  (what chemists call it)

    unit = "rad"
    natural_range = (-float(np.pi), float(np.pi))
    period = 2 * float(np.pi)

    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        return dihedral_angle(*self._bonds(snapshot))


@dataclass(frozen=True)
class Coordinate(CollectiveVariable):
    """Cartesian coordinate of atoms in Å, not wrapped into the cell.

    Args:
        axis: 0, 1 or 2.
        atoms: indices; None takes all atoms.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Coordinate, variable_per_frame
        >>> from mdfit.simulate import Trajectory
        >>> frames = Frames([1, 1], [1.0, 1.0], [[[0, 0, 1], [0, 0, 4]]], np.zeros((3, 3)), [False] * 3)
        >>> variable_per_frame(Coordinate(2), Trajectory.of_frames(frames, temperature=300.0)).tolist()
        [[[1.0, 4.0]]]
    """

    axis: int
    atoms: Atoms | None = None

    unit = "Å"

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise ObservableError(f"The axis of a coordinate is 0, 1 or 2, not {self.axis!r}.")
        if self.atoms is not None:
            object.__setattr__(self, "atoms", _indices("atoms", self.atoms))

    @property
    def name(self) -> str:
        return "xyz"[self.axis]

    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        column = snapshot.positions[:, self.axis]
        return column if self.atoms is None else column[np.array(self.atoms)]

    def check(self, trajectory: Trajectory, largest: float) -> None:
        last = len(trajectory.species) - 1
        if self.atoms is not None and max(self.atoms) > last:  # type: ignore[arg-type]
            raise ObservableError(f"{self.name} asks for atom {max(self.atoms)}, but the last atom is {last}.")  # type: ignore[arg-type]


def _indices(name: str, atoms: Atoms) -> tuple[int, ...]:
    listed = np.atleast_1d(np.asarray(atoms))
    if listed.ndim != 1 or listed.size == 0 or not np.issubdtype(listed.dtype, np.integer) or (listed < 0).any():
        raise ObservableError(
            f"{name} is {atoms!r}, but must be the index of an atom, counted from 0, or a list of these."
        )
    return tuple(int(atom) for atom in listed)
