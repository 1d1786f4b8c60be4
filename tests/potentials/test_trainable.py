"""Which parameters training may change."""

import jax
import pytest

from mdfit.errors import PotentialError
from mdfit.potentials import InversePower, LennardJones, PairSpline, trainable, trainable_except


def test_fixed_terms_have_no_true_flag_and_the_others_all_theirs():
    potential = PairSpline(2.0, 5.0, 8) + LennardJones() + InversePower()
    spline, lennard_jones, repulsion = trainable_except(potential, [-1]).terms
    assert not any(jax.tree.leaves(repulsion))
    assert (spline, lennard_jones) == trainable(potential).terms[:2]
    assert not any(jax.tree.leaves(trainable_except(LennardJones(), [0])))
    with pytest.raises(PotentialError, match="no term 3"):
        trainable_except(potential, [3])
