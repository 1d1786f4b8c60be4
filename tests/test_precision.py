"""Seeds of random numbers."""

import numpy as np
import pytest

import mdfit
from mdfit.errors import SeedError


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.5, True, "1", None])
def test_seeds_that_make_no_key_are_refused(seed):
    with pytest.raises(SeedError, match="give a whole number from 0 to"):
        mdfit.key(seed)


def test_seeds_of_numpy_make_the_same_key():
    assert mdfit.key(np.int64(3)) == mdfit.key(3)
