"""Simulations that have not reached equilibrium are flagged, and those that have are not."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mdfit.observables import (
    PotentialEnergy,
    Temperature,
    TotalEnergy,
    VelocityAutocorrelation,
    equilibration_warnings,
    estimate,
)
from mdfit.units import BOLTZMANN

TARGET, ATOMS = 300.0, 16


def run(known, temperatures, energies=None, **changes):
    """A trajectory of given temperatures and energies ``(replicas, frames)``."""
    replicas, frames = np.shape(temperatures)
    directions = np.random.default_rng(9).standard_normal((replicas, frames, ATOMS, 3))
    size = np.sum(directions**2, axis=(2, 3)) * 28.085 / (3 * ATOMS * BOLTZMANN)
    velocities = directions * np.sqrt(np.asarray(temperatures) / size)[..., None, None]
    changes = {"periodic": np.zeros(3, bool), **changes}
    energies = np.zeros((replicas, frames)) if energies is None else energies
    return known.trajectory(
        np.zeros((replicas, frames, ATOMS, 3)), velocities=velocities, potential_energies=energies, **changes
    )


def noise(random, shape, memory=0.6):
    return lfilter([1], [1, -memory], random.standard_normal(shape), axis=1) * np.sqrt(1 - memory**2)


def test_equilibrium_is_not_flagged(known):
    # 200 runs with two comparisons of temperature and one of the energy, each flagged in less than 1 of 1000: more than
    # five flags have a probability below 1e-4.
    random, flags = np.random.default_rng(1), 0
    for _ in range(200):
        found = equilibration_warnings(run(known, TARGET + 20 * noise(random, (1, 200)), 0.1 * noise(random, (1, 200))))
        flags += sum(len(warnings) for warnings in found.values())
    assert flags <= 5


@pytest.mark.parametrize(("mean", "word"), [(270.0, "below"), (330.0, "above")])
def test_another_temperature_than_the_thermostats(known, mean, word):
    temperatures = mean + 20 * noise(np.random.default_rng(2), (2, 200))
    (warning,) = equilibration_warnings(run(known, temperatures))["Temperature"]
    assert warning.startswith("not equilibrated: the mean temperature of ")
    assert f"standard errors {word} the thermostat's 300 K" in warning


def test_nothing_is_asked_of_the_temperature_of_nve(known):
    temperatures = 150.0 + 10 * noise(np.random.default_rng(3), (1, 200))
    assert equilibration_warnings(run(known, temperatures, ensemble="NVE")) == {}


def test_overdamped_dynamics_has_no_temperature(known):
    """Velocities of Brownian dynamics are drawn once and never used."""
    energies = noise(np.random.default_rng(4), (1, 200))
    frozen = run(known, np.full((1, 200), 200.0), energies)
    velocities = np.broadcast_to(frozen.velocities[:, :1], frozen.velocities.shape)
    still = known.trajectory(
        frozen.positions, velocities=velocities, potential_energies=energies, periodic=np.ones(3, bool)
    )
    assert equilibration_warnings(still) == {}
    for observable in (Temperature(), TotalEnergy(), VelocityAutocorrelation("50 fs")):
        (warning,) = estimate(observable, still).warnings
        assert warning.startswith("the velocities never change, as in Brownian dynamics")
    assert estimate(PotentialEnergy(), still).warnings == ()


@pytest.mark.parametrize("relaxation", [0.1, 0.3, 3.0])
def test_a_potential_energy_that_relaxes(known, relaxation):
    random, frames = np.random.default_rng(5), 400
    drift = 8 * np.exp(-np.arange(frames) / (relaxation * frames)) / (1 - np.exp(-1 / relaxation))
    energies = noise(random, (1, frames), memory=0.3) + drift
    found = equilibration_warnings(run(known, TARGET + 20 * noise(random, (1, frames)), energies))
    (warning,) = found["PotentialEnergy"]
    assert "the mean of the second half" in warning
    assert "standard errors below that of the first" in warning
    assert "Temperature" not in found


def test_a_drift_of_the_pressure(known):
    random, frames = np.random.default_rng(6), 200
    stresses = np.zeros((1, frames, 3, 3))
    stresses[0, :, range(3), range(3)] = 0.01 * noise(random, (1, frames)) + 0.1 * np.linspace(0, 1, frames)
    moving = run(known, TARGET + 20 * noise(random, (1, frames)), stresses=stresses, periodic=np.ones(3, bool))
    assert list(equilibration_warnings(moving)) == ["Pressure"]
