"""Bonds, angles, dihedral angles and listed pairs: analytic values, OpenMM, batches, dynamics, and what goes wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mdfit.data import Dataset, LabelledStructure
from mdfit.engines import Calculator
from mdfit.errors import PotentialError, SimulationError, StructureError, UnitError
from mdfit.graph import build_graph
from mdfit.objectives import ForceMatching
from mdfit.potentials import (
    Excluding,
    HarmonicAngles,
    HarmonicBonds,
    InversePower,
    LennardJones,
    ListedInversePower,
    ListedLennardJones,
    PeriodicDihedrals,
    energies,
    evaluate,
    forces,
    load,
    predict,
)
from mdfit.simulate import JaxMD, Langevin, StatePoint, run
from mdfit.structure import Structure, Topology
from mdfit.testing import contract
from mdfit.training import fit
from mdfit.units import BOLTZMANN, KILOJOULE_PER_MOLE

RANDOM = np.random.default_rng(0)
fast = eqx.filter_jit(evaluate)
#: A branched molecule of six atoms, in steps that fit the structures of the shipped contract.
SIX = Topology.from_bonds(6, [(0, 1), (1, 2), (2, 5), (1, 4), (4, 3)])
#: The heavy atoms of ACE-ALA-NME.
TEN = Topology.from_bonds(10, [(0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9)]).with_impropers(
    [1]
)
PHASES = (0.3, -2.0, 1.0, 3.0, -0.7)


def bonds(topology, cutoff=5.0):
    count = len(topology.bonds)
    return HarmonicBonds(
        topology.number_of_atoms, topology.bonds, np.linspace(1.2, 1.6, count), np.linspace(20, 30, count), cutoff
    )


def angles(topology, cutoff=5.0):
    count = len(topology.angles)
    return HarmonicAngles(
        topology.number_of_atoms, topology.angles, np.linspace(1.8, 2.2, count), np.linspace(2, 4, count), cutoff
    )


def dihedrals(topology, cutoff=5.0, phases=(0.0, np.pi)):
    """Three terms for every dihedral; mirror images have the same energy where all phases are 0 or π."""
    table = np.concatenate([topology.dihedrals, topology.impropers])
    rows = np.repeat(np.arange(len(table)), 3)
    orders = np.tile([1, 2, 3], len(table))
    amplitudes, phases = np.linspace(0.02, 0.1, len(rows)), np.resize(phases, len(rows))
    return PeriodicDihedrals(topology.number_of_atoms, table, rows, orders, amplitudes, phases, cutoff)


def repulsion(topology, cutoff=8.0):
    table = topology.nonbonded_pairs(1)
    count = len(table)
    return ListedInversePower(
        topology.number_of_atoms, table, np.linspace(0.01, 0.02, count), np.linspace(2.5, 3.5, count), cutoff, 8
    )


def lennard_jones(topology, cutoff=8.0, truncation="switch"):
    table = topology.nonbonded_pairs(2)
    count = len(table)
    return ListedLennardJones(
        *(topology.number_of_atoms, table, np.linspace(0.01, 0.02, count), np.linspace(2.5, 3.5, count)),
        cutoff,
        truncation,
    )


KINDS = {
    "bonds": bonds,
    "angles": angles,
    "dihedrals": dihedrals,
    "repulsion": repulsion,
    "lennard_jones": lennard_jones,
    "sum": lambda topology: (
        bonds(topology)
        + angles(topology)
        + dihedrals(topology)
        + repulsion(topology, 5.0)
        + lennard_jones(topology, 5.0)
    ),
}
WRAPPED = {
    "excluding": lambda topology: Excluding(InversePower(0.01, 3.0, 6.0), topology.number_of_atoms, topology.bonds)
}


def molecules(copies=1, seed=0, spread=4.0, size=10):
    """A chain of atoms about 1.5 Å apart for each molecule, in open space."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=(copies, size, 3))
    steps *= 1.5 / np.linalg.norm(steps, axis=-1, keepdims=True)
    parents = {0: 0, **{j: i for i, j in TEN.bonds.tolist()}}
    places = np.zeros((copies, size, 3))
    for atom in range(1, size):
        places[:, atom] = places[:, parents[atom]] + steps[:, atom]
    places += spread * np.arange(copies)[:, None, None]
    count = copies * size
    return Structure(
        np.full(count, 6, np.int32), places.reshape(-1, 3), np.zeros((3, 3)), np.zeros(3, bool), np.full(count, 12.0)
    )


