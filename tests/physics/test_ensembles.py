"""Do the samplers sample what they claim?  Statistical tests with fixed seeds.

physical_validation: P. T. Merz, M. R. Shirts, PLoS ONE 13, e0202764 (2018), doi:10.1371/journal.pone.0202764.  Every
comparison allows 4 standard deviations: with fresh seeds each number would fail once in 16,000 times.
"""

import jax
import numpy as np
import pytest

from mdfit.observables import Pressure, estimate
from mdfit.potentials import LennardJones
from mdfit.simulate import NPT, JaxMD, Langevin, NoseHoover, StatePoint, run
from mdfit.structure import Structure
from mdfit.units import BAR, BOLTZMANN

validation = pytest.importorskip("physical_validation")

SIGMAS = 4.0
pytestmark = pytest.mark.optimised
THERMOSTATS = {"Langevin": Langevin(8.0, 2.0), "NoseHoover": NoseHoover(8.0, relaxation=200.0)}
BAROSTAT = NPT(8.0, thermostat_relaxation=200.0, barostat_relaxation=1000.0)


def data(trajectory):
    """All replicas, one after the other, as physical_validation wants them: eV, Å³, bar."""
    energy = trajectory.potential_energies.ravel()
    kinetic = trajectory.kinetic_energies.ravel()
    atoms = len(trajectory.masses)
    units = validation.data.UnitData(
        kb=BOLTZMANN,
        energy_conversion=96.48533212,
        length_conversion=0.1,
        volume_conversion=1e-3,
        temperature_conversion=1,
        pressure_conversion=1,
        time_conversion=1e-3,
        energy_str="eV",
        length_str="A",
        volume_str="A^3",
        temperature_str="K",
        pressure_str="bar",
        time_str="fs",
    )
    system = validation.data.SystemData(
        natoms=atoms,
        nconstraints=0,
        ndof_reduction_tra=3 * atoms - trajectory.degrees_of_freedom,
        ndof_reduction_rot=0,
        mass=trajectory.masses,
    )
    volumes = trajectory.volumes.ravel()
    ensemble = validation.data.EnsembleData(
        ensemble=trajectory.ensemble,
        natoms=atoms,
        volume=volumes[0] if trajectory.ensemble == "NVT" else None,
        temperature=trajectory.temperature,
        pressure=trajectory.pressure,
    )
    observables = validation.data.ObservableData(
        kinetic_energy=kinetic, potential_energy=energy, total_energy=energy + kinetic, volume=volumes
    )
    interval = trajectory.times[1] - trajectory.times[0]
    return validation.data.SimulationData(
        units=units, ensemble=ensemble, system=system, observables=observables, dt=interval
    )


def mean(values):
    """Mean over replicas, each one sample, with its standard error."""
    replicas = np.asarray(values).mean(axis=1)
    return replicas.mean(), replicas.std(ddof=1) / np.sqrt(len(replicas))


def assert_within(found, expected):
    value, error = found
    assert abs(value - expected) < SIGMAS * error, f"{value} ± {error}, expected {expected}"


@pytest.mark.parametrize("sampler", THERMOSTATS.values(), ids=THERMOSTATS)
def test_constant_temperature(argon, sampler):
    """Kinetic and potential energies at two temperatures, 32 atoms, 10 replicas."""
    pair = argon.sample(sampler, (110.0, 122.0), frames=100, every=400.0, replicas=10)
    for trajectory in pair:
        check_kinetic_energy(trajectory)
    check_ensemble(pair)


def check_kinetic_energy(trajectory):
    temperatures = 2 * trajectory.kinetic_energies / (trajectory.degrees_of_freedom * BOLTZMANN)
    assert_within(mean(temperatures), trajectory.temperature)
    # Deviations of mean and width of the distribution in standard errors.
    deviations = validation.kinetic_energy.distribution(data(trajectory), strict=False, verbosity=0)
    assert max(deviations) < SIGMAS, f"mean and width are off by {deviations} standard errors"


