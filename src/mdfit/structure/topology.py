"""Which atoms of a molecule are bonded, and the angles and dihedral angles that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.errors import StructureError

#: How many atoms a tuple of each kind has.
_ORDERS = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}


@dataclass(frozen=True, eq=False, repr=False)
class Topology:
    """Tuples of bonded atoms of one molecule, or of several side by side. All arrays are read-only copies.

    Atoms are indices from zero.  A tuple read backwards is the same tuple, so that each may occur only once.  Structures
    that hold several copies of the molecule, atom after atom, need no topology of their own: bonded potentials and
    observables repeat that of one molecule.

    Attributes:
        number_of_atoms: N, atoms without any bond included.
        bonds: int32[bonds, 2].
        angles: int32[angles, 3], the middle atom at the vertex.
        dihedrals: int32[dihedrals, 4], chains i–j–k–l of three bonds.
        impropers: int32[impropers, 4], any four atoms whose dihedral angle i–j–k–l keeps a centre planar or chiral.

    Raises:
        StructureError: for indices that are out of range, tuples that name an atom twice, or tuples that occur twice.

    Example:
        >>> from mdfit.structure import Topology
        >>> butane = Topology.from_bonds(4, [(0, 1), (1, 2), (2, 3)])
        >>> butane
        Topology(4 atoms, 3 bonds, 2 angles, 1 dihedrals, 0 impropers)
        >>> butane.angles.tolist()
        [[0, 1, 2], [1, 2, 3]]
    """

    number_of_atoms: int
    bonds: np.ndarray = ()  # type: ignore[assignment]
    angles: np.ndarray = ()  # type: ignore[assignment]
    dihedrals: np.ndarray = ()  # type: ignore[assignment]
    impropers: np.ndarray = ()  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if int(self.number_of_atoms) != self.number_of_atoms or self.number_of_atoms < 1:
            raise StructureError(f"A topology of {self.number_of_atoms!r} atoms: give a whole number of at least 1.")
        for name, order in _ORDERS.items():
            table = _tuples(name, getattr(self, name), order, self.number_of_atoms)
            table.flags.writeable = False
            object.__setattr__(self, name, table)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, name))} {name}" for name in _ORDERS)
        return f"Topology({self.number_of_atoms} atoms, {counts})"

    @classmethod
    def from_bonds(cls, number_of_atoms: int, bonds: Any, impropers: Any = ()) -> Topology:
        """The topology of a list of bonds: every two bonds of an atom make an angle, every chain of three a dihedral.

        Args:
            number_of_atoms: of the molecule.
            bonds: pairs of atoms, such as ``universe.bonds.indices`` of MDAnalysis.
            impropers: see the class; they do not follow from bonds alone (:meth:`with_impropers`).
        """
        listed = _tuples("bonds", bonds, 2, number_of_atoms)
        partners = _partners(number_of_atoms, listed)
        angles = [
            (first, centre, second)
            for centre, around in enumerate(partners)
            for place, first in enumerate(around)
            for second in around[place + 1 :]
        ]
        dihedrals = [
            (first, j, k, last)
            for j, k in np.sort(listed, axis=1).tolist()
            for first in partners[j]
            for last in partners[k]
            if first != k and last != j and first != last
        ]
        return cls(number_of_atoms, listed, angles, dihedrals, impropers)  # type: ignore[arg-type]

    def with_impropers(self, centres: Iterable[int]) -> Topology:
        """The same with an improper dihedral for each centre, an atom of three bonds.

        The centre is the third atom, as in Amber's force fields, and the others follow in the order of their indices:
        the dihedral angle is 0 or ±π where the four atoms lie in a plane.

        Raises:
            StructureError: for a centre that has not three bonds.
        """
        partners = _partners(self.number_of_atoms, self.bonds)
        added = []
        for centre in centres:
            around = partners[centre] if 0 <= centre < self.number_of_atoms else []
            if len(around) != 3:
                raise StructureError(
                    f"Atom {centre} has {len(around)} bonds, but an improper dihedral needs a centre of three."
                )
            added.append((around[0], around[1], centre, around[2]))
        impropers = [*self.impropers.tolist(), *added]
        return Topology(self.number_of_atoms, self.bonds, self.angles, self.dihedrals, impropers)  # type: ignore[arg-type]

    def repeated(self, copies: int) -> Topology:
        """The topology of so many copies of the molecule, whose atoms follow each other."""
        if int(copies) != copies or copies < 1:
            raise StructureError(f"A topology cannot be repeated {copies!r} times: give a whole number of at least 1.")
        shifts = np.arange(copies) * self.number_of_atoms
        tables = {
            name: (shifts[:, None, None] + getattr(self, name)).reshape(-1, order) for name, order in _ORDERS.items()
        }
        return Topology(copies * self.number_of_atoms, **tables)

    def __add__(self, other: Topology) -> Topology:
        """Two molecules side by side, the atoms of ``other`` after those of this one."""
        tables = {
            name: np.concatenate([getattr(self, name), getattr(other, name) + self.number_of_atoms]) for name in _ORDERS
        }
        return Topology(self.number_of_atoms + other.number_of_atoms, **tables)

    def excluded_pairs(self, bonds_apart: int = 3) -> np.ndarray:
        """Pairs of atoms that are joined by a chain of at most ``bonds_apart`` bonds, int32[pairs, 2] in rising order.

        By default those that share a bond, an angle or a dihedral angle, whose interaction the bonded terms describe.
        """
        near = self._joined(bonds_apart)
        return np.argwhere(np.triu(near, 1)).astype(np.int32)

    def nonbonded_pairs(self, bonds_apart: int = 3) -> np.ndarray:
        """All other pairs of atoms, int32[pairs, 2] in rising order."""
        return np.argwhere(np.triu(~self._joined(bonds_apart), 1)).astype(np.int32)

    def _joined(self, bonds_apart: int) -> np.ndarray:
        if int(bonds_apart) != bonds_apart or bonds_apart < 0:
            raise StructureError(f"bonds_apart is {bonds_apart!r}, but must be a whole number of at least 0.")
        adjacent = np.eye(self.number_of_atoms, dtype=np.float32)
        adjacent[tuple(self.bonds.T)] = adjacent[tuple(self.bonds[:, ::-1].T)] = 1
        near = np.eye(self.number_of_atoms, dtype=bool)
        for _ in range(bonds_apart):
            near = (near @ adjacent) > 0
        return near


def _partners(number_of_atoms: int, bonds: np.ndarray) -> list[list[int]]:
    """The atoms that each atom is bonded to, in rising order."""
    partners: list[list[int]] = [[] for _ in range(number_of_atoms)]
    for first, second in bonds.tolist():
        partners[first].append(second)
        partners[second].append(first)
    return [sorted(around) for around in partners]


def _tuples(name: str, value: Any, order: int, number_of_atoms: int) -> np.ndarray:
    """A fresh table of ``order`` atoms per row, checked."""
    try:
        listed = value if isinstance(value, np.ndarray) else list(value)
        table = np.array(listed if len(listed) else np.zeros((0, order)))
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim != 2 or table.shape[1] != order or not (table == table.astype(np.int64)).all():
        raise StructureError(f"{name} must be rows of {order} atoms, given as indices counted from 0.")
    table = table.astype(np.int32)
    outside = (table < 0) | (table >= number_of_atoms)
    if outside.any():
        row = int(np.argwhere(outside)[0][0])
        raise StructureError(
            f"{name}[{row}] is {_text(table[row])}, but the molecule has the atoms 0 to {number_of_atoms - 1}: "
            "count atoms from 0, and within one molecule."
        )
    seen: dict[tuple[int, ...], int] = {}
    for row, atoms in enumerate(map(tuple, table.tolist())):
        if len(set(atoms)) < order:
            raise StructureError(f"{name}[{row}] is {_text(atoms)}: name {order} different atoms.")
        earlier = seen.setdefault(min(atoms, atoms[::-1]), row)
        if earlier != row:
            raise StructureError(f"{name}[{row}], {_text(atoms)}, occurs already as {name}[{earlier}]: remove one.")
    return table


def _text(atoms: Iterable[int]) -> str:
    return "–".join(map(str, atoms))
