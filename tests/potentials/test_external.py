"""External fields: values, forces, files, and the density of particles in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from mdfit.engines import Calculator
from mdfit.errors import PotentialError, SimulationError
from mdfit.graph import build_graph
from mdfit.potentials import ExternalPolynomial, ExternalSpline, LennardJones, energies, evaluate, forces, load
from mdfit.simulate import NPT, Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.testing import contract
from mdfit.units import BOLTZMANN, FEMTOSECOND

LJ = LennardJones(0.01, 3.0, 6.0)
WAVY = np.random.default_rng(0).normal(size=11)
FIELDS = {
    "spline": lambda: ExternalSpline(0, -2.0, 4.0, 8, WAVY),
    "polynomial": lambda: ExternalPolynomial(2, 0.5, [0.1, -0.2, 0.0, 0.03]),
    "sum": lambda: ExternalSpline(1, -2.0, 4.0, 8, WAVY) + LJ,
}


def gas(positions) -> Structure:
    """Particles of mass 1 amu in open space."""
    places = np.asarray(positions, np.float64)
    count = len(places)
    return Structure(np.full(count, 1, np.int32), places, np.zeros((3, 3)), np.zeros(3, bool), np.ones(count))


def on_axis(field, x) -> np.ndarray:
    places = np.zeros((len(x), 3))
    places[:, field.axis] = x
    graph = build_graph(gas(places), field.cutoff, dtype=jnp.float64)
    return np.asarray(field.atomic_energies(graph))


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name, make in FIELDS.items() for check in contract(make())],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_contract(name, check):
    check(FIELDS[name]())


def test_only_potentials_of_positions_are_excused_from_parts_of_the_contract():
    left_out = set(contract(LJ)) - set(contract(LJ + FIELDS["polynomial"]()))
    assert "invariant_under_translation" in {check.__name__ for check in left_out}
    assert "forces_are_derivatives" not in {check.__name__ for check in left_out}


def test_spline_is_that_of_scipy_and_goes_on_straight():
    field = FIELDS["spline"]()
    knots = -2.0 + 0.75 * np.arange(-3, 12)
    reference = BSpline(knots, WAVY, 3)
    x = np.linspace(-2, 4, 50)
    np.testing.assert_allclose(on_axis(field, x), reference(x), atol=1e-12)
    slope = reference.derivative()
    np.testing.assert_allclose(on_axis(field, [-3.0]), reference(-2.0) - slope(-2.0), atol=1e-12)
    np.testing.assert_allclose(on_axis(field, [5.5]), reference(4.0) + 1.5 * slope(4.0), atol=1e-12)
    at_knots = np.zeros((9, 3))
    at_knots[:, 0] = knots[3:12]
    graph = build_graph(gas(at_knots), 0.0, dtype=jnp.float64)
    np.testing.assert_allclose(np.asarray(forces(field, graph))[:, 0], -slope(knots[3:12]), atol=1e-12)


def test_polynomial_is_that_of_numpy():
    field = FIELDS["polynomial"]()
    x = np.linspace(-2, 4, 50)
    np.testing.assert_allclose(on_axis(field, x), 0.1 - 0.2 * (x - 0.5) + 0.03 * (x - 0.5) ** 3, atol=1e-12)


def test_forces_alone_are_those_with_the_energy():
    places = np.random.default_rng(1).uniform(0, 6, (5, 3))
    potential = FIELDS["sum"]()
    graph = build_graph(gas(places), potential.cutoff, dtype=jnp.float64)
    np.testing.assert_allclose(forces(potential, graph), evaluate(potential, graph).forces, atol=1e-12)
    parts = forces(potential.terms[0], graph) + forces(LJ, graph)
    np.testing.assert_allclose(evaluate(potential, graph).forces, parts, atol=1e-12)


def test_strain_derivative_is_that_of_the_internal_energy():
    places = np.random.default_rng(1).uniform(0, 6, (5, 3))
    graph = build_graph(gas(places), 6.0, dtype=jnp.float64)
    both, alone = evaluate(FIELDS["sum"](), graph), evaluate(LJ, graph)
    assert np.abs(alone.strain_derivative).max() > 0
    np.testing.assert_allclose(both.strain_derivative, alone.strain_derivative, atol=1e-12)


@pytest.mark.parametrize("name", FIELDS)
def test_saved_and_loaded(name, tmp_path):
    field = FIELDS[name]()
    again = load(field.save(tmp_path / "field.mdfit"))
    graph = build_graph(gas(np.random.default_rng(1).uniform(-3, 6, (5, 3))), field.cutoff)
    assert energies(field, graph) == energies(again, graph)


def test_ase_calculator_knows_positions():
    field = FIELDS["polynomial"]()
    atoms = gas([[0, 0, 1.5], [0, 0, -0.5]]).to_ase()
    atoms.calc = Calculator(field, dtype="float64")
    for shift in (0.0, 0.01):
        atoms.positions[:, 2] += shift
        z = atoms.positions[:, 2] - 0.5
        assert atoms.get_potential_energy() == pytest.approx(np.sum(0.1 - 0.2 * z + 0.03 * z**3), rel=1e-12)
        np.testing.assert_allclose(atoms.get_forces()[:, 2], 0.2 - 0.09 * z**2, rtol=1e-10)


def test_particles_in_a_harmonic_field_have_the_gaussian_density():
    """Mean and variance of 400 independent particles; a false alarm at four standard errors: 1 in 8000."""
    stiffness, kT = 8.0, 0.5
    field = ExternalPolynomial(0, 1.5, [0, 0, stiffness / 2])
    trajectory = run(
        field,
        StatePoint(gas(np.full((400, 3), 1.0)), kT / BOLTZMANN),
        Langevin(0.02 / FEMTOSECOND, friction=2.0 * FEMTOSECOND * 1000),
        duration=2000 * 0.02 / FEMTOSECOND,
        every=200 * 0.02 / FEMTOSECOND,
        equilibrate=400 * 0.02 / FEMTOSECOND,
        key=jax.random.key(0),
    )
    # Frames are 4 time units apart: four relaxation times of the envelope exp(−γt/2).
    x = trajectory.positions[0, :, :, 0].ravel() - 1.5
    variance = kT / stiffness
    correlated = 1 + 2 * np.exp(-4.0)
    assert abs(x.mean()) < 4 * np.sqrt(correlated * variance / x.size)
    assert abs(x.var() / variance - 1) < 4 * np.sqrt(correlated * 2 / x.size)
    assert trajectory.potential_energies.mean() / 400 == pytest.approx(kT / 2, rel=0.1)


def test_bad_input_is_refused_with_the_reason():
    with pytest.raises(PotentialError, match="axis"):
        ExternalPolynomial(3, 0.0, [1.0])
    with pytest.raises(PotentialError, match="finite coefficients"):
        ExternalPolynomial(0, 0.0, [])
    with pytest.raises(PotentialError, match="11 coefficients"):
        ExternalSpline(0, 0.0, 1.0, 8, np.zeros(8))
    with pytest.raises(PotentialError, match="minimum < maximum"):
        ExternalSpline(0, 1.0, 1.0, 8)
    graph = build_graph(gas([[0, 0, 0]]), 0.0)
    without = type(graph)(**{**vars(graph), "positions": None})
    with pytest.raises(PotentialError, match="positions"):
        evaluate(FIELDS["polynomial"](), without)
    solid = gas([[0, 0, 0]]).replace(cell=np.eye(3) * 20.0, periodic=np.ones(3, bool))
    with pytest.raises(SimulationError, match="external field"):
        run(FIELDS["sum"](), StatePoint(solid, 10.0, 1.0), NPT(1.0), duration=1, every=1, key=jax.random.key(0))
