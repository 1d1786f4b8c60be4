"""Step limits on Gaussian models, where the effective size is a known function of the step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ReweightingError
from mdfit.reweighting import effective_size, limit_step, log_weights, tightest

SAMPLES = jnp.asarray(np.random.default_rng(0).normal(size=400))


def size_after(fraction, length):
    """Effective size when the mean of a unit Gaussian moves by ``fraction * length``."""
    return effective_size(log_weights(-fraction * length * SAMPLES))


@pytest.mark.parametrize("points", [1, 10])
@pytest.mark.parametrize("ratio", [0.1, 0.9])
def test_largest_fraction_that_satisfies(points, ratio):
    # N_eff = N exp(−α² l²/2) has one solution.
    def size(fraction):
        return 1000 * jnp.exp(-0.5 * (fraction * 5.0) ** 2)

    limit = jax.jit(lambda: limit_step(size, ratio, points))()
    assert float(limit.fraction) == pytest.approx(np.sqrt(-2 * np.log(ratio)) / 5.0, abs=1e-7)
    assert limit.ratio >= ratio
    assert limit.satisfied


@pytest.mark.parametrize("length", [1.0, 4.0, 100.0])
def test_the_limit_is_kept_and_used_up(length):
    limit = limit_step(lambda fraction: size_after(fraction, length), 0.5)
    ratio = size_after(limit.fraction, length) / SAMPLES.size
    assert bool(limit.satisfied)
    assert ratio >= 0.5
    assert float(limit.ratio) == pytest.approx(float(ratio), rel=1e-12)
    if limit.fraction < 1:
        assert ratio < 0.5 + 1e-4
        assert size_after(limit.fraction + 1e-6, length) / SAMPLES.size < 0.5


def test_a_step_that_satisfies_is_taken_as_a_whole():
    limit = limit_step(lambda fraction: size_after(fraction, 0.1), 0.9)
    assert limit.fraction == 1
    assert bool(limit.satisfied)


@pytest.mark.parametrize("bad", [lambda f: jnp.where(f > 0, 1e-3, 1.0), lambda f: jnp.where(f > 0, jnp.nan, 1.0)])
def test_a_step_that_never_satisfies_is_told(bad):
    limit = limit_step(bad, 0.5)
    assert limit.fraction == 1e-5
    assert not bool(limit.satisfied)


def test_energies_that_fail_are_not_stepped_into():
    limit = limit_step(lambda fraction: jnp.where(fraction < 0.3, 1.0, jnp.nan), 0.5)
    assert float(limit.fraction) == pytest.approx(0.3, abs=1e-7)
    assert bool(limit.satisfied)


def test_several_state_points():
    lengths = jnp.array([1.0, 3.0, 2.0])
    together = limit_step(lambda fraction: jax.vmap(lambda length: size_after(fraction, length))(lengths), 0.4)
    alone = [limit_step(lambda fraction, length=length: size_after(fraction, length), 0.4) for length in lengths]
    smallest = tightest(alone)
    assert float(together.fraction) == pytest.approx(float(smallest.fraction), abs=2e-7)
    assert float(smallest.fraction) == min(float(limit.fraction) for limit in alone) < 1
    assert float(smallest.ratio) == float(alone[1].ratio)
    unsatisfied = limit_step(lambda fraction: jnp.where(fraction > 0, 0.0, 1.0), 0.5)
    assert not bool(tightest([*alone, unsatisfied]).satisfied)


def test_bad_input():
    with pytest.raises(ReweightingError, match=r"in \(0, 1\], but is 1.5"):
        limit_step(lambda fraction: 1.0, 1.5)
    with pytest.raises(ReweightingError, match="at least one point"):
        limit_step(lambda fraction: 1.0, 0.5, points=0)
    with pytest.raises(ReweightingError, match="give at least one"):
        tightest([])
