"""Frames are read from H5MD, or one sentence says what is wrong with the file, whatever has been done to it."""

import h5py
import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.errors import DataError, MdfitError
from mdfit.structure import Conditions


def frames() -> Frames:
    random = np.random.default_rng(0)
    return Frames(
        species=np.full(5, 18, np.int32),
        masses=np.full(5, 39.95),
        positions=random.uniform(0, 9, (4, 5, 3)).astype(np.float32),
        cells=10 * np.eye(3),
        periodic=np.ones(3, bool),
        forces=random.normal(size=(4, 5, 3)).astype(np.float32),
        energies=random.normal(size=4),
        times=np.arange(4.0),
        conditions=Conditions(temperature=100.0),
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory, write_frames):
    path = tmp_path_factory.mktemp("h5md") / "good.h5"
    with h5py.File(path, "w") as file:
        write_frames(file, "atoms", frames(), np.arange(4), 1.0)
    return path


NEEDED = (
    "particles",
    "particles/atoms",
    "particles/atoms/species",
    "particles/atoms/mass",
    "particles/atoms/box",
    "particles/atoms/position",
    "particles/atoms/position/value",
    "particles/atoms/position/time",
    "particles/atoms/force/value",
    "particles/atoms/box/edges/value",
    "observables/atoms/potential_energy/value",
)
PUT = {
    "nothing": lambda file, place, shape: None,
    "a number": lambda file, place, shape: file.__setitem__(place, 3.0),
    "text": lambda file, place, shape: file.__setitem__(place, "hello"),
    "no values": lambda file, place, shape: file.__setitem__(place, np.zeros((0, *shape[1:]))),
    "nothing of a type": lambda file, place, shape: file.__setitem__(place, h5py.Empty("f")),
    "bytes": lambda file, place, shape: file.__setitem__(place, np.zeros(shape, "S3")),
    "NaN": lambda file, place, shape: file.__setitem__(place, np.full(shape, np.nan)),
    "another length": lambda file, place, shape: file.__setitem__(place, np.ones((3, *shape[1:]))),
    "a group": lambda file, place, shape: file.create_group(place) and None,
    "a promise": lambda file, place, shape: (
        file.create_dataset(place, (10**10, *shape[1:]), "f4", chunks=True) and None
    ),
}


# A single number in place of the times is their interval.
CASES = [
    (place, put) for place in NEEDED for put in PUT if (place, put) != ("particles/atoms/position/time", "a number")
]


@pytest.mark.parametrize(("place", "put"), CASES)
def test_one_sentence_for_whatever_is_wrong(good, tmp_path, place, put):
    path = tmp_path / "bad.h5"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        shape = file[place].shape if isinstance(file[place], h5py.Dataset) else (4,)
        attributes = dict(file[place].attrs)
        del file[place]
        PUT[put](file, place, shape)
        # The unit is right, so that it is not what is complained of.
        if place in file and not isinstance(file[place], h5py.Group):
            file[place].attrs.update(attributes)
    with pytest.raises(MdfitError) as error:
        Frames.read(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


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
