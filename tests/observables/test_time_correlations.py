"""Diffusion and vibrations against Brownian motion, free flight and harmonic oscillators."""

import dataclasses

import numpy as np
import pytest

from mdfit.errors import ObservableError
from mdfit.observables import (
    DiffusionCoefficient,
    MeanSquareDisplacement,
    VelocityAutocorrelation,
    VibrationalDensityOfStates,
    estimate,
)
from mdfit.structure import Conditions

INTERVAL = 10.0  # fs between frames of the fixture


def brownian(known, diffusion, atoms=40, frames=2000, replicas=2, seed=0, **changes):
    """Random walks of ``diffusion`` in Å²/ps."""
    steps = np.random.default_rng(seed).standard_normal((replicas, frames, atoms, 3))
    return known.trajectory(np.cumsum(steps * np.sqrt(2 * diffusion * INTERVAL / 1000), axis=1), **changes)


def test_brownian_motion(known):
    run = brownian(known, diffusion=0.5)
    observable = MeanSquareDisplacement("1 ps", relative_to_centre_of_mass=False)
    found = estimate(observable, run)
    np.testing.assert_allclose(found.grid, np.arange(101) * INTERVAL)
    assert found.value[0] == pytest.approx(0, abs=1e-9)
    scores = (found.value[1:] - 6 * 0.5 * found.grid[1:] / 1000) / found.standard_error[1:]
    # 20 blocks: Student's t with 19 degrees of freedom exceeds 4.6 with probability 2e-4; lags are correlated.
    assert np.abs(scores).max() < 4.6
    coefficient = estimate(DiffusionCoefficient("0.1 ps", "1 ps", relative_to_centre_of_mass=False), run)
    assert abs(coefficient.value - 0.5) < 4.6 * coefficient.standard_error
    assert coefficient.standard_error < 0.03
    assert coefficient.unit == "Å^2/ps"


def test_fourier_displacement_equals_the_direct_sum(known):
    run = brownian(known, 2.0, atoms=3, frames=60, replicas=1, masses=np.array([1.0, 5.0, 20.0]))
    positions = run.positions[0] - np.average(run.positions[0], axis=1, weights=run.masses)[:, None]
    direct = [np.mean(np.sum((positions[lag:] - positions[: 60 - lag]) ** 2, axis=-1)) for lag in range(7)]
    np.testing.assert_allclose(MeanSquareDisplacement(60.0).of_trajectory(run), direct, rtol=1e-9, atol=1e-10)


def test_error_bar_of_the_diffusion_coefficient_is_honest(known):
    # 60 independent runs: the mean square z-score, sampled with relative error sqrt(2/60), within 4 of these of the
    # variance 13/11 of Student's t with 13 degrees of freedom (14 blocks), times up to 1.0.
    observable = DiffusionCoefficient("20 fs", "100 fs", relative_to_centre_of_mass=False)
    scores = []
    for seed in range(60):
        found = estimate(observable, brownian(known, 1.0, atoms=5, frames=22 * 14, replicas=2, seed=seed), blocks=7)
        scores.append((found.value - 1.0) / found.standard_error)
    assert np.mean(np.square(scores)) == pytest.approx(13 / 11, abs=4 * np.sqrt(2 / 60) * 13 / 11)


def test_free_flight_and_species(known):
    speeds = np.array([[1.0, 0, 0], [0, 2.0, 0]])  # Å/ps
    times = np.arange(400) * INTERVAL / 1000
    run = known.trajectory((times[:, None, None] * speeds)[None], species=np.array([1, 8], np.int32))
    for species, speed in (("H", 1.0), ("O", 2.0)):
        found = estimate(MeanSquareDisplacement("0.3 ps", species, relative_to_centre_of_mass=False), run)
        np.testing.assert_allclose(found.value, (speed * found.grid / 1000) ** 2, atol=1e-9)


def test_motion_of_the_whole_system_is_taken_out(known):
    drift = np.arange(400)[:, None, None] * np.ones((1, 3, 3)) * 0.1
    found = estimate(MeanSquareDisplacement("0.3 ps"), known.trajectory(drift[None]))
    np.testing.assert_allclose(found.value, 0, atol=1e-9)


def oscillators(known, frequencies, frames=4000, replicas=4, masses=(1.0, 16.0)):
    """Two atoms that oscillate at their frequencies (THz) with the same energy and random phases and directions."""
    random = np.random.default_rng(3)
    times = np.arange(frames) * INTERVAL * 1e-3
    phases = random.uniform(0, 2 * np.pi, (replicas, 1, 2, 3))
    angles = 2 * np.pi * times[None, :, None, None] * np.asarray(frequencies)[None, None, :, None] + phases
    velocities = np.sin(angles) / np.sqrt(np.asarray(masses))[:, None]
    species = np.array([1, 8], np.int32)
    return known.trajectory(np.zeros_like(velocities), None, velocities, species=species, masses=np.asarray(masses))


def test_velocity_autocorrelation_of_harmonic_oscillators(known):
    run = oscillators(known, (8.0, 3.0))
    for species, frequency in (("H", 8.0), ("O", 3.0)):
        found = estimate(VelocityAutocorrelation("0.5 ps", species), run)
        np.testing.assert_allclose(found.value, np.cos(2 * np.pi * frequency * found.grid / 1000), atol=0.01)
    both = estimate(VelocityAutocorrelation("0.5 ps"), run)
    cosines = [np.cos(2 * np.pi * frequency * both.grid / 1000) for frequency in (8.0, 3.0)]
    np.testing.assert_allclose(both.value, np.mean(cosines, axis=0), atol=0.01)


def test_vibrational_density_of_states_has_the_known_lines(known):
    found = estimate(VibrationalDensityOfStates("2 ps"), oscillators(known, (8.0, 3.0)))
    spacing = found.grid[1]
    assert found.grid[-1] == pytest.approx(50.0)  # 1/(2 × 10 fs)
    weights = np.full(len(found.grid), spacing)
    weights[[0, -1]] /= 2
    assert np.sum(weights * found.value) == pytest.approx(1, abs=1e-9)
    for frequency in (3.0, 8.0):
        near = np.abs(found.grid - frequency) < 1.5
        line = found.value * near
        assert found.grid[np.argmax(line)] == pytest.approx(frequency, abs=spacing)
        # Equal energies, so that the mass-weighted lines have half of the area each.
        assert np.sum(weights * line) == pytest.approx(0.5, abs=0.01)


def test_clear_errors(known):
    run = brownian(known, 1.0, atoms=2, frames=100, replicas=1)
    with pytest.raises(ObservableError, match=r"needs more than 200 frames, but the trajectory has 100"):
        estimate(MeanSquareDisplacement("2 ps"), run)
    with pytest.raises(ObservableError, match=r"needs 328 frames per replica for an error bar \(100 are there\)"):
        estimate(MeanSquareDisplacement("0.4 ps"), run)
    with pytest.raises(ObservableError, match=r"they are 10\.0 fs apart"):
        estimate(VelocityAutocorrelation("2 fs"), run)
    with pytest.raises(ObservableError, match="ensemble NVE or NVT, but the trajectory was made in NPT"):
        estimate(MeanSquareDisplacement("0.1 ps"), dataclasses.replace(run, conditions=Conditions("NPT", 300.0)))
    with pytest.raises(ObservableError, match="must lie between 0 and fit_to"):
        DiffusionCoefficient("2 ps", "1 ps")
