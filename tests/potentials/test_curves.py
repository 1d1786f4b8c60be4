"""Potentials of one coordinate as curves."""

import numpy as np
import pytest
from ase import Atoms

from mdfit.engines import Calculator
from mdfit.errors import PotentialError
from mdfit.potentials import ExternalPolynomial, LennardJones, StillingerWeber, field_curve, pair_curve
from mdfit.structure import Structure

ARGON = LennardJones(0.0104, 3.4, 9.0)
WELL = ExternalPolynomial(1, 0.5, [0.1, 0.0, 2.0])


def energy_of(potential, positions) -> float:
    atoms = Atoms(f"Ar{len(positions)}", positions)
    atoms.calc = Calculator(potential, skin=0.0, dtype="float64")
    return float(atoms.get_potential_energy())


def test_the_energy_of_a_pair_is_that_of_two_atoms():
    distances = np.array([3.3, 4.0, 6.5, 9.5])
    expected = [energy_of(ARGON, [[0, 0, 0], [0, 0, r]]) for r in distances]
    np.testing.assert_allclose(pair_curve(ARGON, distances, pair=(18, 18)), expected, atol=1e-8)
    # Terms add, and those of other kinds are left out.
    np.testing.assert_allclose(pair_curve(ARGON + WELL + ARGON, distances), 2 * pair_curve(ARGON, distances))


def test_the_energy_in_a_field_is_that_of_one_atom():
    places = np.array([-1.0, 0.0, 0.7])
    np.testing.assert_allclose(field_curve(WELL + ARGON, places, axis=1), 0.1 + 2 * (places - 0.5) ** 2)
    np.testing.assert_allclose(field_curve(WELL, places), np.full(3, 0.1 + 2 * 0.25))


def test_a_curve_of_nothing_is_refused():
    with pytest.raises(PotentialError, match="of pairs"):
        pair_curve(StillingerWeber(), np.ones(2))
    with pytest.raises(PotentialError, match="external field"):
        field_curve(ARGON, np.ones(2))


def test_structures_in_open_space_have_no_cell():
    structure = Structure.in_open_space(np.eye(3), species=[6, 1, 1], masses=2.0)
    assert not structure.periodic.any()
    assert not structure.cell.any()
    assert structure.species.tolist() == [6, 1, 1]
    assert structure.masses.tolist() == [2.0] * 3
    assert Structure.in_open_space(np.zeros((2, 3))).species.tolist() == [1, 1]
