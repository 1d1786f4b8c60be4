"""Several ensembles at once, against harmonic oscillators, whose free energies and averages are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ReweightingError
from mdfit.reweighting import bennett, multistate

STIFFNESS = np.asarray([1.0, 2.0, 5.0])
COUNTS = (400, 300, 500)


def energies(x, stiffness=STIFFNESS):
    return 0.5 * np.asarray(stiffness)[:, None] * x**2


def sampled(seed=0, counts=COUNTS, stiffness=STIFFNESS):
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(0, k**-0.5, n) for k, n in zip(stiffness, counts, strict=True)])


def repeated(of, runs=400):
    """Values and their variances, as each run finds them, over independent runs."""
    values, variances = zip(*(of(sampled(seed)) for seed in range(runs)), strict=True)
    return np.asarray(values), np.asarray(variances)


def test_free_energies_and_their_errors():
    """f = ln(k)/2; over 400 runs the mean within 5 standard errors, and the errors within 15 % of the scatter."""
    found = [multistate(energies(sampled(seed)), COUNTS) for seed in range(400)]
    free = np.asarray([one.free_energies for one in found])
    errors = np.asarray([one.standard_errors() for one in found])
    expected = 0.5 * np.log(STIFFNESS / STIFFNESS[0])
    scatter = free.std(axis=0)
    np.testing.assert_array_less(np.abs(free.mean(axis=0) - expected)[1:], 5 * scatter[1:] / 20)
    np.testing.assert_allclose(errors.mean(axis=0)[1:], scatter[1:], rtol=0.15)
    assert (errors[:, 0] == 0).all()


def test_averages_of_an_ensemble_in_between_and_their_errors():
    """<x²> = 1/k of an ensemble that was not sampled; mean and error as above."""

    def of(x):
        mixture = multistate(energies(x), COUNTS)
        weights = mixture.log_weights(energies(x, [3.0])[0])
        return float(jnp.exp(weights) @ x**2), float(jnp.sum(mixture.effects(weights, x**2) ** 2))

    values, variances = repeated(of)
    assert abs(values.mean() - 1 / 3) < 5 * values.std() / 20
    assert np.sqrt(variances.mean()) == pytest.approx(values.std(), rel=0.15)


def test_samples_of_several_ensembles_lose_nothing():
    """Free energies of targets are those of the fit, and an ensemble has its own samples at least."""

    def of(x):
        mixture = multistate(energies(x), COUNTS)
        weights = mixture.log_weights(energies(x)[2])
        return float(mixture.free_energy(energies(x)[2])), float(jnp.exp(-jax.nn.logsumexp(2 * weights)))

    values, sizes = repeated(of, 5)
    assert np.abs(values - 0.5 * np.log(5)).max() < 0.2
    # The ensemble's own samples, at least.
    assert sizes.min() > COUNTS[2]


def test_two_ensembles_are_bennetts():
    x = sampled(1, (400, 300), (1.0, 2.0))
    u = energies(x, (1.0, 2.0))
    mixture = multistate(u, (400, 300))
    change = u[1] - u[0]
    assert float(mixture.free_energies[1]) == pytest.approx(
        float(bennett(change[:400], change[400:]).difference), abs=1e-9
    )


def test_constants_of_ensembles_and_of_samples():
    x = sampled()
    shifted = energies(x) + np.asarray([[0.0], [2000.0], [-3000.0]]) + 1e4 * np.cos(x)
    found = multistate(shifted, COUNTS).free_energies - jnp.asarray([0.0, 2000.0, -3000.0])
    np.testing.assert_allclose(found, multistate(energies(x), COUNTS).free_energies, atol=1e-6)


def test_ensembles_without_common_samples_keep_their_own():
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(0, 1, 300), random.normal(100, 1, 300)])
    u = np.stack([0.5 * x**2, 0.5 * (x - 100) ** 2])
    mixture = multistate(u, (300, 300))
    weights = mixture.log_weights(u[0])
    assert float(jnp.exp(weights) @ x) == pytest.approx(x[:300].mean(), abs=1e-9)
    variance = float(jnp.sum(mixture.effects(weights, x) ** 2))
    assert variance == pytest.approx(x[:300].var() / 300, rel=1e-6)


def test_derivatives_of_averages():
    x = jnp.asarray(sampled())
    mixture = multistate(energies(np.asarray(x)), COUNTS)

    def average(k):
        return jnp.exp(mixture.log_weights(0.5 * k * x**2)) @ x**2

    assert float(jax.grad(average)(3.0)) == pytest.approx(
        (float(average(3.001)) - float(average(2.999))) / 0.002, rel=1e-5
    )


@pytest.mark.parametrize(
    ("reduced", "counts", "words"),
    [
        (np.zeros((2, 5)), (2, 2), "do not fit the numbers of samples"),
        (np.zeros(5), (5,), "do not fit"),
        (np.zeros((2, 5)), (5, 0), "Ensemble 1 has no samples"),
        (np.full((1, 3), np.nan), (3,), "not finite"),
    ],
)
def test_input_that_makes_no_sense(reduced, counts, words):
    with pytest.raises(ReweightingError, match=words):
        multistate(reduced, counts)
