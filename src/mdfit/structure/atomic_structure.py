"""One atomic structure, validated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.errors import StructureError
from mdfit.structure.constraints import frozen_atoms

if TYPE_CHECKING:
    from ase import Atoms

#: More atoms than a structure is repeated to.
MOST_ATOMS = 10**8
#: A cell is degenerate when its volume is below this fraction of the product of its edge lengths.
_SMALLEST_RELATIVE_VOLUME = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Structure:
    """Atoms (or beads) in a cell. All arrays are read-only copies.

    A cell of three vectors with a negative determinant (left-handed) is accepted: its third vector is negated, which
    spans the same lattice, so that positions, distances, energies, forces and stress stay what they were.

    Attributes:
        species: int32[N], atomic numbers, 1 to 118.
        positions: float64[N, 3], Å. Not wrapped into the cell.
        cell: float64[3, 3], Å, row vectors; zero rows where there is no cell vector.
        periodic: bool[3], along which cell vectors the structure repeats.
        masses: float64[N], amu.
        velocities: float64[N, 3] in Å per internal unit of time (ASE's), or None.
        frozen: bool[N], the atoms that stand still in simulations and relaxations, or None when all move.
        constraints: names of ASE's constraints of any other kind that the structure was read with; mdfit does not hold
            them, and simulates no structure that has some.

    Raises:
        StructureError: wrong shapes, numbers that are not finite, unknown elements, masses that are not positive,
            or cell vectors along periodic directions that are missing or linearly dependent (zero volume).

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Structure
        >>> silicon = Structure.from_ase(bulk("Si", cubic=True))
        >>> silicon.repeat((2, 2, 2))
        Structure(64 atoms, volume 1280.82 Å^3, periodic TTT)
    """

    species: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    masses: np.ndarray
    velocities: np.ndarray | None = None
    frozen: np.ndarray | None = None
    constraints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        species = _array("species", self.species, np.int32, (-1,))
        if species.size and not 1 <= species.min() <= species.max() <= 118:
            wrong = next(number for number in species if not 1 <= number <= 118)
            raise StructureError(
                f"Structure holds the atomic number {wrong}, which is no element: use numbers from 1 to 118."
            )
        count = len(species)
        masses = _array("masses", self.masses, np.float64, (count,))
        if np.any(masses <= 0):
            raise StructureError(f"Atom {int(np.argmin(masses))} has mass {masses.min()} amu: give positive masses.")
        fields: dict[str, Any] = {
            "species": species,
            "positions": _array("positions", self.positions, np.float64, (count, 3)),
            "cell": _array("cell", self.cell, np.float64, (3, 3)),
            "periodic": _array("periodic", self.periodic, np.bool_, (3,)),
            "masses": masses,
        }
        if self.velocities is not None:
            fields["velocities"] = _array("velocities", self.velocities, np.float64, (count, 3))
        if self.frozen is not None:
            frozen = _array("frozen", self.frozen, np.bool_, (count,))
            if frozen.any():
                fields["frozen"] = frozen
            else:
                object.__setattr__(self, "frozen", None)
        _check_cell(fields["cell"], fields["periodic"])
        if np.linalg.det(fields["cell"]) < 0:
            fields["cell"][2] *= -1.0
        for name, array in fields.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        periodic = "".join("T" if along else "F" for along in self.periodic)
        return f"Structure({self.number_of_atoms} atoms, volume {self.volume:.6g} Å^3, periodic {periodic})"

    @classmethod
    def in_open_space(
        cls, positions: np.ndarray, species: int | np.ndarray = 1, masses: float | np.ndarray = 1.0
    ) -> Structure:
        """Atoms or beads without a cell.

        Args:
            positions: ``(N, 3)`` in Å.
            species: atomic numbers, ``(N,)`` or one of all.
            masses: in amu, ``(N,)`` or one of all.

        Raises:
            StructureError: as the class.
        """
        number = len(positions)
        kinds, weights = np.broadcast_to(species, number), np.broadcast_to(masses, number)
        return cls(kinds, positions, np.zeros((3, 3)), np.zeros(3, bool), weights)

    @classmethod
    def from_ase(cls, atoms: Atoms) -> Structure:
        """Take species, positions, cell, periodicity, masses, frozen atoms and (when set) velocities from ASE atoms.

        Raises:
            StructureError: see the class.
        """
        frozen, constraints = frozen_atoms(atoms)
        return cls(
            species=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
            periodic=atoms.pbc,
            masses=atoms.get_masses(),
            velocities=atoms.get_velocities() if atoms.has("momenta") else None,
            frozen=frozen,
            constraints=constraints,
        )

    def to_ase(self) -> Atoms:
        """The same structure as ASE atoms; frozen atoms have the constraint ``FixAtoms``."""
        from ase import Atoms
        from ase.constraints import FixAtoms

        atoms = Atoms(
            numbers=self.species, positions=self.positions, cell=self.cell, pbc=self.periodic, masses=self.masses
        )
        if self.velocities is not None:
            atoms.set_velocities(self.velocities)
        if self.frozen is not None:
            atoms.set_constraint(FixAtoms(mask=self.frozen))
        return atoms

    @property
    def number_of_atoms(self) -> int:
        """Number of atoms, N."""
        return len(self.species)

    @property
    def number_frozen(self) -> int:
        """How many atoms are frozen."""
        return 0 if self.frozen is None else int(self.frozen.sum())

    def check_constraints(self) -> None:
        """Raises StructureError when the structure has constraints that simulations and relaxations do not hold."""
        if self.constraints:
            raise StructureError(
                f"The structure has the constraints {', '.join(self.constraints)}, which mdfit cannot hold: hold whole "
                "atoms (FixAtoms, all three components of a mask), or drop them with structure.replace(constraints=())."
            )

    @property
    def volume(self) -> float:
        """Volume of the cell in Å^3; infinite when the structure has fewer than three cell vectors."""
        if not np.all(np.any(self.cell != 0, axis=1)):
            return float("inf")
        return abs(float(np.linalg.det(self.cell)))

    def repeat(self, times: tuple[int, int, int]) -> Structure:
        """The structure repeated along its cell vectors, e.g. ``repeat((2, 2, 2))``.

        Velocities and frozen atoms are repeated as well.

        Args:
            times: copies along each of the three cell vectors, each at least 1.

        Raises:
            StructureError: a number below 1, or a repetition along a cell vector that is missing.
        """
        if len(times) != 3 or any(int(number) != number or number < 1 for number in times):
            raise StructureError(f"repeat got {times!r}: give three whole numbers of at least 1, such as (2, 2, 2).")
        missing = [axis for axis in range(3) if times[axis] > 1 and not np.any(self.cell[axis])]
        if missing:
            raise StructureError(
                f"repeat got {times!r}, but the structure has no cell vector {missing[0] + 1}: set a cell, or repeat 1."
            )
        atoms = int(np.prod(times, dtype=object)) * self.number_of_atoms
        if atoms > MOST_ATOMS:
            raise StructureError(
                f"repeat got {times!r}, which makes {atoms:.3g} atoms: at most {MOST_ATOMS:.0e} are possible."
            )
        images = np.array([(i, j, k) for i in range(times[0]) for j in range(times[1]) for k in range(times[2])])
        shifts = images @ self.cell
        copies = len(images)
        return Structure(
            species=np.tile(self.species, copies),
            positions=(shifts[:, None, :] + self.positions[None, :, :]).reshape(-1, 3),
            cell=self.cell * np.asarray(times, dtype=np.float64)[:, None],
            periodic=self.periodic,
            masses=np.tile(self.masses, copies),
            velocities=None if self.velocities is None else np.tile(self.velocities, (copies, 1)),
            frozen=None if self.frozen is None else np.tile(self.frozen, copies),
            constraints=self.constraints,
        )

    def replace(self, **changes: Any) -> Structure:
        """A copy with some fields changed, validated again: ``structure.replace(positions=moved)``."""
        return dataclasses.replace(self, **changes)


def _array(name: str, value: object, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """A fresh array of the given type and shape (-1 matches any length), all finite."""
    try:
        if dtype is np.int32:
            # A conversion would cut fractions off, and turn NaN into some number.
            wanted = np.array(value, dtype=np.float64)
            if not np.all(np.isfinite(wanted) & (wanted == np.round(wanted)) & (np.abs(wanted) < 2**31)):
                raise StructureError(f"{name} must be whole numbers, but one is none: correct the structure.")
        array = np.array(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        raise StructureError(f"{name} cannot be read as an array of numbers: give an array of shape {shape}.") from None
    if array.ndim != len(shape) or any(want not in (-1, have) for want, have in zip(shape, array.shape, strict=True)):
        raise StructureError(f"{name} has shape {array.shape}, but {shape} is needed: give one row per atom.")
    if not np.all(np.isfinite(array)):
        place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise StructureError(f"{name}{place} is {array[tuple(place)]}, which is not finite: correct the structure.")
    return array


def _check_cell(cell: np.ndarray, periodic: np.ndarray) -> None:
    lengths = np.linalg.norm(cell, axis=1)
    missing = np.flatnonzero(periodic & (lengths == 0))
    if len(missing):
        raise StructureError(
            f"The structure is periodic along cell vector {missing[0] + 1}, which is zero: "
            "set the cell, or switch periodicity off along it."
        )
    vectors = cell[lengths > 0] / lengths[lengths > 0, None]
    relative_volume = np.sqrt(max(np.linalg.det(vectors @ vectors.T), 0.0)) if len(vectors) else 1.0
    if relative_volume < _SMALLEST_RELATIVE_VOLUME:
        raise StructureError(
            f"The cell vectors {cell.tolist()} Å are linearly dependent (zero volume): give a cell that spans space."
        )
