"""State points of the same atoms, side by side: each is simulated as it would be alone."""

import h5py
import jax
import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import CheckpointError, SimulationError
from mdfit.observables import Temperature, estimate
from mdfit.potentials import LennardJones
from mdfit.simulate import (
    NPT,
    NVE,
    Brownian,
    JaxMD,
    Langevin,
    NoseHoover,
    StatePoint,
    can_resume,
    run,
    start_temperature,
)
from mdfit.simulate.trajectory import PER_FRAME
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN

SETTINGS = {"duration": 60.0, "every": 20.0, "equilibrate": 20.0, "key": jax.random.key(5)}


def points(small, temperatures=(60.0, 140.0), pressures=(None, None), lattices=(5.4, 5.6)):
    conditions = zip(lattices, temperatures, pressures, strict=True)
    return [StatePoint(small.argon(2, lattice=a), t, p) for a, t, p in conditions]


@pytest.mark.parametrize(
    ("sampler", "pressures", "dtype"),
    [
        (Langevin(4.0, 5.0), (None, None), np.float32),
        *(
            pytest.param(*settings, marks=pytest.mark.slow)
            for settings in [
                (NPT(4.0, barostat_relaxation=300.0), (100.0, 3000.0), np.float64),
                (NVE(4.0), (None, None), np.float32),
                (Langevin(4.0, 5.0), (None, None), np.float64),
                (Brownian(0.5, 50.0), (None, None), np.float32),
                (NoseHoover(4.0), (None, None), np.float64),
                (NPT(4.0, barostat_relaxation=300.0), (1000.0, 1000.0), np.float32),
            ]
        ),
    ],
)
def test_each_is_simulated_as_alone(small, sampler, pressures, dtype):
    """With the same noise, that of the same replica; up to rounding, which 20 steps do not blow up."""
    both = points(small, pressures=pressures)
    together = run(small.potential, both, sampler, engine=JaxMD(dtype=np.dtype(dtype).name), **SETTINGS)
    tolerance = {np.float32: 2e-4, np.float64: 2e-6}[dtype]
    for number, point in enumerate(both):
        alone = run(small.potential, point, sampler, replicas=2, engine=JaxMD(dtype=np.dtype(dtype).name), **SETTINGS)
        found = together[number]
        assert (found.temperature, found.pressure) == (point.temperature, point.pressure)
        assert found.replicas == 1
        for name in PER_FRAME:
            expected = getattr(alone, name)[number : number + 1]
            size = np.abs(expected).max()
            np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=tolerance * size, err_msg=name)
    # The state points do differ.
    assert np.abs(together[0].velocities).mean() < 0.9 * np.abs(together[1].velocities).mean()


def test_replicas_of_each_have_its_temperature(small):
    """Kinetic temperatures of 8 replicas each; four standard errors fail by chance once in 5000 tests."""
    found = run(
        small.potential,
        points(small, temperatures=(40.0, 120.0)),
        Langevin(4.0, 20.0),
        replicas=8,
        equilibrate=400.0,
        duration=2000.0,
        every=40.0,
        key=jax.random.key(1),
    )
    for trajectory, target in zip(found, (40.0, 120.0), strict=True):
        assert trajectory.replicas == 8
        mean = estimate(Temperature(), trajectory)
        # BAOAB's kinetic temperature lies below the target by (omega dt)^2 / 4, less than a per cent here.
        assert abs(float(mean.value) - target) < 4 * float(mean.standard_error) + 0.01 * target


def test_frozen_atoms_have_the_momenta_of_their_state_point(small):
    held = np.zeros(32, bool)
    held[:16] = True
    both = [
        StatePoint(p.structure.replace(frozen=held), p.temperature) for p in points(small, temperatures=(10.0, 1000.0))
    ]
    cold, hot = run(small.potential, both, NVE(1.0), duration=1.0, every=1.0, key=jax.random.key(2))
    assert np.all(cold.velocities[0, 0, held] == 0)
    ratio = np.mean(hot.velocities[0, 0, ~held] ** 2) / np.mean(cold.velocities[0, 0, ~held] ** 2)
    assert 30 < ratio < 300


