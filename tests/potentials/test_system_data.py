"""Terms that read more than edges: sums in reciprocal space, conditions, and engines without opposite edges."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.engines import Calculator
from mdfit.errors import PotentialError, SimulationError
from mdfit.graph import Reads, build_graph
from mdfit.graph.gathering import take
from mdfit.potentials import (
    DimeNetPP,
    Excluding,
    LennardJones,
    PaiNN,
    Potential,
    StillingerWeber,
    born_stiffness,
    energies,
    evaluate,
    forces,
)
from mdfit.simulate import NPT, JaxMD, Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.testing import contract

LJ = LennardJones(0.01, 3.0, 6.0)
#: The wave vectors of a toy, in units of the reciprocal lattice vectors, one of each pair ±k.
WAVES = np.array([n for n in np.ndindex(4, 7, 7) if n > (0, 3, 3)]) - [0, 3, 3]


class ReciprocalSum(Potential):
    """E = Σ_k a exp(−(k w)²)/k² |Σ_i exp(i k·r_i)|²/V, as the smooth part of an Ewald sum."""

    reads = Reads(edges=False, positions=True, cell=True)
    cutoff = 0.0
    species = ()

    strength: jax.Array

    def __init__(self, strength: float = 20.0):
        self.strength = jnp.asarray(strength, jnp.float64)

    def atomic_energies(self, graph):
        cells = graph.known_cells()
        inverse = jnp.swapaxes(jnp.linalg.inv(cells), -1, -2)
        waves = 2 * jnp.pi * jnp.einsum("kn,snx->skx", jnp.asarray(WAVES, graph.dtype), inverse)
        squared = jnp.sum(waves**2, -1)
        volumes = jnp.abs(jnp.linalg.det(cells))[:, None]
        weights = self.strength.astype(graph.dtype) * jnp.exp(-squared * 0.25) / squared / volumes
        phase = jnp.einsum("ax,akx->ak", graph.known_positions(), take(waves, graph.structure))
        present = graph.atom_mask[:, None]
        cosine, sine = (jnp.where(present, part, 0) for part in (jnp.cos(phase), jnp.sin(phase)))
        sums = [jax.ops.segment_sum(part, graph.structure, graph.number_of_structures) for part in (cosine, sine)]
        own = cosine * take(sums[0], graph.structure) + sine * take(sums[1], graph.structure)
        return jnp.sum(2 * take(weights, graph.structure) * own, axis=-1).astype(jnp.float64)


class Undeclared(ReciprocalSum):
    reads = Reads(edges=False, cell=True)


class Charged(Potential):
    """An energy per atom that depends on conditions."""

    reads = Reads(edges=False, conditions=frozenset({"charge"}))
    cutoff = 0.0
    species = ()

    def atomic_energies(self, graph):
        return take(graph.condition("charge") ** 2, graph.structure)


TERMS = {"reciprocal": ReciprocalSum, "sum": lambda: ReciprocalSum() + LJ}


def crystal(seed=0) -> Structure:
    atoms = bulk("Ar", cubic=True, a=5.0)
    atoms.set_cell(atoms.cell.array + np.random.default_rng(seed).normal(0, 0.2, (3, 3)), scale_atoms=True)
    atoms.rattle(0.3, seed=seed)
    return Structure.from_ase(atoms)


def strained(structure, strain) -> Structure:
    deformation = np.eye(3) + strain
    return structure.replace(positions=structure.positions @ deformation.T, cell=structure.cell @ deformation.T)


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name, make in TERMS.items() for check in contract(make())],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_contract(name, check):
    """Forces and stress against finite differences in positions and strain, invariances, padding."""
    check(TERMS[name]())


@pytest.mark.parametrize("name", TERMS)
def test_every_structure_of_a_graph_has_its_own_cell(name):
    potential = TERMS[name]()
    both = evaluate(potential, build_graph([crystal(1), crystal(2)], potential.cutoff, dtype=jnp.float64))
    for index in (0, 1):
        one = evaluate(potential, build_graph(crystal(index + 1), potential.cutoff, dtype=jnp.float64))
        np.testing.assert_allclose(both.energy[index], one.energy[0], rtol=1e-10)
        np.testing.assert_allclose(both.forces[4 * index : 4 * index + 4], one.forces, atol=1e-10)
        np.testing.assert_allclose(both.strain_derivative[index], one.strain_derivative[0], atol=1e-9)


@pytest.mark.parametrize("name", TERMS)
def test_stiffness_by_finite_differences(name):
    potential, structure = TERMS[name](), crystal(3)
    compiled = eqx.filter_jit(evaluate)

    def first(strain):
        """∂E/∂F = ∂E/∂ε F⁻ᵀ of a structure that is deformed already."""
        graph = build_graph(strained(structure, strain), potential.cutoff, dtype=jnp.float64)
        return np.asarray(compiled(potential, graph).strain_derivative[0]) @ np.linalg.inv(np.eye(3) + strain).T

    graph = build_graph(structure, potential.cutoff, dtype=jnp.float64)
    found = np.asarray(eqx.filter_jit(born_stiffness)(potential, graph))[0]
    step = 2e-5
    for k, m in ((0, 0), (0, 1), (2, 1)):
        strain = np.zeros((3, 3))
        strain[k, m] = step
        expected = (first(strain) - first(-strain)) / (2 * step)
        np.testing.assert_allclose(found[..., k, m], expected, atol=1e-6 * np.abs(found).max())


def test_pressure_of_the_barostat_is_that_of_the_strain_derivative():
    potential = TERMS["sum"]()
    graph = build_graph(crystal(4), potential.cutoff, dtype=jnp.float64)
    slope = jax.grad(lambda factor: energies(potential, graph.scaled(factor))[0])(1.0)
    expected = np.trace(evaluate(potential, graph).strain_derivative[0])
    assert float(slope) == pytest.approx(float(expected), rel=1e-10)


def test_dynamics_at_constant_pressure_see_the_present_cell():
    at = StatePoint(crystal(5), 50.0, 1.0)
    frames = run(
        TERMS["sum"](), at, NPT("1 fs"), duration=4, every=2, engine=JaxMD(dtype="float64"), key=jax.random.key(0)
    )
    graph = build_graph(frames.structure(1), 6.0, dtype=jnp.float64)
    expected = evaluate(TERMS["sum"](), graph)
    assert frames.potential_energies[0, 1] == pytest.approx(float(expected.energy[0]), rel=1e-9)
    stress = np.asarray(expected.strain_derivative[0]) / frames.structure(1).volume
    np.testing.assert_allclose(frames.stresses[0, 1], stress, atol=1e-9)


def test_what_is_not_declared_cannot_be_read():
    graph = build_graph(crystal(), 0.0, dtype=jnp.float64)
    for function in (energies, evaluate, forces):
        with pytest.raises(PotentialError, match="reads the positions"):
            function(Undeclared(), graph)
        with pytest.raises(PotentialError, match="reads the positions"):
            function(LJ + Undeclared(), graph)


def test_conditions_of_each_structure():
    graph = build_graph([crystal(1), crystal(2)], 0.0, conditions={"charge": [1.0, -2.0]})
    np.testing.assert_allclose(energies(Charged(), graph), [4.0, 16.0])
    assert (np.asarray(evaluate(Charged(), graph).forces) == 0).all()
    with pytest.raises(PotentialError, match="reads the charge"):
        energies(Charged(), build_graph(crystal(), 0.0))
    with pytest.raises(SimulationError, match="reads the charge"):
        run(Charged(), StatePoint(crystal(), 10.0), Langevin(), duration=1, every=1, key=jax.random.key(0))
    atoms = crystal().to_ase()
    atoms.calc = Calculator(Charged(), conditions={"charge": 3.0})
    assert atoms.get_potential_energy() == pytest.approx(36.0)


@pytest.mark.parametrize(
    "potential",
    [LJ, StillingerWeber((18,), sigma=2.5), PaiNN((18,), 4.0, channels=8, layers=2)],
    ids=lambda potential: type(potential).__name__,
)
def test_forces_without_opposite_edges(potential):
    graph = build_graph(crystal(6), potential.cutoff, dtype=jnp.float64, atoms=6)
    without = dataclasses.replace(graph, reverse=None)
    expected = evaluate(potential, graph)
    assert not potential.reads.opposite_edges
    assert np.abs(expected.forces).max() > 0
    scale = float(np.abs(expected.forces).max())
    np.testing.assert_allclose(forces(potential, without), expected.forces, atol=1e-6 * scale)
    np.testing.assert_allclose(evaluate(potential, without).strain_derivative, expected.strain_derivative, rtol=1e-6)


@pytest.mark.parametrize(
    "potential", [DimeNetPP((18,), 4.0, blocks=1), Excluding(LJ, 4, [(0, 1)])], ids=["dimenet", "ex"]
)
def test_those_that_need_opposite_edges_say_so(potential):
    graph = dataclasses.replace(build_graph(crystal(), potential.cutoff), reverse=None)
    assert potential.reads.opposite_edges
    with pytest.raises(PotentialError, match="opposite"):
        evaluate(potential, graph)


def test_constant_pressure_without_neighbours():
    """An ideal gas with a sum in reciprocal space, whose lists have no reach that the cell could shrink by."""
    places = np.random.default_rng(0).random((8, 3)) * 12.0
    gas = Structure(np.full(8, 18, np.int32), places, np.eye(3) * 12.0, np.ones(3, bool), np.full(8, 39.95))
    at = StatePoint(gas, "300 K", "100 bar")
    trajectory = run(ReciprocalSum(0.01), at, NPT("1 fs"), duration="20 fs", every="5 fs", key=jax.random.key(0))
    assert np.isfinite(trajectory.positions).all()
    assert len(trajectory) == 4
