"""Weights against distributions whose averages are known in every ensemble."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ReweightingError, UnitError
from mdfit.reweighting import (
    average,
    average_with_error,
    log_weights,
    reduced_energy,
    require_finite,
    thermal_energy,
)
from mdfit.units import BAR, BOLTZMANN

KELVIN = 300.0


def test_weights_are_the_ratio_of_boltzmann_factors():
    change = np.array([0.3, -1.0, 2.0])
    expected = np.exp(-change) / np.exp(-change).sum()
    np.testing.assert_allclose(np.exp(log_weights(change)), expected, rtol=1e-14)
    np.testing.assert_allclose(log_weights(change + 1e6), log_weights(change), atol=1e-9)
    assert log_weights(change.astype(np.float32)).dtype == jnp.float64


def test_another_temperature():
    # Harmonic oscillators: <x²> = kT/k.  Four standard errors: false alarm 6e-5.
    stiffness = 2.0
    positions = np.random.default_rng(0).normal(size=200_000) * np.sqrt(BOLTZMANN * KELVIN / stiffness)
    energy = 0.5 * stiffness * positions**2
    change = reduced_energy(energy, "330 K") - reduced_energy(energy, KELVIN)
    mean, error = average_with_error(np.asarray(change)[None], positions[None] ** 2)
    assert error < 0.01 * mean
    assert abs(mean - BOLTZMANN * 330 / stiffness) < 4 * error
    assert abs(np.mean(positions**2) - BOLTZMANN * 330 / stiffness) > 8 * error


def test_another_pressure_and_temperature():
    # The volume of an ideal gas has the density V^N exp(−pV/kT): <V> = (N + 1) kT/p.
    atoms, old, new = 20, 1000.0, 1100.0
    volumes = np.random.default_rng(1).gamma(atoms + 1, BOLTZMANN * KELVIN / (BAR * old), size=200_000)
    before = reduced_energy(np.zeros_like(volumes), KELVIN, old, volumes)
    change = reduced_energy(np.zeros_like(volumes), 310.0, "110 MPa", volumes) - before
    mean, error = average_with_error(np.asarray(change)[None], volumes[None])
    assert error < 0.01 * mean
    assert abs(mean - (atoms + 1) * BOLTZMANN * 310.0 / (BAR * new)) < 4 * error


def test_thermal_energy():
    assert float(thermal_energy("26.85 °C")) == pytest.approx(0.025852, rel=1e-4)
    with pytest.raises(ReweightingError, match="must be positive, but is -3"):
        thermal_energy(-3.0)
    with pytest.raises(UnitError, match="temperature"):
        thermal_energy("1 bar")


def test_huge_and_forbidden_changes_have_finite_derivatives():
    def mean(scale, change, values):
        return average(log_weights(scale * change), values)

    values = np.array([1.0, 2.0, 4.0, 8.0])
    change = np.array([0.0, 0.5, 1e300, 4e3])
    gradient = jax.jit(jax.grad(mean))(1.0, change, values)
    weight = 1 / (1 + np.exp(0.5))  # Only the first two states count; d w₂/d scale = −0.5 w₁ w₂.
    assert float(gradient) == pytest.approx(-0.5 * weight * (1 - weight), rel=1e-12)
    forbidden = jnp.array([0.0, 0.5, jnp.inf, 1.0])
    logarithms, derivative = log_weights(forbidden), jax.jacobian(lambda c: average(log_weights(c), values))(forbidden)
    assert np.exp(logarithms[2]) == 0
    assert derivative[2] == 0
    assert np.isfinite(derivative).all()
    assert np.isnan(log_weights(np.array([0.0, np.nan]))).all()


def test_many_ensembles_at_once():
    change = np.random.default_rng(2).normal(size=(5, 40))
    values = np.random.default_rng(3).normal(size=(40, 3, 2))
    together = jax.jit(jax.vmap(lambda c: average(log_weights(c), values)))(change)
    assert together.shape == (5, 3, 2)
    weights = np.exp(-change[4]) / np.exp(-change[4]).sum()
    np.testing.assert_allclose(together[4], np.einsum("i,ijk", weights, values), rtol=1e-12)


def test_bad_input():
    with pytest.raises(ReweightingError, match=r"shape \(2, 3\); join replicas"):
        log_weights(np.zeros((2, 3)))
    with pytest.raises(ReweightingError, match="one reduced energy per sample"):
        log_weights(np.zeros(0))
    with pytest.raises(ReweightingError, match="give both"):
        reduced_energy(np.zeros(3), KELVIN, pressure=1.0)


def test_numbers_that_are_not_finite_are_named():
    energies = np.zeros((2, 5))
    assert require_finite(energies).dtype == np.float64
    energies[1, 3] = np.nan
    with pytest.raises(
        ReweightingError, match=r"energy of 1 of 10 samples is not finite \(the first is nan at index 1, 3"
    ):
        require_finite(energies, "energy")
    with pytest.raises(ReweightingError, match="There is no energy"):
        require_finite([], "energy")
