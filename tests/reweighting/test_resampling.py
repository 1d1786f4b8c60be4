"""Resampling: how often each sample is drawn, and what is refused."""

import numpy as np
import pytest

from mdfit.errors import ReweightingError
from mdfit.reweighting import systematic_resampling


def test_samples_are_drawn_as_often_as_their_weights_say():
    weights = np.array([0.05, 0.0, 0.4, 0.25, 0.3])
    with np.errstate(divide="ignore"):
        logarithms = np.log(weights) + 700.0
    counts = np.array(
        [
            np.bincount(systematic_resampling(logarithms, 10, np.random.default_rng(seed)), minlength=5)
            for seed in range(200)
        ]
    )
    assert (np.abs(counts - 10 * weights) < 1).all()
    # Once in two for the weight of half a draw: within four standard deviations.
    assert counts[:, 0].mean() == pytest.approx(0.5, abs=0.15)
    assert (counts[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("logarithms", "number", "words"),
    [
        (np.zeros((2, 2)), 1, "one for each sample"),
        (np.zeros(0), 1, "one for each sample"),
        (np.zeros(3), 0, "ask for at least one"),
        (np.full(3, -np.inf), 2, "all zero"),
        (np.array([0.0, np.nan]), 2, "not numbers"),
    ],
)
def test_bad_weights_are_named(logarithms, number, words):
    with pytest.raises(ReweightingError, match=words):
        systematic_resampling(logarithms, number, np.random.default_rng(0))
