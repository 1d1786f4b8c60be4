"""The unit system and quantities written with units.

Inside mdfit lengths are in Å, energies in eV, masses in amu, temperatures in K and charges in e. The unit of time
follows from these, Å·sqrt(amu/eV), about 10.18 fs (the one of ASE). Values: CODATA 2022, https://doi.org/10.1103/nxjm-sk54
(the elementary charge and the Boltzmann constant are exact in the SI since 2019).
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING

from mdfit.errors import UnitError, shown

if TYPE_CHECKING:
    import pint

_ELEMENTARY_CHARGE = 1.602176634e-19  # C
_BOLTZMANN_SI = 1.380649e-23  # J/K
_ATOMIC_MASS = 1.66053906892e-27  # kg

#: Boltzmann constant in eV/K.
BOLTZMANN: float = _BOLTZMANN_SI / _ELEMENTARY_CHARGE
#: One femtosecond in the internal unit of time, Å·sqrt(amu/eV).
FEMTOSECOND: float = 1e-15 / (1e-10 * math.sqrt(_ATOMIC_MASS / _ELEMENTARY_CHARGE))
#: One picosecond in the internal unit of time.
PICOSECOND: float = 1000.0 * FEMTOSECOND
#: One gigapascal in eV/Å^3.
GIGAPASCAL: float = 1e9 * 1e-30 / _ELEMENTARY_CHARGE
#: One bar in eV/Å^3.
BAR: float = 1e-4 * GIGAPASCAL
#: One kilojoule per mole in eV; the Avogadro constant is exact.
KILOJOULE_PER_MOLE: float = 1000.0 / (6.02214076e23 * _ELEMENTARY_CHARGE)
#: One gram per cubic centimetre in amu/Å^3.
GRAM_PER_CUBIC_CENTIMETRE: float = 1e-3 * 1e-24 / _ATOMIC_MASS

# A number, then units that hold digits only as exponents or in "1/": "2 fs", "1 /ps", "3 eV/Å^3"; not "fs", "2 fs 3".
# A number may be a power ("10^3 K"), but powers of powers would take forever.
_NUMBER_WITH_UNIT = re.compile(
    r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?(\s*(\^|\*\*)\s*[-+]?\d{1,2}(?![\d.]))?(?P<unit>[^\[\],{}!?$;:]*)",
    re.IGNORECASE,
)
_DIGITS_OF_UNITS = re.compile(
    r"(?<=[^\W\d]|\))\s*(\^|\*\*)\s*\(?\s*-?\d{1,2}(\.\d+)?\s*\)?(?![\s\d]*(\^|\*\*))"
    r"|(?<![\w.])1\s*/|(?<=[a-zA-Z])-\d+"
)

_EXAMPLES = {
    "[length]": "'5 Å'",
    "[time]": "'0.5 fs'",
    "[temperature]": "'300 K'",
    "[mass]": "'28.085 amu'",
    "1 / [time]": "'1 /ps'",
    "[mass] * [length] ** 2 / [time] ** 2": "'0.1 eV'",
    "[mass] * [length] / [time] ** 2": "'0.1 eV/Å'",
    "[mass] / [length] / [time] ** 2": "'1 bar'",
    "[mass] / [length] ** 3": "'1 g/cm^3'",
}
_NAMES = {
    "[mass] * [length] ** 2 / [time] ** 2": "an energy",
    "[mass] * [length] / [time] ** 2": "a force",
    "[mass] / [length] / [time] ** 2": "a pressure",
    "[mass] / [length] ** 3": "a mass density",
    "1 / [time]": "a rate (1/time)",
    "[length]": "a length",
    "[time]": "a time",
    "[temperature]": "a temperature",
    "[mass]": "a mass",
    "dimensionless": "a plain number",
}


def quantity(value: str | float, unit: str, name: str = "value") -> float:
    """Magnitude of a physical quantity in a given unit.

    Numbers, and strings that hold only a number, pass through: they are in ``unit`` already. Energies per mole
    count as energies per particle (``"1 kcal/mol"`` is 0.0434 eV), and ``atom`` is a plain number
    (``"5 meV/atom"``).

    Args:
        value: a string such as ``"0.5 ps"`` or ``"1 /ps"``, or a number in ``unit``.
        unit: the unit of the result, e.g. ``"fs"``.
        name: how the user knows this value; appears in error messages.

    Returns:
        The magnitude in ``unit``: ``quantity("0.5 ps", "fs") == 500.0``.

    Raises:
        UnitError: the unit is unknown, has another dimension than ``unit``, or the value is not a finite number.
    """
    if isinstance(value, bool) or not (isinstance(value, (str, int, float)) or _is_scalar(value)):
        raise UnitError(
            f"{name} is {shown(repr(value))}, which is not a quantity: "
            f"give a number in {unit} or a string such as {_example(unit)}."
        )
    try:
        magnitude = float(value)
    except ValueError:
        magnitude = _parse(str(value), unit, name)
    if not math.isfinite(magnitude):
        raise UnitError(
            f"{name} is {shown(repr(value))}, which is not finite: give a finite value such as {_example(unit)}."
        )
    return magnitude


def _is_scalar(value: object) -> bool:
    """True for the scalars of numpy and JAX, which behave as numbers without being ``int`` or ``float``."""
    return hasattr(value, "__float__") and getattr(value, "ndim", None) == 0


@functools.cache
def _registry() -> pint.UnitRegistry:
    """The registry of pint, built at first use: importing pint and its definitions takes a third of a second."""
    import pint

    registry: pint.UnitRegistry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)
    registry.define("atom = [] = _ = atoms")
    registry.define("@alias hartree = Hartree = Ha")
    registry.define("@alias bohr = Bohr")
    registry.define("@alias angstrom = Angstrom = Ang")
    return registry


def _parse(text: str, unit: str, name: str) -> float:
    import pint

    match = _NUMBER_WITH_UNIT.fullmatch(text)
    if match is None or re.search(r"\d", _DIGITS_OF_UNITS.sub("", match["unit"])):
        raise UnitError(
            f"{name} is {shown(repr(text))}, which is not a number with a unit: write it such as {_example(unit)}."
        )
    registry = _registry()
    try:
        given: pint.Quantity = registry.Quantity(text) * 1.0
    except pint.UndefinedUnitError as problem:
        unknown = problem.unit_names if isinstance(problem.unit_names, str) else ", ".join(problem.unit_names)
        raise UnitError(
            f"{name} is {shown(repr(text))}, whose unit {unknown!r} is unknown: write it such as {_example(unit)}."
        ) from None
    except Exception:  # pint's parser lets errors of several unrelated kinds through
        raise UnitError(
            f"{name} is {shown(repr(text))}, which cannot be read: write it such as {_example(unit)}."
        ) from None
    target = registry.Unit(unit)
    if given.dimensionality == target.dimensionality * registry.Unit("1/mol").dimensionality:
        given = given * registry.Quantity("1 mol/avogadro_number")
    if given.dimensionality != target.dimensionality:
        raise UnitError(
            f"{name} is {shown(repr(text))}, which is {_dimension(given.dimensionality)}, but "
            f"{_dimension(target.dimensionality)} is needed: write it such as {_example(unit)}, or give a bare "
            f"number in {unit}."
        )
    # Conversion factors leave noise in the last digit: 0.5 ps would be 499.99999999999994 fs.
    return float(f"{given.to(target).magnitude:.15g}")


def _dimension(dimensionality: object) -> str:
    text = str(dimensionality)
    return _NAMES.get(text, f"of dimension {text}")


def _example(unit: str) -> str:
    """An example in the dimension of ``unit``; falls back to the unit itself."""
    return _EXAMPLES.get(str(_registry().Unit(unit).dimensionality), f"'1 {unit}'")
