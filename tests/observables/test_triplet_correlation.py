"""Three-body correlation: ideal gas, a single triangle, a crystal, gradients and bad input."""

import dataclasses

import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ObservableError
from mdfit.observables import EquilateralTripletCorrelation, Snapshot, estimate, per_frame
from mdfit.observables.registry import observable_from


def test_ideal_gas_is_one(known):
    """In bins wide enough for many triangles; a false alarm at four standard errors: 1 in 2600."""
    gas = known.ideal_gas(atoms=100, frames=150, cell=np.eye(3) * 16.0)
    found = estimate(EquilateralTripletCorrelation(2.0, 5.0, 6, smearing=0.2, max_neighbours=50), gas)
    deviation = (found.value - 1) / found.standard_error
    assert np.abs(deviation).max() < 4
    assert found.standard_error.max() < 0.08


def test_a_single_triangle_is_a_gaussian_in_three_distances(known):
    """Six ordered triplets, each with a Gaussian at (3.0, 3.1, 3.3), against the formula written out."""
    sides = np.array([3.0, 3.1, 3.3])
    x = (sides[0] ** 2 + sides[1] ** 2 - sides[2] ** 2) / (2 * sides[0])
    places = np.array([[0, 0, 0], [sides[0], 0, 0], [x, np.sqrt(sides[1] ** 2 - x**2), 0]]) - 1.0
    cell = np.diag([20.0, 21.0, 22.0])
    g3 = EquilateralTripletCorrelation(2.0, 5.0, 30, smearing=0.15)
    value = per_frame(g3, known.trajectory(places[None, None], cell))[0, 0]
    gaussian = np.exp(-0.5 * np.sum((g3.grid[:, None] - sides) ** 2, axis=1) / 0.15**2) / (2 * np.pi * 0.15**2) ** 1.5
    expected = 6 * gaussian / (8 * np.pi**2 * g3.grid**3 * 3 * 2 * 1 / (20.0 * 21.0 * 22.0) ** 2)
    # The Gaussian is cut at five standard deviations of the mean side.
    np.testing.assert_allclose(value, expected, atol=1e-5 * expected.max())


def test_a_face_centred_crystal_has_its_triangles(known):
    """Every atom of a perfect crystal is in 24 triangles of nearest neighbours; the mean of the peak gives their number."""
    copper = ase.build.bulk("Cu", "fcc", 3.6, cubic=True)
    crystal = known.crystal(copper, (3, 3, 3), frames=1)
    nearest = 3.6 / np.sqrt(2)
    g3 = EquilateralTripletCorrelation(nearest - 0.5, nearest + 0.5, 200, smearing=0.1)
    value = per_frame(g3, crystal)[0, 0]
    number, volume = 108, (3 * 3.6) ** 3
    # ∫ exp(−3 (r − d)²/2σ²) dr over a normalised Gaussian in three dimensions.
    line = np.sum(value * 8 * np.pi**2 * g3.grid**3) * (1.0 / 200) * number * (number - 1) * (number - 2) / volume**2
    triplets = line * np.sqrt(3) * 2 * np.pi * 0.1**2
    assert triplets / number == pytest.approx(2 * 24, rel=1e-3)


def test_species(known):
    random = np.random.default_rng(0)
    positions = random.random((1, 3, 30, 3)) * 16
    species = np.where(np.arange(30) % 3 == 0, 8, 1).astype(np.int32)
    both = known.trajectory(positions, np.eye(3) * 16, species=species)
    oxygen = known.trajectory(positions[:, :, ::3], np.eye(3) * 16)
    of_species = per_frame(EquilateralTripletCorrelation(bins=5, species="O"), both)
    np.testing.assert_allclose(of_species, per_frame(EquilateralTripletCorrelation(bins=5), oxygen), rtol=1e-9)


def test_gradients(known):
    positions = np.random.default_rng(4).random((1, 1, 12, 3)) * 12
    trajectory = known.trajectory(positions, np.eye(3) * 14)
    g3 = EquilateralTripletCorrelation(2.0, 5.0, 6)
    snapshot = Snapshot.of(trajectory)
    weights = np.linspace(-1, 1, 6)

    @jax.jit
    def value(places):
        return jnp.sum(weights * g3.per_snapshot(dataclasses.replace(snapshot, positions=places)))

    direction = np.random.default_rng(5).standard_normal((12, 3))
    step = 1e-6
    places = jnp.asarray(positions[0, 0])
    expected = (value(places + step * direction) - value(places - step * direction)) / (2 * step)
    assert float(jnp.sum(jax.jit(jax.grad(value))(places) * direction)) == pytest.approx(float(expected), rel=1e-4)


def test_named_in_files():
    found = observable_from({"EquilateralTripletCorrelation": {"maximum": "0.6 nm", "species": "O"}})
    assert found == EquilateralTripletCorrelation(2.0, 6.0, species=8)


def test_bad_input_is_refused_with_the_reason(known):
    with pytest.raises(ObservableError, match="minimum < maximum"):
        EquilateralTripletCorrelation(5.0, 2.0)
    with pytest.raises(ObservableError, match="must be positive"):
        EquilateralTripletCorrelation(smearing=0.0)
    gas = known.ideal_gas(atoms=40, frames=10, cell=np.eye(3) * 9.0)
    with pytest.raises(ObservableError, match="nearest images are complete only up to 4"):
        estimate(EquilateralTripletCorrelation(), gas)
    dense = known.ideal_gas(atoms=40, frames=10, cell=np.eye(3) * 13.0)
    with pytest.raises(ObservableError, match="more than 5 neighbours in reach, raise max_neighbours"):
        estimate(EquilateralTripletCorrelation(max_neighbours=5), dense)
    with pytest.raises(ObservableError, match="at least three atoms"):
        estimate(EquilateralTripletCorrelation(), known.ideal_gas(atoms=2, frames=10))
