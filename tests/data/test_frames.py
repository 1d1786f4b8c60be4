"""Frames as arrays."""

import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.errors import DataError, ObservableError
from mdfit.observables import MeanSquareDisplacement, estimate
from mdfit.simulate import Trajectory


def test_parts_are_equally_long_and_leave_out_the_rest():
    places = np.arange(11.0)[:, None, None] * [1, 0, 0]
    frames = Frames(np.ones(1), np.ones(1), places, np.zeros((3, 3)), np.zeros(3, bool), times=np.arange(11.0))
    parts = frames.parts(3)
    assert [part.times.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(DataError, match="11 frames cannot be cut into 12 parts"):
        frames.parts(12)


def test_positions_that_were_put_back_are_seen():
    """A random walk in a cell, put back into it: no displacement can be taken of it."""
    steps = np.random.default_rng(0).normal(0, 0.3, (200, 5, 3))
    walk = 6 + np.cumsum(steps, axis=0)
    times, box = np.arange(200.0), np.eye(3) * 12
    arguments = ([18] * 5, [39.9] * 5)
    assert Frames(*arguments, walk, box, [True] * 3, times=times).unwrapped
    wrapped = Frames(*arguments, walk % 12, box, [True] * 3, times=times)
    assert not wrapped.unwrapped
    with pytest.raises(ObservableError, match="were put back into it"):
        estimate(MeanSquareDisplacement("10 fs"), Trajectory.of_frames(wrapped, temperature=300.0))
    structures = [wrapped.structure(number) for number in range(200)]
    assert not Frames.of_structures(structures).unwrapped
    assert Frames(*arguments, walk % 12, box, [False] * 3, times=times).unwrapped
