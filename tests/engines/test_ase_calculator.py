"""The ASE calculator against mdfit's own energies, and with ASE's optimisers, equation of state and dynamics."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.eos import EquationOfState
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE

from mdfit.engines import Calculator
from mdfit.errors import NeighborListError, StructureError, UnknownSpeciesError
from mdfit.graph import build_graph
from mdfit.potentials import LennardJones, StillingerWeber, energies, evaluate
from mdfit.structure import Structure

SILICON = StillingerWeber.silicon()


def crystal(displacement=0.1, seed=0, **settings):
    atoms = bulk("Si", a=5.431, cubic=True)
    atoms.positions += np.random.default_rng(seed).uniform(-displacement, displacement, atoms.positions.shape)
    atoms.calc = Calculator(SILICON, **{"dtype": "float64", **settings})
    return atoms


def energy(potential, atoms, neighbours=None):
    graph = build_graph(Structure.from_ase(atoms), potential.cutoff, dtype=jnp.float64, neighbours=neighbours)
    return float(jitted_energies(potential, graph)[0])


jitted_energies = eqx.filter_jit(energies)


def test_values_are_those_of_the_potential(tmp_path):
    atoms = crystal()
    prediction = evaluate(SILICON, build_graph(Structure.from_ase(atoms), SILICON.cutoff, dtype=jnp.float64))
    assert atoms.get_potential_energy() == pytest.approx(float(prediction.energy[0]), rel=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), prediction.forces, atol=1e-10)
    np.testing.assert_allclose(atoms.get_potential_energies(), prediction.atomic_energies, rtol=1e-12)
    atoms.calc = Calculator(SILICON.save(tmp_path / "silicon.mdfit"), dtype="float64")
    assert atoms.get_potential_energy() == pytest.approx(float(prediction.energy[0]), rel=1e-12)


def test_single_precision_is_the_default():
    double = crystal()
    single = double.copy()
    single.calc = Calculator(SILICON)
    assert single.get_potential_energy() == pytest.approx(double.get_potential_energy(), rel=1e-6)
    np.testing.assert_allclose(single.get_forces(), double.get_forces(), atol=1e-4)
    assert single.get_potential_energy() != double.get_potential_energy()


def test_forces_and_stress_against_ases_finite_differences():
    atoms = crystal()
    atoms.set_cell(atoms.cell.array @ np.array([[1.01, 0.02, 0], [0, 0.99, 0.01], [0, 0, 1]]), scale_atoms=True)
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), numerical, rtol=1e-6, atol=1e-8)
    numerical = calculate_numerical_forces(atoms, eps=1e-5, iatoms=[0, 5])
    np.testing.assert_allclose(atoms.get_forces()[[0, 5]], numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("optimiser", [BFGS, FIRE])
def test_optimisers_find_the_crystal(optimiser):
    atoms = crystal(displacement=0.2)
    assert optimiser(atoms, logfile=None).run(fmax=1e-4, steps=200)
    # Two bonds of energy ε per atom, by construction of the potential.
    assert atoms.get_potential_energy() / 8 == pytest.approx(-2 * 2.1683, abs=2e-5)
    assert atoms.get_potential_energy() == pytest.approx(energy(SILICON, atoms), rel=1e-12)


def test_equation_of_state_of_argon():
    argon = LennardJones(0.0104, 3.4, 20.0)
    volumes, values = [], []
    for a in np.linspace(5.15, 5.35, 7):
        atoms = bulk("Ar", a=a)
        atoms.calc = Calculator(argon, dtype="float64")
        volumes.append(atoms.get_volume())
        values.append(atoms.get_potential_energy())
        assert values[-1] == pytest.approx(energy(argon, atoms, neighbours=1400), rel=1e-12)
    volume, lowest, modulus = EquationOfState(volumes, values, eos="birchmurnaghan").fit()
    # The fcc crystal from its lattice sums: nearest neighbours at 1.0902 σ, E = −8.610 ε, B = 75.2 ε/σ³
    # (N. W. Ashcroft, N. D. Mermin, Solid State Physics, chapter 20); what is beyond 5.9 σ is below one per cent.
    assert (volume * np.sqrt(2)) ** (1 / 3) == pytest.approx(1.0902 * 3.4, rel=0.002)
    assert lowest == pytest.approx(-8.610 * 0.0104, rel=0.01)
    assert modulus == pytest.approx(75.2 * 0.0104 / 3.4**3, rel=0.015)


def test_dynamics_conserve_energy_without_compiling_again():
    traces = []

    class Counting(StillingerWeber):
        def atomic_energies(self, graph):
            traces.append(graph.vectors.shape)
            return super().atomic_energies(graph)

    atoms = bulk("Si", a=5.431, cubic=True)
    # Every step with a list that may be old, compared with one that is new.
    atoms.calc = Calculator(Counting(), skin="0.3 Å", dtype="float64")
    fresh = Calculator(SILICON, skin=0, dtype="float64")
    spread = np.sqrt(units.kB * 8000 / atoms.get_masses())[:, None]
    velocities = np.random.default_rng(1).standard_normal((8, 3)) * spread
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    start = atoms.get_total_energy()
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    lists, drift = [], 0.0
    for _ in range(300):
        dynamics.run(1)
        lists.append(atoms.calc._lists)
        drift = max(drift, abs(atoms.get_total_energy() - start))
        copy = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
        assert fresh.get_potential_energy(copy) == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    assert drift < 2e-4 * 12 * units.kB * 8000  # of the kinetic energy at the start
    renewals = len({id(one) for one in lists})
    assert 3 < renewals < 60
    assert len(traces) == 1


def test_old_lists_miss_no_pair():
    # An atom comes from outside the lists to well within the cutoff, in steps much shorter than the skin.
    argon = LennardJones(0.0104, 3.4, 8.5)
    atoms = Atoms("Ar3", [[0, 0, 0], [9.3, 0, 0], [0, 4, 0]])
    atoms.calc = Calculator(argon, skin="0.6 Å", dtype="float64")
    for _ in range(60):
        atoms.positions[1, 0] -= 0.05
        assert atoms.get_potential_energy() == pytest.approx(energy(argon, atoms, neighbours=2), rel=1e-12)


def test_a_common_motion_needs_no_new_lists_but_a_new_cell_does():
    atoms = crystal()
    before = atoms.get_potential_energy()
    lists = atoms.calc._lists
    atoms.positions += 7.0
    assert atoms.get_potential_energy() == pytest.approx(before, rel=1e-12)
    assert atoms.calc._lists is lists
    atoms.set_cell(atoms.cell.array * 0.9, scale_atoms=True)
    assert atoms.get_potential_energy() == pytest.approx(energy(SILICON, atoms), rel=1e-12)


def test_one_calculator_serves_other_atoms():
    atoms = crystal()
    atoms.get_potential_energy()
    larger = bulk("Si", a=5.0, cubic=True).repeat((2, 1, 1))
    assert atoms.calc.get_potential_energy(larger) == pytest.approx(energy(SILICON, larger), rel=1e-12)
    assert len(atoms.calc.get_forces(larger)) == 16


def test_left_handed_cells():
    atoms = crystal(displacement=0.1)
    mirrored = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell.array * [[1], [1], [-1]], pbc=True)
    mirrored.calc = Calculator(SILICON, dtype="float64")
    assert mirrored.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(mirrored.get_stress(), atoms.get_stress(), atol=1e-12)


def test_clear_errors():
    argon = LennardJones(0.0104, 3.4, 8.5)
    water = molecule("H2O")
    water.calc = Calculator(argon)
    assert np.isfinite(water.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="periodic in all three directions"):
        water.get_stress()
    water.calc = Calculator(SILICON)
    with pytest.raises(UnknownSpeciesError, match="knows Si, but the structure contains H, O"):
        water.get_potential_energy()
    with pytest.raises(NeighborListError, match="must not be negative"):
        Calculator(SILICON, skin=-1)
    atoms = crystal()
    atoms.get_potential_energy()
    atoms.positions[3, 1] = np.nan
    with pytest.raises(StructureError, match="not finite"):
        atoms.get_potential_energy()