def test_one_file_for_all_goes_on_bit_for_bit(small, tmp_path):
    path, both = tmp_path / "both.h5", points(small)
    settings = {**SETTINGS, "replicas": 2}
    whole = run(small.potential, both, Langevin(4.0, 5.0), **settings)
    run(small.potential, both, Langevin(4.0, 5.0), out=path, **{**settings, "duration": 20.0})
    assert can_resume(path)
    resumed = run(small.potential, both, Langevin(4.0, 5.0), out=path, resume=True, **settings)
    for one, other in zip(whole, resumed, strict=True):
        for name in PER_FRAME:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    with h5py.File(path) as file:
        assert sorted(file["particles"]) == [f"replica_{number}" for number in range(4)]
        np.testing.assert_array_equal(file["particles/replica_2/position/value"][:], whole[1].positions[0])
    other = points(small, temperatures=(60.0, 141.0))
    with pytest.raises(CheckpointError, match=r"written with temperature 60\.0, 140\.0 \(now 60\.0, 141\.0\)"):
        run(small.potential, other, Langevin(4.0, 5.0), out=path, resume=True, **settings)


def test_what_cannot_stand_side_by_side_is_refused(small):
    crystal = small.argon(2)
    good = StatePoint(crystal, 100.0)
    heavier = StatePoint(crystal.replace(masses=crystal.masses * 2), 100.0)
    moving = StatePoint(crystal.replace(velocities=np.zeros_like(crystal.positions)), 100.0)
    for others in ([good, heavier], [good, StatePoint(small.argon(1), 100.0)], [good, moving]):
        with pytest.raises(SimulationError, match="State point 1 has other atoms than state point 0"):
            run(small.potential, others, Langevin(4.0), **SETTINGS)
    with pytest.raises(SimulationError, match="needs a state point"):
        run(small.potential, [], Langevin(4.0), **SETTINGS)
    with pytest.raises(SimulationError, match="needs a pressure of every state point"):
        run(small.potential, points(small, pressures=(1.0, None)), NPT(4.0), **SETTINGS)
    with pytest.raises(SimulationError, match="3 starts are given for 2 replicas"):
        run(small.potential, points(small), Langevin(4.0), starts=[crystal] * 3, **SETTINGS)


@pytest.mark.parametrize("sampler", [NVE("2 fs"), NoseHoover("2 fs")], ids=lambda one: type(one).__name__)
def test_replicas_of_a_structure_with_velocities_are_no_copies(sampler):
    structure = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2))
    moving = structure.replace(velocities=np.full(structure.positions.shape, 1e-3))
    at = StatePoint(moving, 50.0)
    found = run(LennardJones(0.0104, 3.4, 5.0), at, sampler, duration=8.0, every=4.0, replicas=2, key=jax.random.key(0))
    assert np.abs(found.velocities[0] - found.velocities[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("sampler", "kept"), [(NVE("2 fs"), False), (NoseHoover("2 fs"), False), (Langevin("2 fs"), True)]
)
def test_the_centre_of_mass_starts_at_rest_where_the_dynamics_would_keep_its_velocity(sampler, kept):
    structure = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2))
    velocities = 1e-3 * np.random.default_rng(0).normal(size=structure.positions.shape)
    drifting = structure.replace(velocities=velocities + [0.05, 0.0, 0.0])
    temperature = start_temperature(drifting, sampler, 50.0 if sampler.ensemble != "NVE" else None)
    at = StatePoint(drifting, temperature)
    found = run(LennardJones(0.0104, 3.4, 5.0), at, sampler, duration=2.0, every=2.0, key=jax.random.key(0))
    drift = found.velocities[0, -1].mean(0)
    assert (abs(drift[0]) > 0.04) == kept
    if not kept:
        np.testing.assert_allclose(drift, 0.0, atol=1e-7)
    if sampler.ensemble == "NVE":
        own = velocities - velocities.mean(0)
        expected = np.sum(structure.masses[:, None] * own**2) / ((3 * len(own) - 3) * BOLTZMANN)
        assert temperature == pytest.approx(expected, rel=1e-12)
        kinetic = found.kinetic_energies[0, -1]
        assert 2 * kinetic / (found.degrees_of_freedom * BOLTZMANN) == pytest.approx(expected, rel=0.1)