def in_cell(structure, edge=12.0):
    return structure.replace(cell=np.eye(3) * edge, periodic=np.ones(3, bool), positions=structure.positions % edge)


def double(potential, structure):
    return fast(potential, build_graph(structure, potential.cutoff, dtype=jnp.float64))


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name in ("sum", "excluding") for check in contract(bonds(SIX))],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_contract(name, check):
    check({**KINDS, **WRAPPED}[name](SIX))


def test_values_of_simple_geometries():
    """A right angle with legs of 1 and 2 Å, and a dihedral angle of 60° from cis."""
    turned = np.radians(60)
    places = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 2], [np.cos(turned), np.sin(turned), 2]])
    one = molecules(size=4).replace(positions=places)
    topology = Topology.from_bonds(4, [(0, 1), (1, 2), (2, 3)])
    stretched = HarmonicBonds(4, topology.bonds, [0.9, 2.0, 0.8], ["20 eV/Å^2", 1.0, 10.0])
    assert float(double(stretched, one).energy[0]) == pytest.approx(0.5 * 20 * 0.1**2 + 0.5 * 10 * 0.2**2)
    bent = HarmonicAngles(4, topology.angles, "80 deg", "3 eV/rad^2")
    assert float(double(bent, one).energy[0]) == pytest.approx(2 * 0.5 * 3 * np.radians(10) ** 2)
    series = PeriodicDihedrals(4, [(3, 2, 1, 0)], [0, 0], [1, 3], [0.1, 0.2], ["15 deg", "-20 deg"])
    expected = 0.1 * (1 + np.cos(turned - np.radians(15))) + 0.2 * (1 + np.cos(3 * turned + np.radians(20)))
    assert float(double(series, one).energy[0]) == pytest.approx(expected)


def test_stiffness_per_square_degree_is_converted():
    assert float(HarmonicAngles(3, [(0, 1, 2)], 1.0, "1 eV/deg^2").stiffness[0]) == pytest.approx((180 / np.pi) ** 2)


def openmm_forces(structure, topology):
    """Energy in eV and forces in eV/Å of every kind of term by OpenMM, in double precision, without periodicity."""
    openmm = pytest.importorskip("openmm")
    system = openmm.System()
    for mass in structure.masses:
        system.addParticle(mass)
    per_nm2 = 100 / KILOJOULE_PER_MOLE
    bond, angle, torsion = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    stretch, bend, turn = bonds(topology), angles(topology), dihedrals(topology, phases=PHASES)
    for atoms, length, stiffness in zip(stretch.atoms, stretch.length, stretch.stiffness, strict=True):
        bond.addBond(*atoms, 0.1 * float(length), float(stiffness) * per_nm2)
    for atoms, value, stiffness in zip(bend.atoms, bend.angle, bend.stiffness, strict=True):
        angle.addAngle(*atoms, float(value), float(stiffness) / KILOJOULE_PER_MOLE)
    terms = zip(turn.dihedral, turn.multiplicity, turn.amplitude, turn.phase, strict=True)
    for row, order, amplitude, phase in terms:
        torsion.addTorsion(*turn.atoms[row], order, float(phase), float(amplitude) / KILOJOULE_PER_MOLE)
    pair = openmm.NonbondedForce()
    pair.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for _ in structure.masses:
        pair.addParticle(0.0, 1.0, 0.0)
    listed = lennard_jones(topology)
    for atoms, epsilon, sigma in zip(listed.atoms, listed.epsilon, listed.sigma, strict=True):
        pair.addException(*atoms, 0.0, 0.1 * float(sigma), float(epsilon) / KILOJOULE_PER_MOLE)
    for force in (bond, angle, torsion, pair):
        system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(structure.positions / 10)
    state = context.getState(getEnergy=True, getForces=True)
    unit = openmm.unit
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) * KILOJOULE_PER_MOLE
    newton = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return energy, newton * KILOJOULE_PER_MOLE / 10


