"""Intervals, coverage, calibration and convergence against numbers that are known."""

import numpy as np
import pytest
from scipy import stats

from mdfit.errors import ObservableError
from mdfit.uncertainty import Coverage, convergence, credible_interval, prediction_factor, reliability, variance_scale


def test_the_factor_of_eight_models():
    assert prediction_factor(8) == pytest.approx(2.51, abs=0.005)
    assert prediction_factor(10**6) == pytest.approx(1.96, abs=0.001)


@pytest.mark.parametrize("models", [2, 4, 8, 40, 150])
def test_intervals_hold_the_next_draw(models):
    """Of 4000 repetitions 95 % must: more than 5 standard deviations away is one false alarm in a million."""
    random = np.random.default_rng(models)
    values = random.standard_normal((models, 4000))
    held = credible_interval(values).holds(random.standard_normal(4000)).mean()
    # Quantiles of 150 samples are a little too narrow for the next one.
    assert held == pytest.approx(0.95, abs=5 * np.sqrt(0.05 * 0.95 / 4000) + (0.015 if models > 100 else 0))


def test_statistical_errors_are_taken_out_of_the_spread():
    random = np.random.default_rng(0)
    truth, noise = random.normal(0, 1.0, (8, 2000)), 0.8
    values = truth + noise * random.standard_normal(truth.shape)
    interval = credible_interval(values, standard_errors=np.full(values.shape, noise))
    assert np.sqrt(np.mean(interval.spread**2)) == pytest.approx(1.0, abs=0.05)
    assert (credible_interval(values, standard_errors=np.full(values.shape, 9.0)).spread == 0).all()


def test_weights_count():
    values = np.arange(300.0)
    weights = np.where(values < 200, 1.0, 0.0)
    weighted, plain = credible_interval(values, weights=weights), credible_interval(values[:200])
    assert weighted.mean == pytest.approx(plain.mean)
    assert (weighted.low, weighted.high) == (pytest.approx(plain.low, abs=1.5), pytest.approx(plain.high, abs=1.5))
    for wrong in (np.ones(3), -np.ones(300), np.zeros(300)):
        with pytest.raises(ObservableError, match="weights of 300 models"):
            credible_interval(values, weights=wrong)


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        ([1.0], {}, "two models or more"),
        ([1.0, np.nan, np.inf], {}, r"models \[1, 2\] are not finite"),
        ([1.0, 2.0], {"level": 1.0}, "between 0 and 1"),
        ([1.0, 2.0], {"weights": [1.0, 0.0]}, "one model only"),
    ],
)
def test_bad_input(values, settings, words):
    with pytest.raises(ObservableError, match=words):
        credible_interval(values, **settings)


def test_coverage_has_a_binomial_interval():
    low, high = Coverage(13, 16).interval()
    assert stats.binom.sf(12, 16, low) == pytest.approx(0.025, abs=1e-6)
    assert stats.binom.cdf(13, 16, high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("members", [4, 8, 30])
def test_rescaled_variances_have_the_size_of_the_errors(members):
    """Members scatter half as much as the truth: α is 2 whatever their number, to 5 standard errors of 200,000 data."""
    random = np.random.default_rng(members)
    sigma = random.uniform(0.5, 2.0, 200_000)
    truth = 2 * sigma * random.standard_normal(len(sigma))
    drawn = sigma * random.standard_normal((members, len(sigma)))
    alpha = variance_scale(truth - drawn.mean(axis=0), drawn.std(axis=0, ddof=1), members)
    assert alpha == pytest.approx(2.0, rel=0.1 if members == 4 else 0.02)
    with pytest.raises(ObservableError, match="at least four"):
        variance_scale(truth, sigma, 3)


def test_reliability_of_calibrated_errors():
    random = np.random.default_rng(1)
    predicted = random.uniform(0.2, 2.0, 20_000)
    found = reliability(predicted * random.standard_normal(20_000), predicted)
    assert found.z_score_deviation == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(found.held, found.levels, atol=0.02)
    np.testing.assert_allclose(found.found, found.predicted, rtol=0.1)
    assert found.spearman > 0.3
    overconfident = reliability(3 * predicted * random.standard_normal(20_000), predicted)
    assert (overconfident.held < overconfident.levels).all()
    for wrong in (predicted[:-1], np.zeros(20_000)):
        with pytest.raises(ObservableError, match=r"do not belong|is zero or not a number"):
            reliability(predicted, wrong)


def test_convergence_of_chains():
    random = np.random.default_rng(2)
    together = random.standard_normal((4, 200, 3))
    found = convergence(together)
    assert found.r_hat.shape == (3,)
    assert found.r_hat.max() < 1.02
    assert (found.effective > 400).all()
    assert not found.warnings
    apart = convergence(together + np.arange(4)[:, None, None])
    assert any("chains disagree" in warning for warning in apart.warnings)
    assert any("a single chain does not tell" in warning for warning in convergence(together[:1]).warnings)
    slow = convergence(np.cumsum(random.standard_normal((2, 10)), axis=1))
    assert any("independent samples" in warning for warning in slow.warnings)
    with pytest.raises(ObservableError, match="at least four samples"):
        convergence(together[:, :3])


def test_numbers_that_stand_still_hide_no_others():
    random = np.random.default_rng(0)
    values = np.stack([random.normal(size=(2, 100)) + [[0.0], [5.0]], np.ones((2, 100))], axis=-1)
    found = convergence(values)
    assert np.isnan(found.r_hat[1])
    assert found.effective[1] == 0
    assert "1 of 2 numbers are the same in all samples" in found.warnings[0]
    assert "chains disagree" in found.warnings[1]
    still = convergence(np.ones((2, 100)))
    assert len(still.warnings) == 1
    assert "stand still" in still.warnings[0]
    values[1, 7, 0] = np.nan
    with pytest.raises(ObservableError, match="Sample 7 of chain 1 says a number that is not finite"):
        convergence(values)


def test_weights_are_finite():
    with pytest.raises(ObservableError, match="as many finite numbers"):
        credible_interval(np.arange(3.0), weights=np.array([1, np.inf, 1]))
