"""Static properties of Stillinger–Weber silicon against published and analytic values.

a = 5.431 Å, C11 = 151.4, C12 = 76.4, C44 = 56.4 GPa: H. Balamane, T. Halicioglu, W. A. Tiller, Phys. Rev. B 46, 2250
(1992), doi:10.1103/PhysRevB.46.2250.
"""

import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import SimulationError, UnknownSpeciesError
from mdfit.potentials import StillingerWeber
from mdfit.properties import elastic_constants, equation_of_state, relax_atoms, relax_cell
from mdfit.structure import Structure

POTENTIAL = StillingerWeber.silicon()


def crystal(a=5.431, symbol="Si"):
    return Structure.from_ase(bulk(symbol, "diamond", a=a, cubic=True))


@pytest.fixture(scope="module")
def relaxed():
    return relax_cell(POTENTIAL, crystal(5.5), largest_force=1e-6)


@pytest.fixture(scope="module")
def constants(relaxed):
    return elastic_constants(POTENTIAL, relaxed)


def test_lattice_constant(relaxed):
    # Bonds at the minimum of the pair energy, which is at 2^(1/6) σ by construction of the potential.
    np.testing.assert_allclose(relaxed.cell, np.eye(3) * 4 / np.sqrt(3) * 2 ** (1 / 6) * 2.0951, atol=1e-4)
    assert relaxed.cell[0, 0] == pytest.approx(5.431, abs=5e-4)


def test_a_sheared_cell_relaxes_to_the_cubic_one(relaxed):
    structure = crystal()
    shear = np.array([[1.0, 0.02, 0.0], [0.0, 0.98, 0.0], [0.01, 0.0, 1.01]])
    strained = structure.replace(cell=structure.cell @ shear, positions=structure.positions @ shear)
    found = relax_cell(POTENTIAL, strained, shape="full", largest_force=1e-5)
    metric = found.cell @ found.cell.T
    np.testing.assert_allclose(metric, relaxed.cell @ relaxed.cell.T, atol=1e-3)


def test_elastic_constants(constants):
    assert constants.c11 == pytest.approx(151.4, abs=0.1)
    assert constants.c12 == pytest.approx(76.4, abs=0.1)
    assert constants.c44 == pytest.approx(56.4, abs=0.1)
    assert constants.asymmetry < 1e-3
    cubic = np.zeros((6, 6))
    cubic[:3, :3] = constants.c12
    np.fill_diagonal(cubic, [constants.c11] * 3 + [constants.c44] * 3)
    np.testing.assert_allclose(constants.matrix, cubic, atol=1e-3)


def test_elastic_constants_of_clamped_ions(relaxed, constants):
    clamped = elastic_constants(POTENTIAL, relaxed, relax_ions=False)
    assert clamped.c11 == pytest.approx(constants.c11, abs=0.01)
    # To second order the energy is stretching of bonds plus bending, λ' Σ (δ cos θ)².  A shear γ stretches bonds by
    # γ/3 and changes two of six cosines by 4γ/9; an expansion only stretches; the strain (η, −η, 0) only bends, four
    # cosines by 4η/3.  Hence C44 = B + (C11 − C12)/9 when the ions do not relax.
    assert clamped.c44 == pytest.approx(clamped.bulk_modulus + (clamped.c11 - clamped.c12) / 9, rel=2e-4)


def test_equation_of_state(relaxed, constants):
    found = equation_of_state(POTENTIAL, relaxed)
    assert found.volume == pytest.approx(relaxed.volume / 8, rel=1e-4)
    assert found.energy == pytest.approx(-2 * 2.1683, abs=2e-5)
    assert constants.bulk_modulus == pytest.approx((151.4 + 2 * 76.4) / 3, abs=0.1)
    # The fit over 18 per cent of volume has a little bias.
    assert found.bulk_modulus == pytest.approx(constants.bulk_modulus, rel=5e-3)
    close = equation_of_state(POTENTIAL, relaxed, strains=np.linspace(-2e-3, 2e-3, 7))
    assert close.bulk_modulus == pytest.approx(constants.bulk_modulus, rel=2e-4)
    assert close.largest_residual < 1e-8


def test_germanium_and_relaxation_of_atoms():
    germanium = StillingerWeber.germanium()
    structure = crystal(4 / np.sqrt(3) * 2 ** (1 / 6) * 2.181, "Ge")
    moved = structure.replace(positions=structure.positions + np.random.default_rng(0).uniform(-0.1, 0.1, (8, 3)))
    back = relax_atoms(germanium, moved)
    np.testing.assert_array_equal(back.cell, structure.cell)
    shifted = back.positions - structure.positions
    np.testing.assert_allclose(shifted - shifted.mean(axis=0), 0, atol=1e-4)


def test_clear_errors(relaxed):
    with pytest.raises(SimulationError, match=r"under a stress of .* GPa.*relax its cell first"):
        elastic_constants(POTENTIAL, crystal(5.5))
    with pytest.raises(SimulationError, match=r"lowest energy is at the edge of the volumes from"):
        equation_of_state(POTENTIAL, crystal(5.7), strains=np.linspace(-0.01, 0.01, 5))
    with pytest.raises(SimulationError, match="at least five strains"):
        equation_of_state(POTENTIAL, relaxed, strains=[0.0])
    with pytest.raises(SimulationError, match="not periodic in all three directions"):
        relax_cell(POTENTIAL, relaxed.replace(periodic=[True, True, False]))
    with pytest.raises(SimulationError, match="After 1 steps the largest force is still"):
        relax_cell(POTENTIAL, crystal(5.5), most_steps=1)
    with pytest.raises(UnknownSpeciesError):
        relax_cell(StillingerWeber.germanium(), relaxed)
