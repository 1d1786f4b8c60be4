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


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("positions", np.zeros((2, 2, 3), "S3"), r"positions are \|S3, but real numbers are needed"),
        ("positions", np.zeros((2, 2, 3), complex), "positions are complex128, but real numbers are needed"),
        ("times", np.array(["a", "b"]), "times are <U1, but real numbers are needed"),
        ("constraints", np.zeros(3, "S2"), r"constraints are \|S2\[3\]: give a pair of whole numbers"),
        ("constraints", np.zeros((1, 3), int), r"constraints are int64\[1, 3\]: give a pair of whole numbers"),
        ("constraints", np.array([[0.5, 1]]), "constraints are float64"),
    ],
)
def test_arrays_that_are_no_numbers_are_named(name, values, words):
    arrays = {"positions": np.arange(12.0).reshape(2, 2, 3), name: values}
    with pytest.raises(DataError, match=words):
        Frames([18, 18], [39.9, 39.9], cells=np.zeros((3, 3)), periodic=[False] * 3, **arrays)
