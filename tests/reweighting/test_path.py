"""Free energies added up along paths of harmonic oscillators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ReweightingError
from mdfit.reweighting import along_path, bennett


def path(squares, stiffnesses, degrees, samples, repetitions, seed):
    """Sums of links between successive stiffnesses; neighbouring links share the samples between them."""
    draws = [squares(k, degrees, (repetitions, samples), seed + i) for i, k in enumerate(stiffnesses)]
    changes = np.diff(stiffnesses) / 2

    def total(*draws):
        links = [bennett(half * draws[i], half * draws[i + 1]) for i, half in enumerate(changes)]
        naive = jnp.sqrt(sum(jnp.sum(link.variances) for link in links))
        result = along_path(links)
        return result.difference, result.standard_error, naive

    return [np.asarray(part) for part in jax.jit(jax.vmap(total))(*draws)]


def test_a_path_in_one_direction(squares, check_scores):
    difference, error, naive = path(squares, np.geomspace(1, 1.5, 9), degrees=30, samples=40, repetitions=400, seed=20)
    check_scores(difference, error, 15 * np.log(1.5))
    # Adding up squared errors forgets that neighbouring links share samples.
    assert np.mean(((difference - 15 * np.log(1.5)) / naive) ** 2) > 1.5


def test_a_closed_loop_gives_zero(squares):
    stiffnesses = np.concatenate([np.geomspace(1, 1.5, 9), np.geomspace(1.5, 1, 9)[1:]])
    difference, error, _ = path(squares, stiffnesses, degrees=30, samples=40, repetitions=400, seed=40)
    assert abs(difference.mean()) < 2 * difference.std(ddof=1) / np.sqrt(len(difference))
    # Two standard errors hold a single loop 95 times in 100; the bound is too large only where the path turns.
    assert 0.9 < np.mean(np.abs(difference) < 2 * error) <= 1
    assert difference.std() < 0.15


def test_a_path_without_links():
    with pytest.raises(ReweightingError, match="at least one link"):
        along_path([])
