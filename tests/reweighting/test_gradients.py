"""The derivative of a reweighted average is the derivative of the ensemble average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.reweighting import average, log_weights

KT, STIFFNESS, DEGREES, SAMPLES = 0.7, 2.0, 10, 200_000
#: Samples are cut into as many parts, whose scatter gives the standard error of a derivative.
PARTS = 50


@pytest.fixture(scope="module")
def squares():
    """Σ x² over the degrees of freedom of exact samples, in parts."""
    positions = np.random.default_rng(0).normal(size=(PARTS, SAMPLES // PARTS, DEGREES)) * np.sqrt(KT / STIFFNESS)
    return jnp.asarray(np.sum(positions**2, axis=-1))


def energy(stiffness, squares):
    return 0.5 * stiffness * squares


def logarithms(stiffness, squares):
    return log_weights((energy(stiffness, squares) - energy(STIFFNESS, squares)) / KT)


def derivative(mean, squares):
    """Of ``mean(stiffness, squares)`` at the stiffness of the samples, and its standard error."""
    found = np.asarray(jax.jit(jax.vmap(jax.grad(mean), in_axes=(None, 0)))(STIFFNESS, squares))
    return found.mean(), found.std(ddof=1) / np.sqrt(PARTS)


def test_mean_square_displacement(squares):
    found, error = derivative(lambda k, s: average(logarithms(k, s), s / DEGREES), squares)
    exact = -KT / STIFFNESS**2
    assert error < 0.02 * abs(exact)
    assert abs(found - exact) < 3 * error


def test_values_that_depend_on_the_parameters(squares):
    # <U> = f kT/2 whatever the stiffness: the explicit derivative <∂U/∂k> cancels that of the weights.
    found, error = derivative(lambda k, s: average(logarithms(k, s), energy(k, s)), squares)
    explicit = DEGREES * KT / (2 * STIFFNESS)
    assert error < 0.02 * explicit
    assert abs(found) < 3 * error
    incomplete, _ = derivative(lambda k, s: average(logarithms(k, s), energy(STIFFNESS, s)), squares)
    assert abs(incomplete + explicit) < 0.1 * explicit


@pytest.mark.parametrize("stiffness", [STIFFNESS, 1.02 * STIFFNESS])
def test_finite_difference_of_the_loss(squares, stiffness):
    samples = squares[0]

    def loss(k):
        weights = logarithms(k, samples)
        return (average(weights, samples) - 3.0) ** 2 + (average(weights, energy(k, samples)) - 2.0) ** 2

    step = 1e-5
    numerical = (loss(stiffness + step) - loss(stiffness - step)) / (2 * step)
    assert float(jax.grad(loss)(stiffness)) == pytest.approx(float(numerical), rel=1e-6)
