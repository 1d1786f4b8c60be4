"""Entries of a table of priors, and how they are read from and written to documents with units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mdfit.errors import PotentialError, UnitError
from mdfit.units import quantity

#: The atoms of an entry: indices from zero in a molecule, or names of types.
Key = tuple[int, ...] | tuple[str, ...]
#: How many atoms an entry of each kind has.
ORDERS = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4, "pairs": 2}
#: No dihedral angle has more minima, and no parameter is larger.
HIGHEST, LARGEST = 100, 1e15
#: The units of a table as it is kept and written.
INTERNAL_UNITS = {"length": "Å", "energy": "eV", "angle": "rad"}


@dataclass(frozen=True)
class Harmonic:
    """½ k (x − x₀)² of a bond or an angle: ``minimum`` x₀ in Å or rad, ``stiffness`` k in eV/Å² or eV/rad²."""

    atoms: Key
    minimum: float
    stiffness: float


@dataclass(frozen=True)
class SeriesTerm:
    """k [1 + cos(nφ − φ₀)]: ``amplitude`` k in eV, ``phase`` φ₀ in rad."""

    multiplicity: int
    amplitude: float
    phase: float


@dataclass(frozen=True)
class Series:
    """The terms of a dihedral angle; none where it turns freely."""

    atoms: Key
    terms: tuple[SeriesTerm, ...]


@dataclass(frozen=True)
class PairParameters:
    """ε in eV and σ in Å of a non-bonded pair."""

    atoms: Key
    epsilon: float
    sigma: float


Entry = Harmonic | Series | PairParameters


class Units:
    """Factors from the units of a document to Å, eV and rad.

    Raises:
        UnitError: for units that are unknown, missing or of another dimension.
    """

    def __init__(self, given: Any, where: str):
        if not isinstance(given, Mapping) or set(given) != set(INTERNAL_UNITS):
            raise UnitError(
                f"{where}: units must be given for length, energy and angle, such as "
                "{length: nm, energy: kJ/mol, angle: deg}."
            )
        factors = (
            quantity(f"1 {given[name]}", unit, f"{where}: the unit of {name}") for name, unit in INTERNAL_UNITS.items()
        )
        self.length, self.energy, self.angle = factors


def read_entry(kind: str, record: Any, units: Units, where: str) -> Entry:
    """An entry from a record of a document.

    Raises:
        PotentialError: for names that are missing or unknown, and values that are no numbers.
    """
    names = {"bonds": ("length", "stiffness"), "angles": ("angle", "stiffness"), "pairs": ("sigma", "epsilon")}
    wanted = names.get(kind, ("terms",))
    key_names = {"atoms", "types"} & set(record if isinstance(record, Mapping) else ())
    if len(key_names) != 1 or set(record) - key_names != set(wanted):
        raise PotentialError(f"{where} must have atoms or types, and {' and '.join(wanted)}, but is {record!r}.")
    atoms = _key(record, key_names.pop(), ORDERS[kind], where)
    if kind in ("dihedrals", "impropers"):
        if not isinstance(record["terms"], list):
            raise PotentialError(f"{where}: terms must be a list, empty where the angle turns freely.")
        return Series(atoms, tuple(_term(one, units, f"{where}.terms[{i}]") for i, one in enumerate(record["terms"])))
    first, second = (_number(record[name], f"{where}.{name}") for name in wanted)
    for name, value, least in ((wanted[0], first, "positive"), (wanted[1], second, "positive or zero")):
        if value < 0 or (value == 0 and least == "positive"):
            raise PotentialError(f"{where}.{name} must be {least}, not {value:g}.")
    if kind == "pairs":
        return PairParameters(atoms, sigma=first * units.length, epsilon=second * units.energy)
    unit = units.length if kind == "bonds" else units.angle
    return Harmonic(atoms, first * unit, second * units.energy / unit**2)


def write_entry(kind: str, entry: Entry) -> dict[str, Any]:
    """The record of an entry in Å, eV and rad."""
    record: dict[str, Any] = {"types" if isinstance(entry.atoms[0], str) else "atoms": list(entry.atoms)}
    if isinstance(entry, Series):
        terms = [{"multiplicity": t.multiplicity, "amplitude": t.amplitude, "phase": t.phase} for t in entry.terms]
        return {**record, "terms": terms}
    if isinstance(entry, PairParameters):
        return {**record, "sigma": entry.sigma, "epsilon": entry.epsilon}
    return {**record, "length" if kind == "bonds" else "angle": entry.minimum, "stiffness": entry.stiffness}


def _key(record: Mapping[str, Any], name: str, order: int, where: str) -> Key:
    kind = int if name == "atoms" else str
    atoms = record[name]
    if not isinstance(atoms, Sequence) or len(atoms) != order or not all(type(one) is kind for one in atoms):
        what = "indices from 0" if name == "atoms" else "names"
        raise PotentialError(f"{where}.{name} must be {order} {what}, not {atoms!r}.")
    return tuple(atoms)


def _term(record: Any, units: Units, where: str) -> SeriesTerm:
    if not isinstance(record, Mapping) or set(record) != {"multiplicity", "amplitude", "phase"}:
        raise PotentialError(f"{where} must have multiplicity, amplitude and phase, but is {record!r}.")
    amplitude, phase = (_number(record[name], f"{where}.{name}") for name in ("amplitude", "phase"))
    multiplicity = record["multiplicity"]
    if type(multiplicity) is not int or not 1 <= multiplicity <= HIGHEST:
        raise PotentialError(f"{where}.multiplicity must be a whole number from 1 to {HIGHEST}, not {multiplicity!r}.")
    return SeriesTerm(multiplicity, amplitude * units.energy, phase * units.angle)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        raise PotentialError(f"{where} must be a number in the units of the table, not {value!r}.")
    return float(value)
