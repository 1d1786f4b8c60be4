"""Mean and spread of uncertain potentials, alone and in sums."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mdfit import Structure
from mdfit.errors import PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import (
    ZBL,
    LennardJones,
    PotentialSet,
    Sum,
    evaluate,
    evaluate_set,
    evaluate_with_spread,
    knows_spread,
)

_DIMER = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], species=14)


def _set(low: float, high: float) -> PotentialSet:
    return PotentialSet.of([LennardJones(epsilon=low, cutoff=4.0), LennardJones(epsilon=high, cutoff=4.0)])


def test_a_set_says_the_same_by_both_ways():
    graph = build_graph(_DIMER, cutoff=4.0)
    both = _set(0.9, 1.1)
    assert np.array_equal(evaluate_with_spread(both, graph).spread.forces, evaluate_set(both, graph).spread.forces)


def test_sums_have_the_mean_of_all_terms_and_add_squares():
    graph = build_graph(_DIMER, cutoff=4.0)
    wide, narrow, certain = _set(0.7, 1.3), _set(0.8, 1.2), ZBL(cutoff=2.0)
    total = Sum((wide, narrow, certain))
    found = evaluate_with_spread(total, graph)
    np.testing.assert_allclose(found.mean.energy, evaluate(total, graph).energy, rtol=1e-6)
    expected = jnp.hypot(evaluate_set(wide, graph).spread.forces, evaluate_set(narrow, graph).spread.forces)
    np.testing.assert_allclose(found.spread.forces, expected, rtol=1e-5)
    alone = evaluate_with_spread(wide + certain, graph)
    np.testing.assert_allclose(alone.spread.energy, evaluate_set(wide, graph).spread.energy, rtol=1e-6)


def test_terms_of_a_sum_see_their_own_cutoffs():
    far = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 4.5]], species=14), cutoff=6.0)
    total = _set(0.7, 1.3) + LennardJones(epsilon=1.0, sigma=3.0, cutoff=6.0)
    found = evaluate_with_spread(total, far)
    np.testing.assert_allclose(found.spread.energy, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.mean.energy, evaluate(total, far).energy, rtol=1e-6)


def test_a_single_potential_says_that_it_knows_no_spread():
    graph = build_graph(_DIMER, cutoff=4.0)
    assert not knows_spread(LennardJones() + ZBL())
    with pytest.raises(PotentialError, match="says nothing of its own error"):
        evaluate_with_spread(LennardJones(), graph)
