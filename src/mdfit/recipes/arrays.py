"""Arrays that a run leaves for its report."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.errors import CheckpointError
from mdfit.storage import atomic_path

#: More bytes than any file of a run has when it is unpacked.
LARGEST = 2**33
DELETE = "delete it and `mdfit resume` its run."


@dataclass(frozen=True)
class Layout:
    """What an array must be.

    Attributes:
        dimensions: a name for each; those of the same name are equally long in all arrays of a file, a number is a length.
        kinds: letters of numpy's kinds: ``f`` for floating-point numbers, ``i`` for integers, ``U`` for text.
        required: whether it may be missing.
        bounds: of all values, which are then finite.
        increasing: whether each value is larger than the one before.
    """

    dimensions: tuple[str | int, ...]
    kinds: str = "f"
    required: bool = True
    bounds: tuple[float, float] | None = None
    increasing: bool = False


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes named arrays to a compressed ``.npz`` file, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_arrays(path: str | Path, layouts: Mapping[str, Layout]) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file; a layout whose name ends in ``*`` is for all names that begin so.

    Raises:
        CheckpointError: when the file is damaged, or an array is missing, unknown or not as its layout says.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise ValueError("it is too large")
            for info in archive.infolist():
                _check_header(archive, info)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        _check_layouts(arrays, layouts)
        return arrays
    except Exception as error:  # zip files and headers break in many ways
        raise CheckpointError(f"{path} is damaged ({error}): {DELETE}") from error


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Whether an array has the bytes that its header claims, before memory is taken for them."""
    with archive.open(info) as stream:
        read: dict[Any, Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read[np.lib.format.read_magic(stream)](stream)
    claimed = int(np.prod([int(length) for length in shape], dtype=object)) * dtype.itemsize
    if dtype.hasobject or not 0 <= claimed <= info.file_size:
        raise ValueError(f"{info.filename} does not hold what it says")


def _check_layouts(arrays: dict[str, np.ndarray], layouts: Mapping[str, Layout]) -> None:
    exact = {name: layout for name, layout in layouts.items() if not name.endswith("*")}
    beginnings = {name[:-1]: layout for name, layout in layouts.items() if name.endswith("*")}
    missing = [name for name, layout in exact.items() if layout.required and name not in arrays]
    if missing:
        raise ValueError(f"the array {missing[0]} is missing")
    lengths: dict[str | int, int] = {}
    for name, array in arrays.items():
        layout = exact.get(name) or next((one for begin, one in beginnings.items() if name.startswith(begin)), None)
        if layout is None:
            raise ValueError(f"the array {name} is unknown")
        fits = array.ndim == len(layout.dimensions) and array.dtype.kind in layout.kinds
        for dimension, length in zip(layout.dimensions, array.shape, strict=False):
            fits &= length == (dimension if isinstance(dimension, int) else lengths.setdefault(dimension, length))
        # Of formats that only some machines have there are none.
        if not fits or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)):
            raise ValueError(f"the array {name} is {array.dtype}{list(array.shape)}")
        if array.dtype.kind == "U":
            "".join(array.ravel()).encode()  # halves of surrogate pairs cannot be written again
        if layout.increasing and not (np.diff(array) > 0).all():
            raise ValueError(f"the array {name} does not increase")
        if layout.bounds is not None and array.size:
            low, high = layout.bounds
            if not ((low <= array) & (array <= high)).all():
                raise ValueError(f"the array {name} has values outside {low:g} to {high:g}")
