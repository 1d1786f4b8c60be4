"""Units against ASE's independent table, and quantities as users write them."""

import subprocess
import sys

import ase.units
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdfit import units
from mdfit.errors import UnitError, nearest
from mdfit.units import quantity


def test_constants_agree_with_ase() -> None:
    assert pytest.approx(ase.units.kB, rel=1e-6) == units.BOLTZMANN
    assert pytest.approx(ase.units.fs, rel=1e-7) == units.FEMTOSECOND
    assert pytest.approx(1000 * ase.units.fs, rel=1e-7) == units.PICOSECOND
    assert pytest.approx(ase.units.GPa, rel=1e-7) == units.GIGAPASCAL
    assert pytest.approx(ase.units.bar, rel=1e-7) == units.BAR
    assert pytest.approx(ase.units._Nav * 1e-24, rel=1e-7) == units.GRAM_PER_CUBIC_CENTIMETRE


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0.5 ps", "fs", 500.0),
        ("1 /ps", "1/fs", 1e-3),
        ("1/ps", "1/fs", 1e-3),
        ("300K", "K", 300.0),
        ("25 degC", "K", 298.15),
        ("1 nm", "Å", 10.0),
        ("5 \u212b", "\u00c5", 5.0),  # the angstrom sign and the letter Å are different characters
        ("1 kcal/mol", "eV", ase.units.kcal / ase.units.mol),
        ("1 kcal/mol/Å", "eV/Å", ase.units.kcal / ase.units.mol),
        ("1 Hartree/Bohr", "eV/Å", ase.units.Hartree / ase.units.Bohr),
        ("5 meV/atom", "eV/atom", 5e-3),
        ("1 GPa", "eV/Å^3", ase.units.GPa),
        ("1 g/cm^3", "amu/Å^3", ase.units._Nav * 1e-24),
        ("1 g cm**(-3)", "amu/Å^3", ase.units._Nav * 1e-24),
        ("10^3 K", "K", 1000.0),
        ("1 (ps)^(-1)", "1/ps", 1.0),
    ],
)
def test_conversion(text: str, unit: str, expected: float) -> None:
    assert quantity(text, unit) == pytest.approx(expected, rel=1e-6)


def test_conversion_leaves_no_noise_in_the_last_digit() -> None:
    assert quantity("0.5 ps", "fs") == 500.0


@given(
    st.floats(min_value=1e-12, max_value=1e12),
    st.sampled_from(["fs", "Å", "eV", "K", "bar", "eV/Å", "1/ps", "amu", "g/cm^3"]),
)
def test_a_quantity_written_out_reads_back(number: float, unit: str) -> None:
    assert quantity(f"{number!r} {unit}", unit) == pytest.approx(number, rel=1e-14)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bare_numbers_pass_through(number: float) -> None:
    assert quantity(number, "fs") == number
    assert quantity(repr(number), "fs") == number


def test_array_scalars_are_numbers() -> None:
    import numpy as np

    assert quantity(np.float32(0.5), "fs") == 0.5
    assert quantity(np.array(2), "fs") == 2.0


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        ("300 bar", "K", ["cutoff", "'300 bar'", "a pressure", "a temperature", "'300 K'"]),
        ("5 A", "Å", ["[current]", "a length", "'5 Å'"]),
        ("5 fs ps", "fs", ["[time] ** 2", "a time"]),
        ("3 foo", "fs", ["'foo'", "unknown", "'0.5 fs'"]),
        ("fs", "fs", ["'fs'", "not a number with a unit"]),
        ("1 fs 3", "fs", ["not a number with a unit"]),
        ("[1, 2] fs", "fs", ["not a number with a unit"]),
        ("9**9**9**9 fs", "fs", ["not a number with a unit"]),
        ("9 fs^9^9^9", "fs", ["not a number with a unit"]),
        ("1 fs!", "fs", ["not a number with a unit"]),
        ("1e200^9 fs", "fs", ["cannot be read"]),
        ("99999999999999999999^99 fs", "fs", ["cannot be read"]),
        ("5 fs/", "fs", ["cannot be read"]),
        ("nan", "K", ["not finite"]),
        (float("inf"), "K", ["not finite"]),
        (True, "K", ["not a quantity"]),
        (None, "K", ["not a quantity"]),
        ([1.0], "K", ["not a quantity"]),
    ],
)
def test_wrong_quantities_give_one_sentence_with_the_remedy(value: object, unit: str, words: list[str]) -> None:
    with pytest.raises(UnitError) as caught:
        quantity(value, unit, "cutoff")  # type: ignore[arg-type]
    for word in ["cutoff", *words]:
        assert word in str(caught.value)


def test_pint_is_not_imported_before_a_string_is_parsed() -> None:
    code = (
        "import sys, mdfit.units; mdfit.units.quantity(5, 'fs'); assert 'pint' not in sys.modules;"
        "mdfit.units.quantity('5 ps', 'fs'); assert 'pint' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nearest_offers_close_names_and_otherwise_all() -> None:
    assert nearest("REF_enrgy", ["REF_energy", "REF_forces", "group"]).startswith("did you mean 'REF_energy'")
    assert nearest("ref_ENERGY", ["REF_energy"]) == "did you mean 'REF_energy'?"
    assert nearest("zzz", ["b", "a"]) == "available: 'a', 'b'"
    assert nearest("zzz", []) == "there are none"