def test_against_openmm():
    structure = molecules(seed=3)
    # So wide that nothing is switched off, as in OpenMM without a cutoff.
    far = 60.0
    potential = bonds(TEN) + angles(TEN) + dihedrals(TEN, phases=PHASES) + lennard_jones(TEN, far)
    energy, reference = openmm_forces(structure, TEN)
    found = double(potential, structure)
    assert float(found.energy[0]) == pytest.approx(energy, rel=1e-9)
    np.testing.assert_allclose(found.forces, reference, atol=1e-7 * np.abs(reference).max())


def test_molecules_side_by_side_have_the_sum_of_their_energies():
    """One topology serves a structure of several molecules, the same as the topology of them all."""
    three = molecules(3, spread=40.0)
    single = KINDS["sum"](TEN)
    joint = double(single, three)
    parts = [double(single, molecules().replace(positions=three.positions[i * 10 : i * 10 + 10])) for i in range(3)]
    assert float(joint.energy[0]) == pytest.approx(sum(float(part.energy[0]) for part in parts), rel=1e-12)
    np.testing.assert_allclose(joint.forces, np.concatenate([part.forces for part in parts]), atol=1e-10)


def test_bonds_through_the_faces_of_a_cell():
    potential = KINDS["sum"](TEN)
    open_space, periodic = molecules(), in_cell(molecules(), 30.0)
    assert np.ptp(periodic.positions, axis=0).max() > 15
    np.testing.assert_allclose(double(potential, open_space).forces, double(potential, periodic).forces, atol=1e-9)


def test_several_structures_in_a_padded_graph():
    """Structures of one, two and one molecules, with room for more atoms than the molecules of them all."""
    potential = KINDS["sum"](TEN)
    listed = [molecules(1, 1), molecules(2, 2), molecules(1, 3)]
    graph = build_graph(listed, potential.cutoff, dtype=jnp.float64, atoms=57, neighbours=40)
    together, alone = fast(potential, graph), [double(potential, one) for one in listed]
    np.testing.assert_allclose(together.energy, [float(one.energy[0]) for one in alone], rtol=1e-12)
    np.testing.assert_allclose(together.forces[:40], np.concatenate([one.forces for one in alone]), atol=1e-10)
    assert (np.asarray(together.forces[40:]) == 0).all()


@pytest.mark.parametrize("name", [*KINDS, *WRAPPED])
def test_saved_and_loaded(name, tmp_path):
    potential = {**KINDS, **WRAPPED}[name](TEN)
    again = load(potential.save(tmp_path / "prior.mdfit"))
    graph = build_graph(molecules(), potential.cutoff)
    assert energies(potential, graph) == energies(again, graph)
    assert jax.tree.structure(again) == jax.tree.structure(potential)


def test_parameters_are_trainable_with_finite_gradients():
    graph = build_graph([molecules(1, 1), molecules(1, 2)], 8.0, atoms=27)
    potential = KINDS["sum"](TEN)

    def loss(potential):
        return jnp.sum(forces(potential, graph) ** 2)

    for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(potential)):
        assert np.isfinite(leaf).all()
        assert (leaf != 0).any()


def test_energy_of_atoms_is_shared_evenly():
    one = molecules(size=4)
    potential = HarmonicAngles(4, [(0, 1, 3)], 1.0, 2.0)
    share = np.asarray(double(potential, one).atomic_energies)
    assert share[2] == 0 < share[0]
    np.testing.assert_allclose(share[[0, 1, 3]], share[0])


