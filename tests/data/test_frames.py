"""Frames as arrays."""

import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.errors import DataError


def test_parts_are_equally_long_and_leave_out_the_rest():
    places = np.arange(11.0)[:, None, None] * [1, 0, 0]
    frames = Frames(np.ones(1), np.ones(1), places, np.zeros((3, 3)), np.zeros(3, bool), times=np.arange(11.0))
    parts = frames.parts(3)
    assert [part.times.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(DataError, match="11 frames cannot be cut into 12 parts"):
        frames.parts(12)
