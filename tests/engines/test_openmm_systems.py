"""Energies and forces of OpenMM in our units, against independent calculations."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import openmm
import pytest
from scipy.special import erf, erfc

from mdfit.engines.openmm import OpenMM, ReferenceSystem, alanine_dipeptide, water_box
from mdfit.errors import SimulationError
from mdfit.graph import build_graph
from mdfit.potentials import PeriodicDihedrals, evaluate
from mdfit.precision import cast, key
from mdfit.simulate import Langevin, StatePoint
from mdfit.units import KILOJOULE_PER_MOLE

COULOMB = 14.3996454784  # eV Å / e²
EPSILON, SIGMA = 0.7749 * KILOJOULE_PER_MOLE, 3.1589
CHARGES = np.array([0.0, 0.5564, 0.5564, -1.1128])


def potential_energy(system, positions):
    """eV, in double precision."""
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions / 10)
    context.computeVirtualSites()
    return context.getState(energy=True).getPotentialEnergy()._value * KILOJOULE_PER_MOLE


def with_sites(atoms):
    """O, H, H and the charge 0.1546 Å from O on the bisector, of molecules [M, 3, 3]."""
    bisector = atoms[:, 1] + atoms[:, 2] - 2 * atoms[:, 0]
    site = atoms[:, 0] + 0.1546 * bisector / np.linalg.norm(bisector, axis=1, keepdims=True)
    return np.concatenate([atoms, site[:, None]], axis=1)


def molecules(box):
    return box.positions.reshape(-1, 4, 3)[:, :3]


def started(reference, platform="Reference", relax=True):
    point = StatePoint(reference.structure(), 300.0)
    engine = OpenMM(platform, relax=relax, dtype="float64")
    return engine.simulation(reference, [point], Langevin("1 fs"), [point.structure])


def frame_of(reference):
    """One frame at the start, not relaxed."""
    simulation = started(reference, relax=False)
    replica = simulation._replicas[0]
    replica._context.setPositions(reference.positions / 10)
    replica._context.computeVirtualSites()
    return SimpleNamespace(**simulation.frame())


def test_the_molecule_has_the_geometry_of_the_model():
    box = water_box(27, cutoff="4.6 Å")
    atoms = molecules(box)
    bonds = atoms[:, 1:] - atoms[:, :1]
    np.testing.assert_allclose(np.linalg.norm(bonds, axis=-1), 0.9572)
    cosines = np.einsum("md,md->m", bonds[:, 0], bonds[:, 1]) / 0.9572**2
    np.testing.assert_allclose(np.degrees(np.arccos(cosines)), 104.52)
    np.testing.assert_allclose(box.positions.reshape(-1, 4, 3), with_sites(atoms), atol=1e-6)
    # Rigid: three distances per molecule.
    assert len(box.constraints) == 81
    assert box.degrees_of_freedom == 27 * 6
    assert box.structure().volume == pytest.approx(27 * 18.0154 * 1.66053907 / 0.9977, rel=1e-6)


def test_the_energy_of_a_pair_of_molecules_is_that_of_the_published_parameters():
    random = np.random.default_rng(1)
    box = water_box(2, edge=100.0, cutoff=40.0)
    force = next(force for force in box.system.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for _ in range(5):
        first, second = with_sites(molecules(box))
        second = second - second[0] + first[0] + random.uniform(-1, 1, 3) + np.array([3.2, 0, 0])
        distances = np.linalg.norm(first[:, None] - second[None], axis=-1)
        ratio = (SIGMA / distances[0, 0]) ** 6
        expected = 4 * EPSILON * (ratio**2 - ratio)
        expected += COULOMB * np.sum(CHARGES[:, None] * CHARGES / distances)
        found = potential_energy(box.system, np.concatenate([first, second]))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)


def ewald(positions, charges, edge, molecule):
    """Energy of point charges in a cube in eV; pairs of one molecule do not interact."""
    alpha, images = 0.4, np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    vectors = positions[:, None] - positions[None]
    vectors -= edge * np.round(vectors / edge)
    distances = np.linalg.norm(vectors[:, :, None] + images * edge, axis=-1)
    same = molecule[:, None] == molecule
    own = same[:, :, None] & (np.abs(images).sum(axis=1) == 0)
    safe = np.where(own, 1.0, distances)
    products = charges[:, None] * charges
    energy = 0.5 * np.sum(products[:, :, None] * np.where(own, 0.0, erfc(alpha * safe) / safe))
    inside = np.linalg.norm(vectors, axis=-1) + np.eye(len(charges))
    energy -= 0.5 * np.sum(
        products * np.where(same & ~np.eye(len(charges), dtype=bool), erf(alpha * inside) / inside, 0)
    )
    energy -= alpha / np.sqrt(np.pi) * np.sum(charges**2)
    grid = np.arange(-9, 10)
    k = 2 * np.pi / edge * np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    k = k[np.any(k != 0, axis=1)]
    squared = np.sum(k**2, axis=1)
    structure = np.abs(np.exp(1j * positions @ k.T).T @ charges) ** 2
    energy += 2 * np.pi / edge**3 * np.sum(np.exp(-squared / (4 * alpha**2)) / squared * structure)
    return COULOMB * energy


def test_the_energy_of_a_box_is_that_of_an_ewald_sum_and_of_lennard_jones_pairs():
    box = water_box(27, cutoff="4.6 Å", seed=3)
    edge = box.structure().cell[0, 0]
    simulation = started(box)
    simulation.begin(key(0))
    relaxed = SimpleNamespace(**simulation.frame())
    atoms = relaxed.positions[0].reshape(27, 3, 3)
    charges, molecule = np.tile(CHARGES, 27), np.arange(27).repeat(4)
    coulomb = ewald(with_sites(atoms).reshape(-1, 3), charges, edge, molecule)
    oxygens = atoms[:, 0]
    vectors = oxygens[:, None] - oxygens[None]
    vectors -= edge * np.round(vectors / edge)
    distances = np.linalg.norm(vectors, axis=-1)[np.triu_indices(27, 1)]
    ratio = (SIGMA / distances[distances < 4.6]) ** 6
    pairs = np.sum(4 * EPSILON * (ratio**2 - ratio))
    tail = 8 * np.pi * 27**2 / edge**3 * EPSILON * (SIGMA**12 / (9 * 4.6**9) - SIGMA**6 / (3 * 4.6**3))
    everything = with_sites(atoms).reshape(-1, 3)
    found = potential_energy(box.system, everything)
    assert found == pytest.approx(relaxed.potential_energies[0], abs=1e-3)
    force = next(force for force in box.system.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setUseDispersionCorrection(False)
    without_tail = potential_energy(box.system, everything)
    assert coulomb < -10
    # At OpenMM's usual tolerance, and as far as it goes.
    assert without_tail == pytest.approx(pairs + coulomb, rel=2e-3)
    assert found - without_tail == pytest.approx(tail, rel=0.05)
    force.setEwaldErrorTolerance(1e-6)
    assert potential_energy(box.system, everything) == pytest.approx(pairs + coulomb, rel=1e-5)


@pytest.mark.parametrize("build", [lambda: water_box(27, cutoff="4.6 Å"), lambda: alanine_dipeptide("implicit")])
def test_forces_are_the_slope_of_the_energy(build):
    reference = build()
    forces = frame_of(reference).forces[0]
    random = np.random.default_rng(5)
    for atom in random.choice(len(reference.atoms), 4, replace=False):
        direction = random.normal(size=3)
        energies = []
        for step in (1e-4, -1e-4):
            moved = reference.positions.copy()
            moved[reference.atoms[atom]] += step * direction
            energies.append(potential_energy(reference.system, moved))
        slope = (energies[0] - energies[1]) / 2e-4
        # The reciprocal sum on a grid is not exactly differentiable.
        assert -slope == pytest.approx(forces[atom] @ direction, rel=2e-3, abs=2e-3)


def test_environments_and_force_fields_of_alanine_dipeptide():
    systems = {
        (environment, field): alanine_dipeptide(environment, field)
        for environment in ("vacuum", "implicit")
        for field in ("amber03", "amber99sb-ildn")
    }
    energies = [frame_of(system).potential_energies[0] for system in systems.values()]
    assert len({round(energy, 3) for energy in energies}) == 4
    molecule = systems["vacuum", "amber03"]
    assert molecule.structure().number_of_atoms == 22
    assert len(molecule.constraints) == 12
    heavy = [name for name, number in zip(molecule.names, molecule.structure().species, strict=True) if number > 1]
    assert heavy == ["CH3", "C", "O", "N", "CA", "CB", "C", "O", "N", "C"]
    heavier = alanine_dipeptide("vacuum", hydrogen_mass="3 amu").structure().masses
    assert heavier[0] == pytest.approx(3)
    assert heavier.sum() == pytest.approx(molecule.structure().masses.sum())


def test_alanine_dipeptide_in_water_has_the_density_of_water():
    reference = alanine_dipeptide("tip3p")
    structure = reference.structure()
    assert structure.cell[0, 0] == pytest.approx(27.1381)
    assert structure.number_of_atoms == 22 + 3 * 650
    np.testing.assert_array_equal(structure.species[22:25], [8, 1, 1])
    # No molecule of water lies in the solute, or on another one.
    distances = np.linalg.norm(structure.positions[:22, None] - structure.positions[None, 22::3], axis=-1)
    assert distances.min() > 1.2
    assert alanine_dipeptide("tip3p", molecules=500).structure().number_of_atoms == 22 + 1500


def test_wrong_choices_are_refused():
    with pytest.raises(SimulationError, match=r"no water model 'tip4p05'.*tip4p2005"):
        water_box(100, "tip4p05")
    with pytest.raises(SimulationError, match=r"cutoff of 9 Å .* half the edge of 14\.42 Å"):
        water_box(100)
    with pytest.raises(SimulationError, match="at least one molecule, not 0"):
        water_box(0)
    with pytest.raises(SimulationError, match="no environment 'explicit'"):
        alanine_dipeptide("explicit")
    with pytest.raises(SimulationError, match="no force_field 'amber14'"):
        alanine_dipeptide("vacuum", "amber14")
    with pytest.raises(SimulationError, match="5000 molecules of water do not fit"):
        alanine_dipeptide("tip3p", molecules=5000, edge=20.0)
    box = water_box(27, cutoff="4.6 Å")
    with pytest.raises(SimulationError, match="make them from the same file"):
        ReferenceSystem(box.topology, box.system, box.positions[:-1])


def test_without_openmm_the_error_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openmm", None)
    with pytest.raises(SimulationError, match=r'pip install "mdfit\[openmm\]"'):
        water_box(200)


def test_a_bias_moves_atoms_but_is_no_part_of_frames():
    """Its energy is that of our own potential."""
    molecule = alanine_dipeptide("vacuum")
    atoms, terms = (4, 6, 8, 14), [(1, 0.5, 0.3), (3, 0.1, -1.0)]
    biased = molecule.with_bias(atoms, terms)
    ours = PeriodicDihedrals(22, [atoms], [0, 0], *zip(*terms, strict=True), cutoff=20.0)
    graph = build_graph([molecule.structure()], 20.0, dtype=jnp.float64)
    energy = float(evaluate(cast(ours, jnp.float64), graph).energy[0])
    added = potential_energy(biased.system, molecule.positions) - potential_energy(molecule.system, molecule.positions)
    assert added == pytest.approx(energy, rel=1e-6)
    one, other = frame_of(molecule), frame_of(biased)
    np.testing.assert_array_equal(one.forces, other.forces)
    np.testing.assert_array_equal(one.potential_energies, other.potential_energies)
    assert biased.fingerprint() != molecule.fingerprint()
    with pytest.raises(SimulationError, match="four different atoms of 0 to 21, not"):
        molecule.with_bias((1, 2, 3, 22), terms)
    with pytest.raises(SimulationError, match="whole number from 1, not 0"):
        molecule.with_bias(atoms, [(0, 0.1, 0.0)])
    with pytest.raises(SimulationError, match="at least one term"):
        molecule.with_bias(atoms, [])


def test_forces_of_ones_own_are_not_taken_for_a_bias():
    molecule = alanine_dipeptide("vacuum")
    molecule.system.getForce(0).setForceGroup(31)
    with pytest.raises(SimulationError, match="in group 31, which is that of biases"):
        ReferenceSystem(molecule.topology, molecule.system, molecule.positions)
