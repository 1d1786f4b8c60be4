"""Free energies of harmonic oscillators, which are known exactly, and pymbar as a second opinion.

d oscillators of stiffness k have f = d/2 ln k + constant, and Σ x² k follows the chi-square distribution of d degrees of
freedom.  Statistical tests repeat the whole estimate and allow four standard errors: with fresh seeds each comparison of
a mean or a mean square would fail once in 16,000 times.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ReweightingError
from mdfit.reweighting import bennett, exponential_average, log_weights


def summary(result):
    return result.difference, result.standard_error, result.overlap


def repeated(estimate, *samples):
    """Differences, errors and overlaps of many repetitions."""
    return [np.asarray(part) for part in jax.jit(jax.vmap(lambda *s: summary(estimate(*s))))(*samples)]


@pytest.mark.parametrize("numbers", [(200, 200), (300, 60)])
def test_bennett_value_and_error(squares, check_scores, numbers):
    degrees, stiffness, repetitions = 3, 2.0, 400
    first = 0.5 * (stiffness - 1) * squares(1.0, degrees, (repetitions, numbers[0]), seed=0)
    second = 0.5 * (stiffness - 1) * squares(stiffness, degrees, (repetitions, numbers[1]), seed=1)
    difference, error, _ = repeated(bennett, first, second)
    check_scores(difference, error, degrees / 2 * np.log(stiffness))


def test_bennett_with_forty_samples(squares, check_scores):
    # 30 oscillators: the scale of a hydration free energy with 40 + 40 samples.
    repetitions = 200
    first = 0.25 * squares(1.0, 30, (repetitions, 40), seed=2)
    second = 0.25 * squares(1.5, 30, (repetitions, 40), seed=3)
    difference, error, overlap = repeated(bennett, first, second)
    check_scores(difference, error, 15 * np.log(1.5))
    assert abs(difference.mean() - 15 * np.log(1.5)) < 0.05
    assert 0.15 < difference.std() < 0.23
    assert np.all((overlap > 0.3) & (overlap < 1))


@pytest.mark.parametrize("reverse", [False, True])
def test_perturbation_value_and_error(squares, check_scores, reverse):
    # The mean of an exponential has a bias of second order: half the squared error, 0.01 standard errors here.
    degrees, stiffness = 10, 1.2
    samples = squares(stiffness if reverse else 1.0, degrees, (400, 400), seed=4)
    difference, error, _ = repeated(
        lambda change: exponential_average(change, reverse=reverse), 0.5 * (stiffness - 1) * samples
    )
    check_scores(difference, error, degrees / 2 * np.log(stiffness), bias=np.mean(error) / 2)


def test_correlated_samples_need_their_inefficiency(check_scores, autoregressive):
    # x² of a series with correlation memory^m has memory^2m; 1/(1 + e^x) is nearly linear in it for this small change.
    memory, stiffness, repetitions = 0.8, 1.5, 400
    inefficiency = (1 + memory**2) / (1 - memory**2)
    first = 0.5 * (stiffness - 1) * autoregressive(memory, (repetitions, 1500), seed=5) ** 2
    second = 0.5 * (stiffness - 1) * autoregressive(memory, (repetitions, 900), seed=6) ** 2 / stiffness
    exact = 0.5 * np.log(stiffness)
    difference, error, _ = repeated(
        lambda a, b: bennett(a, b, first_inefficiency=inefficiency, second_inefficiency=inefficiency), first, second
    )
    check_scores(difference, error, exact)
    naive, naive_error, _ = repeated(bennett, first, second)
    assert np.mean(((naive - exact) / naive_error) ** 2) > 3
    one, one_error, _ = repeated(lambda a: exponential_average(a, statistical_inefficiency=inefficiency), first)
    check_scores(one, one_error, exact)


def test_pymbar_gives_the_same(squares, pymbar):
    cases = [(1.5, 3, (500, 500)), (2.0, 10, (400, 250)), (3.0, 30, (60, 60))]
    pairs = [
        (0.5 * (k - 1) * squares(1.0, degrees, first, seed=7), 0.5 * (k - 1) * squares(k, degrees, second, seed=8))
        for k, degrees, (first, second) in cases
    ]
    for (first, second), (difference, error, overlap, one, one_error) in zip(pairs, pymbar(pairs), strict=True):
        ours, perturbation = bennett(first, second), exponential_average(first)
        assert float(ours.difference) == pytest.approx(difference, abs=1e-8)
        assert float(ours.overlap) == pytest.approx(overlap, rel=1e-5)
        # pymbar divides by N where the unbiased variance has N − 1, in each of the two parts.
        largest, smallest = (np.sqrt(number / (number - 1)) for number in sorted((first.size, second.size)))
        assert smallest - 1e-6 < float(asymptotic(ours)) / error < largest + 1e-6
        assert float(perturbation.difference) == pytest.approx(one, abs=1e-9)
        unbiased = np.sqrt(first.size / (first.size - 1))
        assert float(asymptotic(perturbation)) == pytest.approx(one_error * unbiased, rel=1e-9)
        assert perturbation.standard_error > asymptotic(perturbation)


def asymptotic(difference):
    """Without the factor for few samples."""
    return np.sqrt(difference.variances.sum())


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_error_bars_of_a_perturbation_hold_or_warn(width):
    # Δu of a normal distribution of this width: Δf = −width²/2.  300 runs of 400 samples; with 62 and 90 % the numbers
    # of runs that hold it fall below these bounds by chance in less than 1 of 10000 cases.
    random = np.random.default_rng(12)
    found = [exponential_average(width * random.standard_normal(400)) for _ in range(300)]
    distance = np.array([abs(float(one.difference) + width**2 / 2) / float(one.standard_error) for one in found])
    warned = np.array([bool(one.warnings) for one in found])
    if width < 2:
        assert not warned.any()
        assert np.mean(distance < 1) > 0.62 - 4 * np.sqrt(0.62 * 0.38 / 300)
        assert np.mean(distance < 2) > 0.90 - 4 * np.sqrt(0.9 * 0.1 / 300)
    else:
        assert warned.mean() > 0.5
        assert np.mean((distance > 2) & ~warned) < 0.1
    assert "independent samples of equal weight" in "".join(w for one in found for w in one.warnings) or width < 2


def test_ensembles_that_hardly_overlap_carry_a_warning():
    random = np.random.default_rng(13)
    first, second = random.normal(12.0, 2.0, 500), random.normal(-12.0, 2.0, 500)
    (warning,) = bennett(first, second).warnings
    assert warning.startswith("the ensembles overlap by")
    assert bennett(first - 11, second + 11).warnings == ()


def test_swapping_the_ends_and_shifting_the_energies():
    first, second = np.random.default_rng(9).normal(size=70) + 1, np.random.default_rng(10).normal(size=40)
    forward, backward = bennett(first, second), bennett(-second, -first)
    assert float(forward.difference) == pytest.approx(-float(backward.difference), abs=1e-13)
    np.testing.assert_allclose(forward.variances, backward.variances[::-1], rtol=1e-9)
    shifted = bennett(first + 1000.0, second + 1000.0)
    assert float(shifted.difference - forward.difference) == pytest.approx(1000.0, abs=1e-9)
    assert float(shifted.standard_error) == pytest.approx(float(forward.standard_error), rel=1e-6)


def test_identical_ensembles():
    result = bennett(np.zeros(30), np.zeros(50))
    assert abs(float(result.difference)) < 1e-14
    assert float(result.standard_error) < 1e-12
    assert float(result.overlap) == pytest.approx(1.0)
    assert float(exponential_average(np.zeros(30)).overlap) == pytest.approx(1.0)


@pytest.mark.parametrize("gap", [50.0, 1e3, 1e8])
def test_ensembles_almost_without_overlap(gap):
    # All changes equal, a in the first and b in the second: for a − b ≫ 1 the equation gives (a + b + ln(n₀/n₁))/2.
    first, second = np.full(3, gap), np.full(1000, -0.6 * gap)
    result = bennett(first, second)
    assert float(result.difference) == pytest.approx((0.4 * gap + np.log(3 / 1000)) / 2, abs=1e-12 * gap + 1e-9)
    assert float(result.overlap) < 1e-8


def test_states_that_are_forbidden_count_as_such():
    first, second = np.array([0.5, np.inf, 0.2, np.inf]), np.array([0.1, 0.3])
    result, derivative = jax.value_and_grad(lambda a: bennett(a, second).difference)(jnp.asarray(first))
    large = bennett(np.where(np.isinf(first), 200.0, first), second).difference
    assert float(result) == pytest.approx(float(large), abs=1e-12)
    assert derivative[1] == 0
    assert np.isfinite(derivative).all()
    assert np.isnan(bennett(np.array([0.5, np.nan]), second).difference)


def test_one_sample_has_no_error_bar():
    assert np.isinf(bennett(np.array([0.5]), np.array([0.1, 0.3])).standard_error)
    assert np.isinf(exponential_average(np.zeros(8), statistical_inefficiency=10.0).standard_error)


# The numbers in ln(n₀/n₁) are constants of the derivative: with weights it is exact where these are equal.
@pytest.mark.parametrize(("weighted", "stiffness"), [(False, 1.6), (False, 1.9), (True, 1.6)])
def test_derivative_at_fixed_samples(squares, weighted, stiffness):
    first, second = squares(1.0, 5, 80, seed=11), squares(1.6, 5, 50, seed=12)

    def difference(k):
        weights = log_weights(0.5 * (k - 1.6) * second) if weighted else None
        return bennett(0.5 * (k - 1) * first, 0.5 * (k - 1) * second, second_log_weights=weights).difference

    step = 1e-5
    numerical = (difference(stiffness + step) - difference(stiffness - step)) / (2 * step)
    assert float(jax.jit(jax.grad(difference))(stiffness)) == pytest.approx(float(numerical), rel=1e-6)
    assert float(jax.jacfwd(difference)(stiffness)) == pytest.approx(float(numerical), rel=1e-6)


def test_derivative_of_the_free_energy(squares):
    # d/dk of d/2 ln k is d/(2 k); 400 repetitions give its standard error.
    degrees, stiffness, repetitions = 5, 1.6, 400
    exact = degrees / (2 * stiffness)
    first = squares(1.0, degrees, (repetitions, 300), seed=13)
    second = squares(stiffness, degrees, (repetitions, 300), seed=14)

    def two_sided(k, a, b, weights):
        return bennett(0.5 * (k - 1) * a, 0.5 * (k - 1) * b, second_log_weights=weights).difference

    def reweighted(k, a, b):
        return two_sided(k, a, b, log_weights(0.5 * (k - stiffness) * b))

    def fixed(k, a, b):
        return two_sided(k, a, b, None)

    def one_sided(k, _, b):
        return exponential_average(0.5 * (k - stiffness) * b).difference

    for estimate, unbiased in ((reweighted, True), (one_sided, True), (fixed, False)):
        found = np.asarray(jax.jit(jax.vmap(jax.grad(estimate), (None, 0, 0)))(stiffness, first, second))
        error = found.std(ddof=1) / np.sqrt(repetitions)
        assert error < 0.005 * exact
        assert (abs(found.mean() - exact) < 3 * error) == unbiased


def test_bad_input():
    with pytest.raises(ReweightingError, match=r"second ensemble need one .* shape \(1, 3\)"):
        bennett(np.zeros(3), np.zeros((1, 3)))
    with pytest.raises(ReweightingError, match="first ensemble has 3 samples, but weights of shape"):
        bennett(np.zeros(3), np.zeros(3), first_log_weights=jnp.zeros(2))
    with pytest.raises(ReweightingError, match="one change of the reduced energy each"):
        exponential_average(np.zeros((2, 3)))
