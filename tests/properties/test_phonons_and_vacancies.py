"""Phonons and the vacancy of Stillinger–Weber silicon against other ways to get them."""

import numpy as np
import pytest
from ase.build import bulk

from mdfit.engines import Calculator
from mdfit.errors import SimulationError
from mdfit.potentials import StillingerWeber
from mdfit.properties import phonon_frequencies, vacancy_formation_energy
from mdfit.structure import Structure

#: Of the minimum of Stillinger and Weber's potential in Å: 4/√3 · 2^(1/6) σ.
LATTICE_CONSTANT = 4 / 3**0.5 * 2 ** (1 / 6) * 2.0951


def test_phonons_are_those_of_the_cubic_cell_at_gamma():
    """The cubic cell of eight atoms folds Γ and the three points X of the primitive cell onto its Γ."""
    potential, length = StillingerWeber(), LATTICE_CONSTANT
    gamma, edge = phonon_frequencies(potential, Structure.from_ase(bulk("Si", "diamond", a=length)), ("G", "X"))
    atoms = bulk("Si", "diamond", a=length, cubic=True)
    atoms.calc = Calculator(potential, skin=0.0, dtype="float64")
    hessian = _hessian(atoms)
    squares = np.linalg.eigvalsh(hessian)
    # √(eV/Å²/amu) in THz.
    frequencies = np.sqrt(np.abs(squares)) * 15.633302
    expected = {
        "X_TA": frequencies[3:9],
        "X_LAO": frequencies[9:15],
        "X_TO": frequencies[15:21],
        "Gamma": frequencies[21:24],
    }
    found = {"X_TA": edge[:2], "X_LAO": edge[2:4], "X_TO": edge[4:], "Gamma": gamma[3:]}
    for name, values in expected.items():
        assert np.ptp(values) < 0.01, name
        assert found[name] == pytest.approx(np.full(len(found[name]), values.mean()), abs=0.02), name


def _hessian(atoms):
    """Mass-weighted, by central differences of the forces."""
    columns = []
    for atom in range(len(atoms)):
        for axis in range(3):
            forces = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.calc = atoms.calc
                moved.positions[atom, axis] += sign * 0.01
                forces.append(moved.get_forces().ravel())
            columns.append((forces[1] - forces[0]) / 0.02)
    matrix = np.array(columns) / atoms.get_masses()[0]
    return (matrix + matrix.T) / 2


def test_a_point_that_the_lattice_lacks_is_named():
    with pytest.raises(SimulationError, match="no point Q"):
        phonon_frequencies(StillingerWeber(), Structure.from_ase(bulk("Si", "diamond", a=5.43)), ("G", "Q"))


def test_the_vacancy_of_stillinger_weber_costs_two_epsilon():
    """Four bonds and their angles less, all others as they were: without them no neighbour feels a force."""
    crystal = Structure.from_ase(bulk("Si", "diamond", a=LATTICE_CONSTANT, cubic=True).repeat(2))
    found = vacancy_formation_energy(StillingerWeber(), crystal, seed=1)
    assert found == pytest.approx(2 * 2.1683, abs=1e-3)


def test_a_vacancy_needs_a_crystal():
    with pytest.raises(SimulationError, match="two atoms"):
        vacancy_formation_energy(StillingerWeber(), Structure.from_ase(bulk("Si", "sc", a=2.5)))