def check_ensemble(pair):
    deviations = validation.ensemble.check(data(pair[0]), data(pair[1]), verbosity=0)
    assert max(deviations) < SIGMAS, f"slopes are off by {deviations} standard errors"
    # The states differ enough for the test to see something.
    if pair[0].ensemble == "NVT":
        betas = [1 / (BOLTZMANN * one.temperature) for one in pair]
        assert abs(betas[0] - betas[1]) * pair[0].potential_energies.std() > 0.5


@pytest.mark.slow
def test_constant_pressure(argon):
    """Volumes and enthalpies at two pressures, 32 atoms; the mean pressure is that of the barostat."""
    pair = argon.sample(BAROSTAT, ((110.0, 400.0), (110.0, 700.0)), 100, 400.0, 16, lattice=5.6)
    for trajectory in pair:
        check_kinetic_energy(trajectory)
        pressure = estimate(Pressure(), trajectory)
        assert abs(float(pressure.value) - trajectory.pressure) < SIGMAS * float(pressure.standard_error)
        assert float(pressure.standard_error) < 25
    check_ensemble(pair)


def ideal_gas(atoms: int, temperature: float, pressure: float) -> Structure:
    edge = ((atoms + 1) * BOLTZMANN * temperature / (pressure * BAR)) ** (1 / 3)
    return Structure(
        species=np.full(atoms, 18, np.int32),
        positions=np.random.default_rng(0).random((atoms, 3)) * edge,
        cell=np.eye(3) * edge,
        periodic=np.ones(3, bool),
        masses=np.full(atoms, 39.95),
    )


def test_volume_of_eight_atoms_without_interaction():
    """<V> = (N + 1) k_B T / P; counting the centre of mass wrongly would give N − 1/N or N, 13 or 11 % less."""
    atoms, temperature, pressure = 8, 300.0, 2000.0
    trajectory = run(
        LennardJones(1e-12, 0.1, 0.5),
        StatePoint(ideal_gas(atoms, temperature, pressure), temperature, pressure),
        NPT(4.0, thermostat_relaxation=100.0, barostat_relaxation=400.0),
        duration=20000.0,
        every=100.0,
        equilibrate=4000.0,
        replicas=16,
        engine=JaxMD(skin=2.0),
        key=jax.random.key(0),
    )
    expected = (atoms + 1) * BOLTZMANN * temperature / (pressure * BAR)
    volume, error = mean(trajectory.volumes)
    assert error < 0.01 * expected
    assert_within((volume, error), expected)


@pytest.mark.parametrize("sampler", THERMOSTATS.values(), ids=THERMOSTATS)
def test_temperature_of_eight_atoms(sampler):
    """Counting three degrees of freedom too many or too few would be off by an eighth."""
    grid = np.stack(np.meshgrid(*[range(2)] * 3), -1).reshape(-1, 3)
    cluster = Structure(
        species=np.full(8, 18, np.int32),
        positions=4.2 * grid,
        cell=np.eye(3) * 8.4,
        periodic=np.ones(3, bool),
        masses=np.full(8, 39.95),
    )
    trajectory = run(
        LennardJones(0.0104, 3.4, 6.0, switch_start=5.0),
        StatePoint(cluster, 150.0),
        sampler,
        duration=12000.0,
        every=120.0,
        equilibrate=4000.0,
        replicas=24,
        engine=JaxMD(skin=1.0),
        key=jax.random.key(1),
    )
    momenta = trajectory.velocities.sum(axis=2)
    moves = isinstance(sampler, Langevin)
    assert (np.abs(momenta).max() > 1e-2) == moves
    assert trajectory.degrees_of_freedom == (24 if moves else 21)
    temperature, error = mean(2 * trajectory.kinetic_energies / (trajectory.degrees_of_freedom * BOLTZMANN))
    assert error < 3.0
    assert_within((temperature, error), 150.0)
