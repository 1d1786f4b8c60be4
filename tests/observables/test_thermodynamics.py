"""Temperature, energies, pressure, stress, density and heat capacity against analytic answers.

Statistical comparisons use fixed seeds and four standard errors (false alarm 6e-5 each).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import ObservableError
from mdfit.graph import build_graph
from mdfit.observables import (
    Density,
    HeatCapacity,
    PotentialEnergy,
    Pressure,
    Snapshot,
    Stress,
    Temperature,
    TotalEnergy,
    estimate,
    per_frame,
)
from mdfit.potentials import LennardJones, evaluate
from mdfit.structure import Structure
from mdfit.units import BAR, BOLTZMANN, GIGAPASCAL


def close(found, exact, errors=4):
    assert np.all(np.abs(found.value - exact) <= errors * found.standard_error), str(found)


def without_drift(run):
    """The same run with the centre of mass at rest and three degrees of freedom less, at the same temperature."""
    drift = np.average(run.velocities, axis=2, weights=run.masses)[:, :, None]
    return dataclasses.replace(run, velocities=run.velocities - drift, degrees_of_freedom=run.degrees_of_freedom - 3)


@pytest.mark.parametrize("change", [lambda run: run, without_drift], ids=["with drift", "without drift"])
def test_ideal_gas(known, change):
    run = change(known.ideal_gas(atoms=8, frames=4000, replicas=2, temperature=300.0))
    thermal = BOLTZMANN * 300.0
    close(estimate(Temperature(), run), 300.0)
    pressure = estimate(Pressure(), run)
    close(pressure, 8 * thermal / 8000.0 / BAR)
    # The missing atom of a kinetic part without N/(N−1) would be seen.
    assert 8 * pressure.standard_error < thermal / 8000.0 / BAR
    stress = estimate(Stress(), run)
    close(stress, -np.array([1, 1, 1, 0, 0, 0]) * 8 * thermal / 8000.0 / GIGAPASCAL)
    assert stress.labels == ("xx", "yy", "zz", "yz", "xz", "xy")
    close(estimate(TotalEnergy(), run), run.degrees_of_freedom / 2 * thermal)
    heat = estimate(HeatCapacity(), run)
    assert heat.value == pytest.approx(run.degrees_of_freedom / 2 / 8 * 8.314462618, rel=1e-9)


def test_density(known):
    silicon = estimate(Density(), known.crystal(bulk("Si", a=5.431)))
    assert silicon.value == pytest.approx(2.329, abs=0.001)  # handbook value of silicon
    assert silicon.standard_error == 0


def test_heat_capacity_of_harmonic_oscillators(known):
    # U = Σ k x²/2 of 30 independent coordinates: C_V = 3 R per mole of atoms, kinetic half included (Dulong–Petit).
    random = np.random.default_rng(3)
    run = known.ideal_gas(atoms=10, frames=20000, temperature=300.0)
    energy = 0.5 * BOLTZMANN * 300.0 * np.sum(random.standard_normal((1, 20000, 30)) ** 2, axis=-1) - 1e4
    run = dataclasses.replace(run, potential_energies=energy)
    found = estimate(HeatCapacity(), run)
    close(found, 3 * 8.314462618)
    # The standard error of a variance from n independent samples of a χ² of 30: sqrt((κ − 1)/n), κ = 3 + 12/30.
    exact = 1.5 * 8.314462618 * np.sqrt(2.4 / 20000)
    # Plus the temperature's: dC/dT · σ_T = (3 R/T) · T sqrt(2/(30 n)).
    exact = np.hypot(exact, 3 * 8.314462618 * np.sqrt(2 / 30 / 20000))
    assert found.standard_error == pytest.approx(exact, rel=0.05)
    jackknife = estimate(HeatCapacity(), run, blocks=100)
    assert jackknife.standard_error == pytest.approx(exact, rel=0.25)
    assert jackknife.value == found.value


def test_heat_capacity_needs_constant_temperature(known):
    with pytest.raises(ObservableError, match=r"NVT.*NVE"):
        estimate(HeatCapacity(), known.trajectory(np.zeros((1, 20, 2, 3)), ensemble="NVE"))


def liquid(scale=1.0):
    random = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) * 3.8
    cell = np.diag([11.4, 11.4, 11.4]) + np.array([[0, 0, 0], [0.5, 0, 0], [0.2, 0.3, 0]])
    positions = grid + random.uniform(-0.3, 0.3, grid.shape)
    return Structure(np.full(27, 18), positions * scale, cell * scale, [True] * 3, np.full(27, 39.948))


def test_pressure_is_the_derivative_of_the_energy_plus_the_ideal_part():
    potential, structure = LennardJones(0.0104, 3.4, 5.5), liquid()
    prediction = evaluate(potential, build_graph(structure, 5.5, dtype=jnp.float64))
    velocities = np.random.default_rng(6).standard_normal((27, 3))
    velocities -= velocities.mean(axis=0)
    velocities *= np.sqrt(3 * 26 * BOLTZMANN * 120.0 / (39.948 * np.sum(velocities**2)))
    snapshot = Snapshot(
        positions=jnp.asarray(structure.positions),
        velocities=jnp.asarray(velocities),
        cell=jnp.asarray(structure.cell),
        species=jnp.asarray(structure.species),
        masses=jnp.asarray(structure.masses),
        potential_energy=prediction.energy[0],
        stress=prediction.stress(jnp.array([structure.volume]))[0],
        temperature=jnp.asarray(120.0),
        degrees_of_freedom=3 * 26,
    )

    def energy(scale):
        scaled = liquid(scale)
        return float(evaluate(potential, build_graph(scaled, 5.5, dtype=jnp.float64)).energy[0]), scaled.volume

    (larger, big), (smaller, small) = energy(1 + 1e-5), energy(1 - 1e-5)
    expected = -(larger - smaller) / (big - small) + 27 * BOLTZMANN * 120.0 / structure.volume
    assert float(Temperature().per_snapshot(snapshot)) == pytest.approx(120.0)
    assert float(Pressure().per_snapshot(snapshot)) == pytest.approx(expected / BAR, rel=1e-6)
    stress = Stress().per_snapshot(snapshot)
    assert float(-jnp.mean(stress[:3]) * GIGAPASCAL) == pytest.approx(expected, rel=1e-6)
    # A uniform motion of the whole system changes nothing.
    moving = dataclasses.replace(snapshot, velocities=snapshot.velocities + 3.0)
    assert float(Pressure().per_snapshot(moving)) == pytest.approx(expected / BAR, rel=1e-6)


def test_per_snapshot_is_differentiable(known):
    snapshot = Snapshot.of(known.ideal_gas(atoms=5, frames=1))

    def pressure(energy_scale):
        scaled = dataclasses.replace(snapshot, stress=energy_scale * jnp.eye(3))
        return Pressure().per_snapshot(scaled)

    assert float(jax.jit(jax.grad(pressure))(1.0)) == pytest.approx(-1 / BAR)


def test_replicas_and_frames_keep_their_places(known):
    energies = np.arange(2 * 15.0).reshape(2, 15)
    run = known.trajectory(np.zeros((2, 15, 3, 3)), potential_energies=energies)
    np.testing.assert_array_equal(per_frame(PotentialEnergy(), run), energies)
    assert estimate(PotentialEnergy(), run, discard=5).value == energies[:, 5:].mean()
    assert estimate(PotentialEnergy(), run, discard="0.05 ps").value == energies[:, 5:].mean()


def test_a_time_to_discard_is_that_of_the_frames(known):
    """Not so many times the first interval: two frames lie close together at the start."""
    energies = np.arange(20.0)[None]
    run = known.trajectory(np.zeros((1, 20, 3, 3)), potential_energies=energies)
    times = np.concatenate([[0.0, 1.0], 10.0 * np.arange(1, 19)])
    uneven = dataclasses.replace(run, times=times)
    assert estimate(PotentialEnergy(), uneven, discard="0.05 ps").value == energies[:, 6:].mean()
    unknown = dataclasses.replace(run, times=np.full(20, np.nan))
    with pytest.raises(ObservableError, match="times of the frames are not known; discard a number of frames"):
        estimate(PotentialEnergy(), unknown, discard="0.05 ps")


def test_too_few_frames(known):
    run = known.trajectory(np.zeros((1, 15, 3, 3)))
    with pytest.raises(ObservableError, match=r"9 frames left after discarding 6 of 15.*at least 10"):
        estimate(PotentialEnergy(), run, discard=6)


def test_pressure_needs_a_volume(known):
    run = known.trajectory(np.zeros((1, 15, 3, 3)), periodic=np.array([True, True, False]))
    with pytest.raises(ObservableError, match="Pressure needs a volume"):
        estimate(Pressure(), run)


def test_a_value_that_is_not_finite_is_refused(known):
    energies = np.zeros((2, 15))
    energies[1, 3] = np.nan
    run = known.trajectory(np.zeros((2, 15, 3, 3)), potential_energies=energies)
    with pytest.raises(ObservableError, match="PotentialEnergy is not finite at 40 fs of replica 1"):
        estimate(PotentialEnergy(), run)
