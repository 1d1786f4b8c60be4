"""Effective numbers of samples against closed forms, and error bars against repeated sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mdfit.errors import ReweightingError
from mdfit.reweighting import average_with_error, effective_samples, effective_size, kish_effective_size, log_weights


def gaussian(samples, deviation):
    """Quantiles of the normal distribution: samples without statistical noise."""
    return deviation * stats.norm.ppf((np.arange(samples) + 0.5) / samples)


@pytest.mark.parametrize("deviation", [0.1, 0.4, 0.7])
def test_gaussian_changes(deviation):
    logarithms = log_weights(gaussian(100_000, deviation))
    assert float(effective_size(logarithms)) == pytest.approx(1e5 * np.exp(-(deviation**2) / 2), rel=2e-3)
    assert float(kish_effective_size(logarithms)) == pytest.approx(1e5 * np.exp(-(deviation**2)), rel=2e-3)


@pytest.mark.parametrize("size", [effective_size, kish_effective_size])
def test_limits(size):
    assert float(size(log_weights(np.full(17, 3.0)))) == pytest.approx(17)
    assert float(size(log_weights(np.array([0.0, 1e4, 1e300, np.inf])))) == pytest.approx(1)
    assert float(size(log_weights(np.array([0.0, 0.0, np.inf])))) == pytest.approx(2)
    assert np.isnan(size(log_weights(np.array([0.0, np.nan]))))


@pytest.mark.parametrize("size", [effective_size, kish_effective_size])
def test_derivatives(size):
    change = jnp.asarray(np.random.default_rng(0).normal(size=50))

    def at(scale):
        return size(log_weights(scale * change))

    step = 1e-5
    numerical = (at(0.7 + step) - at(0.7 - step)) / (2 * step)
    assert float(jax.jit(jax.grad(at))(0.7)) == pytest.approx(float(numerical), rel=1e-8)
    assert np.isfinite(jax.grad(lambda c: size(log_weights(c)))(jnp.array([0.0, 1.0, 900.0, jnp.inf]))).all()


def test_kish_is_the_smaller_one():
    for seed in range(20):
        logarithms = log_weights(np.random.default_rng(seed).normal(size=30) * seed / 5)
        assert 1 - 1e-12 < kish_effective_size(logarithms) <= effective_size(logarithms) * (1 + 1e-12)


def test_correlations_lower_the_effective_number(autoregressive):
    change = 0.4 * autoregressive(0.5, (4, 20_000), seed=1)
    slow = autoregressive(0.9, (4, 2, 20_000), seed=2).transpose(0, 2, 1)
    alone, both = effective_samples(change), effective_samples(change, slow)
    # The inefficiencies (1 + memory)/(1 − memory) have relative errors of 2 % and 5 %.
    assert alone.statistical_inefficiency == pytest.approx(3.0, rel=0.08)
    assert both.statistical_inefficiency == pytest.approx(19.0, rel=0.2)
    assert alone.of_weights == pytest.approx(80_000 * np.exp(-0.08), rel=0.01)
    assert both.samples == both.of_weights / both.statistical_inefficiency


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_error_bars_of_reweighted_averages(memory, autoregressive):
    # x has the density of a unit Gaussian and is reweighted by Δu = x/2, so that <x> = −1/2.  400 independent runs:
    # z-scores have unit variance within 4 of its standard errors, sqrt(2/400), plus 5 % of finite-sample
    # bias (Kish's number of 2000 exp(−1/4)/9 samples); their mean is zero within 4/sqrt(400).
    runs = autoregressive(memory, (400, 1, 2000), seed=3)
    found = [average_with_error(0.5 * run, run) for run in runs]
    scores = np.array([(mean + 0.5) / error for mean, error in found])
    assert abs(np.mean(scores**2) - 1) < 4 * np.sqrt(2 / 400) + 0.05
    assert abs(np.mean(scores)) < 4 / np.sqrt(400)


def test_bad_input():
    with pytest.raises(ReweightingError, match=r"a single trajectory is change\[None\]"):
        effective_samples(np.zeros(10))
    with pytest.raises(ReweightingError, match="evaluate both on the same frames"):
        effective_samples(np.zeros((1, 10)), np.zeros((1, 9)))
    with pytest.raises(ReweightingError, match="change of the reduced energy of 1 of 3"):
        effective_samples(np.array([[0.0, np.inf, 1.0]]))
