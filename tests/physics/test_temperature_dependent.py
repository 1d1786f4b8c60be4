"""A potential that depends on the temperature: in simulations, heat capacities and reweighting."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ObservableError
from mdfit.graph import Reads
from mdfit.graph.gathering import take
from mdfit.models import Parameters
from mdfit.observables import HeatCapacity, estimate
from mdfit.observables.per_frame import per_frame
from mdfit.potentials import ExternalField, LennardJones, distinct_cutoffs, energies, temperature_derivatives
from mdfit.reweighting import average_with_error, reduced_energy
from mdfit.reweighting.frame_values import FrameValues
from mdfit.simulate import Langevin, StatePoint, Trajectory, run
from mdfit.simulate.frame_graphs import FrameGraphs
from mdfit.structure import Conditions, Structure
from mdfit.units import BOLTZMANN, FEMTOSECOND

#: k(T) = a + b T + c T² in eV/Å².
A, B, C = 0.4, 8e-4, 1e-6


def stiffness(kelvin):
    return A + B * kelvin + C * kelvin**2


class Well(ExternalField):
    """E = Σ_i ½ k(T) r_i²."""

    reads = Reads(edges=False, positions=True, conditions=frozenset({"temperature"}))

    a: jax.Array

    def __init__(self, a: float = A):
        self.a = jnp.asarray(a, jnp.float64)

    def field_energy(self, positions, species):
        raise NotImplementedError

    def atomic_energies(self, graph):
        kelvin = graph.condition("temperature")
        k = take(self.a + B * kelvin + C * kelvin**2, graph.structure)
        return 0.5 * k * jnp.sum(graph.known_positions().astype(jnp.float64) ** 2, axis=-1)


def particles(count) -> Structure:
    return Structure(np.full(count, 1), np.zeros((count, 3)) + 0.1, np.zeros((3, 3)), np.zeros(3, bool), np.ones(count))


def drawn(kelvin: float, frames: int = 20000, atoms: int = 2, seed: int = 0) -> Trajectory:
    """Independent frames of the exact distribution."""
    random = np.random.default_rng(seed)
    shape = (2, frames // 2, atoms, 3)
    thermal = BOLTZMANN * kelvin
    positions = random.normal(0, np.sqrt(thermal / stiffness(kelvin)), shape)
    structure = particles(atoms)
    return Trajectory(
        times=np.arange(frames // 2) * 1.0,
        positions=positions,
        velocities=random.normal(0, np.sqrt(thermal), shape),
        cells=np.zeros((*shape[:2], 3, 3)),
        potential_energies=0.5 * stiffness(kelvin) * np.sum(positions**2, axis=(2, 3)),
        stresses=np.zeros((*shape[:2], 3, 3)),
        species=structure.species,
        masses=structure.masses,
        periodic=structure.periodic,
        degrees_of_freedom=3 * atoms,
        conditions=Conditions("NVT", kelvin),
        timestep=1.0,
    )


def test_every_replica_sees_its_own_temperature():
    """Mean squared distances at two temperatures; a false alarm at four standard errors: 1 in 8000."""
    count, kelvin = 300, (200.0, 600.0)
    step = 0.02 / FEMTOSECOND
    runs = run(
        Well(),
        [StatePoint(particles(count), one) for one in kelvin],
        Langevin(10 * step, friction=2.0 * FEMTOSECOND * 1000),
        duration=10 * 100 * step * 10,
        every=100 * step * 10,
        equilibrate=100 * step * 10,
        key=jax.random.key(0),
    )
    for one, trajectory in zip(kelvin, runs, strict=True):
        squared = np.sum(trajectory.positions[0].astype(np.float64) ** 2, axis=-1)
        expected = 3 * BOLTZMANN * one / stiffness(one)
        # Frames are 20 time units apart, ten relaxation times of the envelope exp(−γt/2) with γ = 2.
        assert abs(squared.mean() / expected - 1) < 4 * np.sqrt(2 / 3 / squared.size) + 0.005
        np.testing.assert_allclose(trajectory.potential_energies[0], 0.5 * stiffness(one) * squared.sum(-1), rtol=1e-5)


def test_derivatives_by_temperature_are_exact():
    trajectory = drawn(300.0, frames=20)
    potential = Well() + LennardJones(0.01, 0.1, 5.0)
    (batch,) = FrameGraphs(trajectory, distinct_cutoffs(potential))
    slope, curvature = eqx.filter_jit(temperature_derivatives)(potential, batch.graphs)
    squared = np.sum(trajectory.positions**2, axis=(2, 3)).ravel()
    np.testing.assert_allclose(slope, 0.5 * (B + 2 * C * 300.0) * squared, rtol=1e-10)
    np.testing.assert_allclose(curvature, 0.5 * 2 * C * squared, rtol=1e-10)
    (fixed,) = FrameGraphs(trajectory, (5.0,))
    assert not np.any(temperature_derivatives(LennardJones(0.01, 0.1, 5.0), fixed.graphs))


def test_heat_capacity_is_the_slope_of_the_mean_energy():
    """Against C = 3/2 k_B d/dT [T − T² k′/k] + 3/2 k_B per atom; a false alarm at four standard errors: 1 in 8000."""
    kelvin = 300.0
    k, first, second = stiffness(kelvin), B + 2 * C * kelvin, 2 * C
    slope = 1 - 2 * kelvin * first / k - kelvin**2 * (second / k - (first / k) ** 2)
    expected = 1.5 * 8.31446261815324 * (slope + 1)
    trajectory = drawn(kelvin)
    found = estimate(HeatCapacity(), trajectory, potential=Well())
    assert abs(found.value - expected) < 4 * found.standard_error
    # Without ∂U/∂T it would be that of a spring that does not change.
    plain = estimate(HeatCapacity(), trajectory)
    assert abs(plain.value - expected) > 10 * found.standard_error


def test_a_simulation_knows_that_the_formula_lacks_the_derivatives():
    """A plain estimate from a run with such a potential would be silently wrong."""
    at = StatePoint(particles(4), 300.0)
    trajectory = run(Well(), at, Langevin(1.0), duration=12.0, every=1.0, key=jax.random.key(0))
    assert trajectory.conditions.energy_depends_on == ("temperature",)
    with pytest.raises(ObservableError, match=r"depends on the temperature needs its derivatives.*potential=potential"):
        estimate(HeatCapacity(), trajectory)
    assert np.isfinite(estimate(HeatCapacity(), trajectory, potential=Well()).value)


def test_values_for_training_contain_the_derivatives():
    trajectory = drawn(300.0, frames=20)
    trained, fixed = eqx.partition(Well(), eqx.is_inexact_array)
    _, values = FrameValues((HeatCapacity(),), trajectory, Well()).of(Parameters(trained, fixed))
    expected = per_frame(HeatCapacity(), trajectory, Well())
    np.testing.assert_allclose(values, expected.reshape(values.shape), rtol=1e-6)


def test_reweighting_to_another_temperature_sees_the_potential_there():
    """<U> and <r²> at 330 K from frames of 300 K; a false alarm at four standard errors: 1 in 8000."""
    here, there = 300.0, 330.0
    trajectory = drawn(here)

    def of_frames(kelvin):
        batches = FrameGraphs(trajectory, (0.0,), temperature=kelvin)
        values = [np.asarray(energies(Well(), batch.graphs[0]))[: batch.number] for batch in batches]
        return np.concatenate(values).reshape(trajectory.replicas, len(trajectory))

    before, after = of_frames(here), of_frames(there)
    np.testing.assert_allclose(before, trajectory.potential_energies, rtol=1e-10)
    change = np.asarray(reduced_energy(after, there) - reduced_energy(before, here))
    squared = np.sum(trajectory.positions**2, axis=(2, 3))
    for values, expected in ((after, 3 * BOLTZMANN * there), (squared, 6 * BOLTZMANN * there / stiffness(there))):
        found = average_with_error(change, values)
        assert not found.warnings
        assert abs(found.value - expected) < 4 * found.standard_error
        wrong = average_with_error(np.asarray(reduced_energy(before, there) - reduced_energy(before, here)), values)
        assert abs(wrong.value - expected) > 4 * found.standard_error