def test_exclusions_leave_the_other_pairs():
    """All pairs less the excluded ones are the pairs that are left, in every molecule and between molecules."""
    two = in_cell(molecules(2), 14.0)
    cutoff = 6.5
    every, pair = LennardJones(0.01, 2.5, cutoff), (0.01, 2.5)
    inside = ListedLennardJones(10, TEN.excluded_pairs(), *pair, cutoff=cutoff)
    expected = double(every, two).forces - double(inside, two).forces
    found = double(Excluding(every, 10, TEN.excluded_pairs()), two)
    scale = np.abs(double(every, two).forces).max()
    np.testing.assert_allclose(found.forces, expected, atol=1e-12 * scale)
    graph = build_graph(two, cutoff, dtype=jnp.float64)
    np.testing.assert_allclose(forces(Excluding(every, 10, TEN.excluded_pairs()), graph), found.forces, rtol=1e-9)


def test_only_the_nearest_image_is_excluded():
    """In a cell narrower than twice the cutoff an atom still sees the other images of its partner."""
    two = Structure(
        np.full(2, 6, np.int32),
        np.array([[0.5, 0, 0], [1.8, 0, 0]]),
        np.diag([4.0, 50.0, 50.0]),
        np.ones(3, bool),
        np.ones(2),
    )
    every = LennardJones(0.01, 1.5, 6.0, "cut")
    found = double(Excluding(every, 2, [(0, 1)]), two).energy[0]

    def pair(r):
        return 0.04 * ((1.5 / r) ** 12 - (1.5 / r) ** 6)

    assert float(found) == pytest.approx(pair(2.7) + pair(5.3) + 2 * pair(4.0), rel=1e-9)


def test_collinear_atoms_give_finite_forces():
    places = np.zeros((10, 3))
    places[:, 0] = 1.4 * np.arange(10)
    chain = Topology.from_bonds(10, [(i, i + 1) for i in range(9)])
    line = molecules().replace(positions=places)
    for potential in (angles(chain), dihedrals(chain)):
        for dtype in (jnp.float32, jnp.float64):
            found = fast(potential, build_graph(line, 5.0, dtype=dtype))
            assert np.isfinite(found.energy).all()
            np.testing.assert_array_equal(found.forces, 0)


def test_dynamics_of_replicas_have_the_fluctuations_of_a_harmonic_bond():
    """⟨½ k (r − r₀)²⟩ = k_B T/2 for a stiff bond, to four standard errors, in 128 replicas side by side."""
    temperature, stiffness = 300.0, 30.0
    pair = molecules(size=2)
    potential = HarmonicBonds(2, [(0, 1)], 1.5, stiffness)
    trajectory = run(
        potential,
        StatePoint(pair, temperature),
        Langevin("1 fs", friction="20 /ps"),
        duration="5 ps",
        every="100 fs",
        equilibrate="1 ps",
        replicas=128,
        engine=JaxMD(skin="10 Å"),
        key=jax.random.key(1),
    )
    energy = trajectory.potential_energies
    # Friction lets energies forget as exp(−2 n) over n frames.
    error = energy.std() / np.sqrt(energy.size / 1.5)
    # The density is proportional to r² exp(−½ k (r − r₀)² / k_B T).
    expected = 0.5 * BOLTZMANN * temperature * (1 + 2 * BOLTZMANN * temperature / (stiffness * 1.5**2))
    assert abs(energy.mean() - expected) < 4 * error
    assert error < 0.03 * expected


def test_ase_calculator():
    structure = molecules()
    potential = KINDS["sum"](TEN)
    atoms = structure.to_ase()
    atoms.calc = Calculator(potential, dtype="float64")
    np.testing.assert_allclose(atoms.get_forces(), double(potential, structure).forces, atol=1e-10)
    atoms.positions[9] += 20
    with pytest.raises(StructureError, match="Atoms 8 and 9 lie"):
        atoms.get_potential_energy()


