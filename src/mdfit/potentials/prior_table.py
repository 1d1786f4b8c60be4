"""Priors of molecules from a small table of parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.errors import ModelFileError, PotentialError, nearest
from mdfit.potentials.base import Potential
from mdfit.potentials.dihedrals import PeriodicDihedrals
from mdfit.potentials.harmonic import HarmonicAngles, HarmonicBonds
from mdfit.potentials.listed_pairs import ListedInversePower, ListedLennardJones
from mdfit.potentials.prior_entries import (
    INTERNAL_UNITS,
    ORDERS,
    Entry,
    Harmonic,
    Key,
    PairParameters,
    Series,
    Units,
    read_entry,
    write_entry,
)
from mdfit.storage import parse_yaml, write_json
from mdfit.structure import Topology


@dataclass(frozen=True)
class PriorTable:
    """Parameters of bonds, angles, dihedral angles and non-bonded pairs, for atoms of a molecule or for types of atoms.

    An entry for atoms comes before one for their types; tuples may be read backwards.  A kind that is None is left out of
    the prior; in a kind that is there every tuple of the topology needs an entry.

    Attributes:
        bonds, angles: entries of the harmonic terms.
        dihedrals, impropers: entries of the periodic terms.
        pairs: entries of the non-bonded pairs.
        types: names of the types of the atoms of a molecule; needed where entries are for types.

    Example:
        >>> from pathlib import Path
        >>> from mdfit.potentials import PriorTable
        >>> from mdfit.structure import Topology
        >>> units, bond = "{length: nm, energy: kJ/mol, angle: deg}", "{atoms: [0, 1], length: 0.15, stiffness: 200000}"
        >>> _ = Path("prior.yaml").write_text(f"{{units: {units}, bonds: [{bond}]}}")
        >>> bonds = PriorTable.read("prior.yaml").bonded(Topology(2, bonds=[(0, 1)]))
        >>> bonds.length.round(2).tolist(), bonds.stiffness.round(2).tolist()
        ([1.5], [20.73])
    """

    bonds: tuple[Harmonic, ...] | None = None
    angles: tuple[Harmonic, ...] | None = None
    dihedrals: tuple[Series, ...] | None = None
    impropers: tuple[Series, ...] | None = None
    pairs: tuple[PairParameters, ...] | None = None
    types: tuple[str, ...] | None = None

    @classmethod
    def read(cls, path: str | Path) -> PriorTable:
        """A table from a JSON or YAML file.

        For example::

            units: {length: nm, energy: kJ/mol, angle: deg}
            types: [CH3, C, O, N]
            bonds:
              - {types: [CH3, C], length: 0.152, stiffness: 271037}
              - {atoms: [1, 2], length: 0.123, stiffness: 477523}
            angles:
              - {atoms: [0, 1, 2], angle: 119.9, stiffness: 0.319}
            dihedrals:
              - {atoms: [0, 1, 2, 3], terms: [{multiplicity: 2, amplitude: 10.46, phase: 180}]}
            pairs:
              - {atoms: [0, 3], sigma: 0.33, epsilon: 0.57}

        Stiffnesses are k of ½ k (x − x₀)² in the units of the table: per length² and, for angles, per angle².
        ``terms: []`` is a dihedral angle that turns freely.  ``note`` and ``source`` take any text.

        Raises:
            ModelFileError: for files that cannot be read.
            PotentialError: for entries that make no sense.
            UnitError: for units that are unknown or missing.
        """
        document = _document(Path(path))
        unknown = set(document) - {"units", "types", "note", "source", *ORDERS}
        if unknown:
            name = sorted(map(str, unknown))[0]
            raise PotentialError(f"{path}: {name!r} is no part of a table of priors; {nearest(name, ORDERS)}")
        for kind in (*ORDERS, "types"):
            if not isinstance(document.get(kind, []), list | None):
                raise PotentialError(f"{path}: {kind} must be a list, one entry below the other.")
        units = Units(document.get("units"), str(path))
        kinds: dict[str, Any] = {
            kind: tuple(read_entry(kind, one, units, f"{path}: {kind}[{i}]") for i, one in enumerate(document[kind]))
            for kind in ORDERS
            if document.get(kind) is not None
        }
        types = document.get("types")
        return cls(**kinds, types=None if types is None else tuple(map(str, types)))

    def write(self, path: str | Path, note: str = "") -> None:
        """Writes the table as JSON in Å, eV and rad, with a note on where it is from."""
        document: dict[str, Any] = {"units": INTERNAL_UNITS, **({"note": note} if note else {})}
        if self.types is not None:
            document["types"] = list(self.types)
        for kind in ORDERS:
            entries = getattr(self, kind)
            if entries is not None:
                document[kind] = [write_entry(kind, entry) for entry in entries]
        write_json(path, document)

    def bonded(self, topology: Topology, cutoff: float | str = 5.0) -> Potential:
        """The sum of the bonded terms of a topology, for all kinds that the table has.

        Args:
            topology: of one molecule.
            cutoff: in Å, within which bonded atoms are looked for; that of the network beside it saves time.

        Raises:
            PotentialError: when a tuple of the topology has no entry, or nothing is left.
        """
        terms: list[Potential] = []
        for kind, make in (("bonds", HarmonicBonds), ("angles", HarmonicAngles)):
            found: list[Harmonic] = self._entries(kind, topology)
            if found:
                minima, stiffnesses = [one.minimum for one in found], [one.stiffness for one in found]
                terms.append(make(topology.number_of_atoms, getattr(topology, kind), minima, stiffnesses, cutoff))
        terms += [
            self._series(kind, topology, cutoff) for kind in ("dihedrals", "impropers") if self._turns(kind, topology)
        ]
        if not terms:
            raise PotentialError(
                "The table has no bonded terms for this topology; add bonds, angles or dihedrals to it."
            )
        return sum(terms[1:], start=terms[0])

    def repulsion(
        self, topology: Topology, cutoff: float | str, power: int = 12, bonds_apart: int = 3
    ) -> ListedInversePower:
        """ε(σ/r)ⁿ between the pairs of a molecule that are more than ``bonds_apart`` bonds apart.

        Raises:
            PotentialError: when a pair has no entry.
        """
        pairs, epsilon, sigma = self._pairs(topology, bonds_apart)
        return ListedInversePower(topology.number_of_atoms, pairs, epsilon, sigma, cutoff, power)

    def lennard_jones(self, topology: Topology, cutoff: float | str, bonds_apart: int = 3) -> ListedLennardJones:
        """4ε[(σ/r)¹² − (σ/r)⁶] between the pairs of a molecule that are more than ``bonds_apart`` bonds apart.

        Raises:
            PotentialError: when a pair has no entry.
        """
        pairs, epsilon, sigma = self._pairs(topology, bonds_apart)
        return ListedLennardJones(topology.number_of_atoms, pairs, epsilon, sigma, cutoff)

    def _pairs(self, topology: Topology, bonds_apart: int) -> tuple[np.ndarray, list[float], list[float]]:
        if self.pairs is None:
            raise PotentialError("The table has no pairs; add their sigma and epsilon to it.")
        pairs = topology.nonbonded_pairs(bonds_apart)
        found = self._look_up("pairs", pairs, topology)
        return pairs, [one.epsilon for one in found], [one.sigma for one in found]

    def _turns(self, kind: str, topology: Topology) -> bool:
        """Whether a dihedral angle of the topology has terms."""
        return any(series.terms for series in self._entries(kind, topology))

    def _series(self, kind: str, topology: Topology, cutoff: float | str) -> PeriodicDihedrals:
        table = getattr(topology, kind)
        entries = self._entries(kind, topology)
        listed = [(row, term) for row, series in enumerate(entries) for term in series.terms]
        return PeriodicDihedrals(
            topology.number_of_atoms,
            table,
            [row for row, _ in listed],
            [term.multiplicity for _, term in listed],
            [term.amplitude for _, term in listed],
            [term.phase for _, term in listed],
            cutoff,
        )

    def _entries(self, kind: str, topology: Topology) -> list[Any]:
        """One entry for each tuple of the topology; none for a kind that the table lacks."""
        return [] if getattr(self, kind) is None else self._look_up(kind, getattr(topology, kind), topology)

    def _look_up(self, kind: str, table: np.ndarray, topology: Topology) -> list[Any]:
        if self.types is not None and len(self.types) != topology.number_of_atoms:
            raise PotentialError(
                f"The table names the types of {len(self.types)} atoms, but the molecule has {topology.number_of_atoms}."
            )
        known: dict[Key, Entry] = {}
        for entry in getattr(self, kind):
            if known.setdefault(_either_way(entry.atoms), entry) != entry:
                raise PotentialError(
                    f"The table has two different entries in {kind} for {_text(entry.atoms)}; remove one."
                )
        return [self._entry(kind, known, tuple(atoms)) for atoms in table.tolist()]

    def _entry(self, kind: str, known: dict[Key, Entry], atoms: tuple[int, ...]) -> Entry:
        types = None if self.types is None else tuple(self.types[atom] for atom in atoms)
        found = known.get(_either_way(atoms))
        if found is None and types is not None:
            found = known.get(_either_way(types))
        if found is None:
            named = "" if types is None else f" (types {_text(types)})"
            raise PotentialError(
                f"The table has no entry in {kind} for the atoms {_text(atoms)}{named}; add one for these atoms or types."
            )
        return found


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        # JSON is YAML but for tabs, and its own reader is faster.
        document = json.loads(text) if path.suffix.lower() == ".json" else parse_yaml(text)[0]
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is neither JSON nor YAML: {error}") from error
    if not isinstance(document, dict):
        raise ModelFileError(f"{path} holds no table of priors; it needs units, bonds, angles and so on.")
    return document


def _either_way(atoms: Sequence[Any]) -> Any:
    return min(tuple(atoms), tuple(atoms)[::-1])


def _text(atoms: Sequence[Any]) -> str:
    return "–".join(map(str, atoms))
