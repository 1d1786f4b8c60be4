"""Densities of collective variables and free energies, against analytic ones."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.stats import norm, vonmises

from mdfit.errors import ObservableError, UnitError
from mdfit.observables import (
    Coordinate,
    Dihedral,
    Distance,
    Distribution,
    FreeEnergyProfile,
    JointDistribution,
    Snapshot,
    estimate,
    per_frame,
)
from mdfit.observables.registry import observable_from
from mdfit.units import BOLTZMANN


def on_a_line(known, x, **changes):
    """Frames of particles at ``x`` (frames, particles) Å on the first axis, without a cell."""
    positions = np.zeros((1, *x.shape, 3))
    positions[0, ..., 0] = x
    return known.trajectory(positions, periodic=np.zeros(3, bool), **changes)


def with_dihedral(known, angles):
    """Frames of one molecule of four atoms with these dihedral angles."""
    molecule = np.tile([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]], (len(angles), 1, 1))
    molecule[:, 3, :2] = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return known.trajectory(molecule[None])


def shuffled_quantiles(distribution, frames, particles, seed=0):
    probabilities = (np.arange(frames * particles) + 0.5) / (frames * particles)
    return np.random.default_rng(seed).permutation(distribution.ppf(probabilities)).reshape(frames, particles)


def test_density_of_particles_in_a_double_well(known):
    """Independent particles in U/kT = 2500 (x − 0.5)⁶ − 10 (x − 0.55)², seen with a Gaussian of 0.01 on 101 points."""
    fine = np.linspace(-0.2, 1.2, 140_001)
    boltzmann = np.exp(-2500 * (fine - 0.5) ** 6 + 10 * (fine - 0.55) ** 2)
    cumulative = np.cumsum(boltzmann) / np.sum(boltzmann)
    probabilities = (np.arange(40 * 2000) + 0.5) / (40 * 2000)
    x = np.random.default_rng(0).permutation(np.interp(probabilities, cumulative, fine)).reshape(40, 2000)
    density = Distribution(Coordinate(0), -0.005, 1.005, bins=101, smearing=0.01)
    np.testing.assert_allclose(density.grid, np.linspace(0, 1, 101), atol=1e-12)
    exact = boltzmann / np.trapezoid(boltzmann, fine)
    smeared = [np.trapezoid(exact * norm.pdf(fine, at, 0.01), fine) for at in density.grid]
    found = estimate(density, on_a_line(known, x))
    np.testing.assert_allclose(found.value, smeared, atol=2e-3)
    assert max(smeared) == pytest.approx(2.33, abs=0.02)
    assert found.unit == "1/Å"


def test_plain_histogram_counts_what_is_in_its_range(known):
    x = np.array([[0.1, 0.15, 0.9, 2.0], [0.95, 0.3, 0.3, -1.0]])
    values = per_frame(Distribution(Coordinate(0), 0, 1, bins=2), on_a_line(known, x))[0]
    np.testing.assert_allclose(values * 0.5, [[0.5, 0.25], [0.5, 0.25]])


@pytest.mark.parametrize("smearing", [None, "10 deg"])
def test_dihedral_angles_close_to_a_ring(known, smearing):
    # A distribution around ±π; smearing by σ multiplies its Fourier components by exp(−n²σ²/2).
    kappa, centre = 3.0, 3.0
    angles = shuffled_quantiles(vonmises(kappa), 2000, 1)[:, 0] + centre
    density = Distribution(Dihedral(0, 1, 2, 3), bins=60, smearing=smearing)
    assert density.periodic
    found = estimate(density, with_dihedral(known, angles)).value
    assert found.sum() * density.bin_width == pytest.approx(1)
    damping = 1.0 if smearing is None else np.exp(-0.5 * np.radians(10) ** 2)
    first = np.sum(found * np.exp(1j * density.grid)) * density.bin_width
    mean_cosine = np.mean(np.cos(angles - centre))
    assert abs(first - mean_cosine * damping * np.exp(1j * centre)) < 1e-3


def test_part_of_the_range_of_a_dihedral_angle(known):
    around_pi = Distribution(Dihedral(0, 1, 2, 3), "90 deg", "270 deg", bins=2)
    assert not around_pi.periodic
    found = per_frame(around_pi, with_dihedral(known, np.array([np.pi - 0.1, -np.pi + 0.1, 0.0])))[0]
    np.testing.assert_allclose(found * around_pi.bin_width, [[1, 0], [0, 1], [0, 0]], atol=1e-12)


def test_smeared_density_is_differentiable(known):
    snapshot = Snapshot.of(on_a_line(known, np.array([[0.21, 0.56, 0.93]])))
    density = Distribution(Coordinate(0), 0, 1, bins=20, smearing=0.07, periodic=True)

    def value(shift):
        return density.per_snapshot(dataclasses.replace(snapshot, positions=snapshot.positions + shift))

    expected = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jacfwd(value)(0.0), expected, rtol=1e-5, atol=1e-6)


def test_free_energy_of_a_harmonic_well(known):
    temperature, stiffness = 400.0, 0.5
    spread = np.sqrt(BOLTZMANN * temperature / stiffness)
    run = on_a_line(known, shuffled_quantiles(norm(0, spread), 100, 2000), temperature=temperature)
    profile = FreeEnergyProfile(Distribution(Coordinate(0), -5 * spread, 5 * spread, bins=101))
    found = estimate(profile, run)
    visited = np.abs(profile.grid) < 3 * spread
    np.testing.assert_allclose(found.value[visited], 0.5 * stiffness * profile.grid[visited] ** 2, atol=2e-3)
    assert np.nanmin(found.value) == 0
    # Nothing is known of where no particle was.
    assert np.isnan(found.value[[0, -1]]).all()
    assert np.isnan(found.standard_error[[0, -1]]).all()
    assert (found.standard_error[visited] > 0).sum() >= visited.sum() - 1
    assert "101 values from" in str(found)
    assert "nan" not in str(found)
    absolute = estimate(dataclasses.replace(profile, zero="density"), run).value
    assert absolute[50] == pytest.approx(0.5 * BOLTZMANN * temperature * np.log(2 * np.pi * spread**2), abs=1e-3)


def test_two_variables(known):
    random = np.random.default_rng(5)
    positions = np.zeros((1, 50, 400, 3))
    positions[0, ..., 0] = random.standard_normal((50, 400))
    positions[0, ..., 1] = positions[0, ..., 0] + 0.5 * random.standard_normal((50, 400))
    run = known.trajectory(positions, periodic=np.zeros(3, bool))
    x, y = (Distribution(Coordinate(axis), -4, 4, bins=8) for axis in (0, 1))
    joint = estimate(JointDistribution(x, y), run)
    expected, _, _ = np.histogram2d(
        positions[..., 0].ravel(), positions[..., 1].ravel(), 8, [[-4, 4]] * 2, density=False
    )
    np.testing.assert_allclose(joint.value, expected / 20_000, atol=1e-12)
    np.testing.assert_allclose(joint.value.sum(axis=1), estimate(x, run).value, atol=1e-3)
    assert joint.unit == "1/Å^2"
    assert "8 × 8 values, largest" in str(joint)
    profile = estimate(FreeEnergyProfile(JointDistribution(x, y)), run)
    assert profile.value.shape == (8, 8)
    occupied = expected > 0
    energies = -BOLTZMANN * 300 * np.log(expected[occupied] / expected.max())
    np.testing.assert_allclose(profile.value[occupied], energies, atol=1e-9)
    assert np.isnan(profile.value[~occupied]).all()


def test_from_a_document(known):
    made = observable_from(
        {
            "FreeEnergyProfile": {
                "distribution": {
                    "Distribution": {"collective_variable": {"Dihedral": {"i": 0, "j": 1, "k": 2, "l": [3]}}}
                }
            }
        }
    )
    assert made == FreeEnergyProfile(Distribution(Dihedral(0, 1, 2, 3)))
    assert observable_from("Pressure").name == "Pressure"
    with pytest.raises(ObservableError, match="no part of an observable 'Dihedrall': did you mean 'Dihedral'"):
        observable_from({"Distribution": {"collective_variable": {"Dihedrall": {}}}})


def test_mistakes(known):
    with pytest.raises(ObservableError, match="Distance 0-1 needs a minimum, since any value is possible"):
        Distribution(Distance(0, 1))
    with pytest.raises(ObservableError, match=r"must span its period of 6.28319 rad, but spans 3.14159"):
        Distribution(Dihedral(0, 1, 2, 3), 0, np.pi, periodic=True)
    with pytest.raises(ObservableError, match="maximum > minimum"):
        Distribution(Coordinate(0), 1, 0)
    with pytest.raises(ObservableError, match="positive smearing"):
        Distribution(Coordinate(0), 0, 1, smearing=0)
    with pytest.raises(UnitError, match="a length is needed"):
        Distribution(Coordinate(0), "0 eV", 1)
    with pytest.raises(ObservableError, match="collective variable, such as Coordinate"):
        Distribution("x", 0, 1)
    with pytest.raises(ObservableError, match="of two distributions"):
        JointDistribution(Coordinate(0), Coordinate(1))
    with pytest.raises(ObservableError, match="of a distribution"):
        FreeEnergyProfile(Coordinate(0))
    with pytest.raises(ObservableError, match="'minimum' or 'density'"):
        FreeEnergyProfile(Distribution(Coordinate(0), 0, 1), zero="none")
    uneven = JointDistribution(Distribution(Coordinate(0, 1), 0, 1), Distribution(Coordinate(0), 0, 1))
    with pytest.raises(ObservableError, match="pairs 1 values with 4"):
        per_frame(uneven, known.trajectory(np.zeros((1, 2, 4, 3))))