def test_a_broken_bond_is_never_silent():
    broken = molecules().replace(positions=molecules().positions * 4)
    potential = bonds(TEN)
    # Other atoms near by carry the NaN to the forces.
    found = double(potential + LennardJones(0.01, 2.0, 12.0), broken)
    assert np.isnan(found.energy).all()
    assert np.isnan(found.forces).any()
    frames = tuple(LabelledStructure(one, None, None, None, {}) for one in (molecules(), broken))
    with pytest.raises(StructureError, match=r"Frame 1: Atoms \d and \d lie .* beyond the cutoff of 5.0 Å"):
        predict(potential, Dataset(frames))
    with pytest.raises(StructureError, match="beyond the cutoff"):
        run(potential, StatePoint(broken, 300.0), Langevin("1 fs"), duration=10, every=10, key=jax.random.key(0))


def test_a_broken_bond_in_training_data_is_named():
    frames = [
        LabelledStructure(one, None, np.zeros((10, 3)), None, {})
        for one in (molecules(), molecules().replace(positions=molecules().positions * 4))
    ]
    with pytest.raises(StructureError, match=r"Frame 1: Atoms \d and \d lie"):
        fit(bonds(TEN), ForceMatching(Dataset(tuple(frames)), energy=0), optimizer=optax.sgd(1e-3), steps=2)


def test_a_bond_that_breaks_in_a_simulation_is_named():
    pair = molecules(size=2)
    flying = pair.replace(velocities=np.array([[0.0, 0, 0], [0.05, 0, 0]]))
    weak = HarmonicBonds(2, [(0, 1)], 1.5, 1e-6, cutoff=3.0)
    with pytest.raises(SimulationError, match=r"replica 0 has left .* Atoms 0 and 1 lie .* larger cutoff"):
        run(
            *(weak, StatePoint(flying, 1.0), Langevin("1 fs", friction="0.001 /ps")),
            duration="1 ps",
            every="10 fs",
            key=jax.random.key(0),
        )


def test_structures_of_other_molecules_are_refused():
    potential, other = bonds(TEN), molecules(size=4)
    with pytest.raises(PotentialError, match="molecules of 10 atoms, but the structure has 4 atoms"):
        run(potential, StatePoint(other, 300.0), Langevin("1 fs"), duration=10, every=10, key=jax.random.key(0))
    for size in (4, 14):
        places = np.random.default_rng(0).uniform(0, 3, (size, 3))
        graph = build_graph(
            [molecules(size=2).replace(species=np.full(size, 6), masses=np.ones(size), positions=places)] * 2,
            5.0,
            dtype=jnp.float64,
            atoms=37,
        )
        for one in (potential, Excluding(LennardJones(0.01, 2.0, 5.0), 10, TEN.bonds)):
            assert np.isnan(fast(one, graph).energy).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: HarmonicBonds(2, [(0, 2)]), StructureError, "atoms 0 to 1"),
        (lambda: HarmonicBonds(3, [(0, 1), (1, 0)]), StructureError, "occurs already"),
        (lambda: HarmonicBonds(3, [(0, 1), (1, 2)], [1.0]), PotentialError, "length has 1 values for 2 tuples"),
        (lambda: HarmonicBonds(2, [(0, 1)], "1 eV"), UnitError, "length"),
        (lambda: HarmonicBonds(2, [(0, 1)], cutoff=0), PotentialError, "positive cutoff"),
        (lambda: HarmonicAngles(3, [(0, 1, 2)], stiffness=np.nan), UnitError, "finite"),
        (lambda: PeriodicDihedrals(4, [(0, 1, 2, 3)], multiplicity=0), PotentialError, "at least 1"),
        (lambda: PeriodicDihedrals(4, [(0, 1, 2, 3)], [1]), PotentialError, "rows of atoms"),
        (lambda: ListedInversePower(2, [(0, 1)], power=0), PotentialError, "power of at least 1"),
        (lambda: ListedLennardJones(2, [(0, 1)], truncation="soft"), PotentialError, "truncation"),
        (lambda: Excluding(LennardJones(), 2, [(0, 5)]), StructureError, "atoms 0 to 1"),
    ],
)
def test_bad_input_is_refused_with_the_reason(make, error, message):
    with pytest.raises(error, match=message):
        make()
