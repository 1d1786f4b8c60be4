"""Frames are read from H5MD, or one sentence says what is wrong with the file, whatever has been done to it."""

import h5py
import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.errors import MdfitError
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
