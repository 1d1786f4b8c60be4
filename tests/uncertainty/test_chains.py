"""Chains as trainings: interrupted, resumed, refused."""

import jax
import numpy as np
import pytest
from linear_model import NOISE, PRIOR, Points, StraightLine, killed_at, points

from mdfit.errors import CheckpointError, TrainingError
from mdfit.models import load
from mdfit.uncertainty import (
    PSGLD,
    SGLD,
    ConstantSteps,
    CyclicalSteps,
    NormalPrior,
    PolynomialSteps,
    RisingSteps,
    chains,
    sample_posterior,
    thinned,
)


def sample(out=None, **settings):
    given = {
        "starts": [StraightLine.zero()] * 3,
        "likelihood": Points(*points(), 10),
        "kernel": PSGLD(),
        "schedule": PolynomialSteps(1e-2, 1e-3),
        "steps": 97,
        "burn_in": 20,
        "keep": 7,
        "steps_per_update": 10,
        "seed": 2,
        **settings,
    }
    first = [given.pop(name) for name in ("starts", "likelihood", "kernel", "schedule")]
    return sample_posterior(*first, out=out, show_progress=False, **given)


def assert_same(first, second):
    np.testing.assert_array_equal(first.models.stacked.weights, second.models.stacked.weights)
    np.testing.assert_array_equal(first.log_density, second.log_density)


def test_an_interrupted_chain_goes_on_bit_for_bit(tmp_path):
    whole = sample()
    assert whole.log_density.shape == (3, 7)
    assert len(whole.models) == 21
    with pytest.raises(RuntimeError, match="killed"):
        sample(tmp_path / "run", on_record=killed_at(4))
    assert_same(sample(tmp_path / "run"), whole)
    # Finished: returned as it is.
    assert_same(sample(tmp_path / "run"), whole)
    assert len(load(tmp_path / "run" / "last.mdfit")) == 3


@pytest.mark.parametrize("large", [0, 10**9])
def test_densities_are_those_of_the_samples(monkeypatch, large):
    """Not of the states before them, and whether chains go side by side or one after the other."""
    monkeypatch.setattr(chains, "LARGE", large)
    features, values = points()
    found = sample(likelihood=Points(features, values, 40), prior=NormalPrior(PRIOR))
    weights = found.by_chain(np.asarray(found.models.stacked.weights))
    residuals = (values - weights @ features.T) / NOISE
    expected = -0.5 * (residuals**2).sum(-1) - 0.5 * (weights**2).sum(-1) / PRIOR**2
    differences = found.log_density - expected
    np.testing.assert_allclose(differences, differences.mean(), atol=1e-3)


def test_steps_in_one_call_do_not_matter():
    assert_same(sample(), sample(steps_per_update=97))


@pytest.mark.parametrize("batch_size", [10, 40])
def test_large_models_one_after_the_other_are_the_same_chains(monkeypatch, batch_size):
    likelihood = Points(*points(), batch_size)
    together = sample(likelihood=likelihood)
    # Not the programs that are compiled already.
    monkeypatch.setattr(chains, "LARGE", 0)
    jax.clear_caches()
    apart = sample(likelihood=likelihood)
    jax.clear_caches()
    np.testing.assert_allclose(apart.models.stacked.weights, together.models.stacked.weights, rtol=1e-5)
    np.testing.assert_allclose(apart.log_density, together.log_density, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": PSGLD(0.9)},
        {"schedule": ConstantSteps(1e-3)},
        {"temperature": 0.5},
        {"prior": NormalPrior(0.5)},
        {"keep": 8},
        {"likelihood": Points(*points(41), 10)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_chains_are_not_taken_up(tmp_path, change):
    sample(tmp_path / "run")
    with pytest.raises(CheckpointError, match="other data or settings of the objective"):
        sample(tmp_path / "run", **change)


def test_chains_are_independent_and_samples_in_order():
    found = sample(steps=400, burn_in=100, keep=50)
    chains = found.by_chain(found.models.stacked.weights)
    assert chains.shape == (3, 50, 2)
    np.testing.assert_array_equal(found.of_chain(1).stacked.weights, chains[1])
    assert not np.allclose(chains[0], chains[1])
    assert found.weights == pytest.approx(1 / 150)


class Vanishing(ConstantSteps):
    """Steps that end at zero."""

    def sizes(self, steps):
        return np.linspace(self.size, 0.0, steps)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": Vanishing(1e-3)}, "steps that are not above 0"),
        ({"temperature": 0.0}, "temperature of a posterior is above 0"),
        ({"burn_in": 97}, "burn-in of 97 steps leaves nothing of a chain of 97"),
        ({"keep": 78}, "78 samples are wanted of each chain, but there are 77 states"),
        ({"keep": 0}, "0 samples are wanted"),
        ({"steps_per_update": 0}, "at least 1"),
        ({"starts": []}, "at least one member"),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(Exception, match=words):
        sample(**settings)


def test_a_chain_that_runs_away_is_named():
    with pytest.raises(
        TrainingError, match=r"Chain \d runs away: at step \d+ its log-density is not finite; take smaller"
    ):
        sample(kernel=SGLD(), schedule=ConstantSteps(1e3), steps=2000, burn_in=10)


def test_schedules():
    sizes = PolynomialSteps(1e-2, 1e-3).sizes(1000)
    assert (sizes[0], sizes[-1]) == (pytest.approx(1e-2), pytest.approx(1e-3))
    assert (np.diff(sizes) < 0).all()
    # ε_t = a (b + t)^(−γ): the −1/γ-th power is linear in t.
    np.testing.assert_allclose(np.diff(sizes ** (-1 / 0.33), 2), 0, atol=1e-4 * sizes[-1] ** (-1 / 0.33))
    cycles = CyclicalSteps(1e-2, 4, exploration=0.75)
    assert cycles.sizes(400)[[0, 100, 200]] == pytest.approx(1e-2)
    assert cycles.may_keep(400).sum() == 100
    for wrong in ((0.0, 1e-3), (1e-3, 1e-2), (np.nan, 1e-3)):
        with pytest.raises(TrainingError, match=r"step size|fall from"):
            PolynomialSteps(*wrong)
    rising = RisingSteps(1e-3, 1e-1, over=10)
    np.testing.assert_allclose(rising.sizes(30)[[0, 5, 10, 29]], [1e-3, 1e-2, 1e-1, 1e-1])
    assert rising.may_keep(30).sum() == 20
    for wrong in ((1e-1, 1e-3, 10), (1e-3, 1e-1, 0)):
        with pytest.raises(TrainingError, match="Rising steps grow"):
            RisingSteps(*wrong)
    with pytest.raises(TrainingError, match="Cycles are at least one"):
        CyclicalSteps(1e-3, 0)


def test_thinning_prefers_long_steps():
    """Drawn in proportion to the step size; means over 400 draws within 5 standard errors (one in a million)."""
    schedule, steps = PolynomialSteps(1e-2, 1e-4, power=1.0), 1000
    chosen = np.concatenate([thinned(schedule, steps, 0, 5, seed) for seed in range(400)])
    sizes = schedule.sizes(steps)
    expected = np.sum(np.arange(steps) * sizes) / sizes.sum()
    deviation = np.sqrt(np.sum((np.arange(steps) - expected) ** 2 * sizes) / sizes.sum())
    assert abs(chosen.mean() - expected) < 5 * deviation / np.sqrt(len(chosen))
    assert (thinned(schedule, steps, 500, 20, 0) >= 500).all()
