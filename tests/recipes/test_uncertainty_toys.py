"""The toys of uncertainty: what is exact, against independent numbers; the recipe at its small scale."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate

FOLDER = Path(__file__).parents[2] / "recipes" / "uncertainty_toys"
MODULES = ("exact_toy", "chebyshev", "toy_coverage", "toy_samplers", "toy_network", "toy_ensembles")


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import chebyshev
    import exact_toy
    import toy_coverage

    yield exact_toy, chebyshev, toy_coverage
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_coarse_grained_potential_and_its_noise(toys):
    """Of 400,000 draws of both coordinates: mean and scatter of the force on s near a place, within 5 standard errors."""
    exact, _, _ = toys
    random, s = np.random.default_rng(0), 0.7
    y = random.normal(-exact.COUPLING * s / exact.STIFFNESS, exact.STIFFNESS**-0.5, 400_000)
    force = 4 * exact.HEIGHT * s * (s**2 - 1) + exact.TILT + exact.COUPLING * y
    assert abs(force.mean() - exact.slope(s)) < 5 * exact.NOISE / np.sqrt(len(y))
    assert force.std() == pytest.approx(exact.NOISE, rel=0.01)
    assert pytest.approx(1.0606602, abs=1e-7) == exact.NOISE


def test_exact_observables(toys):
    """By adaptive quadrature."""
    exact, _, _ = toys

    def integral(function, low=-exact.LIMIT, high=exact.LIMIT):
        return integrate.quad(lambda s: function(s) * np.exp(-exact.energy(s)), low, high, epsabs=1e-12)[0]

    total = integral(lambda s: 1.0)
    sides = [integral(lambda s: 1.0, *ends) for ends in ((-exact.LIMIT, 0), (0, exact.LIMIT))]
    expected = [np.log(sides[0] / sides[1]), integral(lambda s: s) / total, integral(lambda s: s * s) / total]
    np.testing.assert_allclose(exact.EXACT, expected, atol=1e-5)
    s, _ = exact.data(200_000, np.random.default_rng(1))
    assert abs(s.mean() - expected[1]) < 5 * s.std() / np.sqrt(len(s))


def test_the_exact_posterior(toys):
    """Numbers of an independent calculation; the evidence by an integral over all data at once."""
    exact, chebyshev, _ = toys
    s, forces = exact.fixed_data()
    found = chebyshev.exact_posterior(s, forces)
    mean = [0.62904, 8.82867, -0.02856, 4.30114, -0.02449, -0.05783, -0.01503, -0.02932]
    deviation = [0.41163, 0.31084, 0.19960, 0.22592, 0.13783, 0.15134, 0.09133, 0.09140]
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.deviation, deviation, atol=1e-5)
    correlation = found.covariance / np.outer(found.deviation, found.deviation)
    assert (correlation[1, 3], correlation[0, 2]) == (
        pytest.approx(0.74747, abs=1e-5),
        pytest.approx(0.30188, abs=1e-5),
    )
    features = chebyshev.slopes(s)
    covariance = exact.NOISE**2 * np.eye(40) + chebyshev.PRIOR**2 * features @ features.T
    evidence = -0.5 * (
        forces @ np.linalg.solve(covariance, forces) + np.linalg.slogdet(covariance)[1] + 40 * np.log(2 * np.pi)
    )
    assert found.log_evidence == pytest.approx(evidence, abs=1e-8)
    assert found.log_evidence == pytest.approx(-86.80744, abs=1e-5)


def test_coverage_tells_right_models_from_wrong_ones(toys):
    """60 data sets: the wrong model never holds the free-energy difference; the right one nearly always does."""
    _, _, coverage = toys
    right = coverage.coverage_of("exact_1000", 60, seed=0)
    assert all(right[f"coverage/exact_1000/{name}"].value > 0.8 for name in ("free_energy_difference", "mean"))
    even = coverage.coverage_of("exact_even_200", 60, seed=0)
    assert even["coverage/exact_even_200/free_energy_difference"].value == 0
    assert even["coverage/exact_even_200/mean_square"].value > 0.8
    cold = coverage.coverage_of("exact_200_temperature_0.1", 60, seed=0)
    assert cold["coverage/exact_200_temperature_0.1/free_energy_difference"].value < 0.65
