"""The toys of relative entropy: exact parts, and what the committed results must say."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mdfit.recipes import read_metrics

FOLDER = Path(__file__).parents[2] / "recipes" / "relative_entropy_toys"


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import toy_exact
    import toy_model
    import toy_simulated

    yield toy_model, toy_exact, toy_simulated
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]


def test_samples_have_the_exact_mean_force(toys):
    """Mean of the noisy force times a function is that of the exact force, within 4 standard errors of 200000 samples."""
    model, _, _ = toys
    q, forces = model.samples(200_000, seed=0)
    exact = -24 * q * (q**2 - 1) - 0.5
    noise = forces - exact
    assert np.std(noise) == pytest.approx(20, rel=0.01)
    assert abs(np.mean(noise * q)) < 4 * 20 * np.std(q) / np.sqrt(len(q))
    grid = model.GRID
    density = model.normalised(model.mean_force_potential(grid))
    second = np.sum(grid**2 * density) * (grid[1] - grid[0])
    assert np.mean(q**2) == pytest.approx(second, abs=4 * np.std(q**2) / np.sqrt(len(q)))


def test_formulas_of_the_derivatives(toys):
    _, exact, _ = toys
    assert max(exact.derivative_errors(3)) < 1e-6


def test_relative_entropy_needs_fewer_samples(toys):
    _, exact, _ = toys
    found = [exact.errors("few", 1000, seed, "quartic") for seed in range(2)]
    errors = [{m: one[f"density_ise/{m}/few"].value for m in ("force_matching", "relative_entropy")} for one in found]
    assert np.median([one["relative_entropy"] for one in errors]) < 0.02
    assert all(one["relative_entropy"] < one["force_matching"] / 5 for one in errors)


def test_density_of_long_steps_is_that_of_the_dynamics(toys):
    """Harmonic: the variance kT/[k (1 − h k/2)] of the Euler–Maruyama scheme."""
    model, _, simulated = toys
    grid = model.GRID[::4]
    density = simulated.sampled_density(0.5 * 20 * grid**2, grid, 0.04)
    variance = np.sum(grid**2 * density) * (grid[1] - grid[0])
    assert variance == pytest.approx(1 / (20 * (1 - 0.04 * 20 / 2)), rel=2e-3)


def test_committed_results_hold():
    """What the README claims."""
    metrics = {name: metric.value for name, metric in read_metrics(FOLDER / "results" / "metrics.json").items()}
    assert metrics["density_ise_ratio_fm_over_re/1000"] >= 20
    assert metrics["gradient/relative_error"] < 1e-6
    assert abs(metrics["bond/length_error"]) <= 0.01
    assert abs(metrics["bond/stiffness_ratio"] - 1) <= 0.06
    assert metrics["density_ise/simulated/1000"] <= 0.05
    assert metrics["density_ise/relative_entropy/1000"] / metrics["density_ise/relative_entropy/10000"] >= 5
    assert metrics["harmonic/stiffness"] == pytest.approx(1.382, abs=0.03)
    assert metrics["harmonic/sampled_variance"] == pytest.approx(1, abs=0.02)
    long_step = {m: metrics[f"density_ise/{m}/step_0.01"] for m in ("force_matching", "relative_entropy")}
    assert long_step["force_matching"] >= 5 * metrics["density_ise/force_matching/small_step"]
    assert long_step["relative_entropy"] <= long_step["force_matching"] / 3
    for prior in ("none", "wrong"):
        ratio = (
            metrics[f"density_ise/relative_entropy/1000/prior_{prior}"] / metrics["density_ise/relative_entropy/1000"]
        )
        assert 0.5 < ratio < 2
