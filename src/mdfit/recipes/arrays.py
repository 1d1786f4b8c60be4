"""Arrays that a run leaves for its report."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdfit.errors import CheckpointError
from mdfit.storage import atomic_path, open_regular

#: More bytes than any file of a run has when it is unpacked.
LARGEST = 2**33
DELETE = "delete it and `mdfit resume` its run."


@dataclass(frozen=True)
class Layout:
    """What an array must be.

    Attributes:
        dimensions: a name for each; those of the same name are equally long in all arrays of a file, a number is a length.
        kinds: letters of numpy's kinds: ``f`` for floating-point numbers, ``i`` for integers, ``U`` for text.
        required: whether it must be there.
        group: of those that are all there or none.
        may_be_empty: whether it may have no values.
        bounds: of all values, which are then finite.
        increasing: whether each value is larger than the one before.
    """

    dimensions: tuple[str | int, ...]
    kinds: str = "f"
    required: bool = True
    group: str | None = None
    may_be_empty: bool = False
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
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise ValueError("it is too large")
            # All headers before any array, since an array may be far larger than its compressed form.
            headers = [(info, _read_header(archive, info)) for info in archive.infolist()]
            found = _layouts_of({info.filename.removesuffix(".npy"): header for info, header in headers}, layouts)
            if len(found) < len(headers):
                raise ValueError("an array is there twice")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in found}
        for name, layout in found.items():
            _check_values(name, arrays[name], layout)
        return arrays
    except Exception as error:  # zip files and headers break in many ways
        raise CheckpointError(f"{path} is damaged ({error}): {DELETE}") from error


class _Header(NamedTuple):
    """What an array claims to be."""

    shape: tuple[int, ...]
    dtype: np.dtype


def _read_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    """The header of an array, which has the bytes that it claims."""
    with archive.open(info) as stream:
        read: dict[Any, Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read[np.lib.format.read_magic(stream)](stream)
    claimed = int(np.prod([int(length) for length in shape], dtype=object)) * dtype.itemsize
    if dtype.hasobject or not 0 <= claimed <= info.file_size:
        raise ValueError(f"{info.filename} does not hold what it says")
    return _Header(shape, dtype)


def _layouts_of(arrays: dict[str, _Header], layouts: Mapping[str, Layout]) -> dict[str, Layout]:
    """The layout of each array, which has its type and shape; raises ValueError otherwise."""
    exact = {name: layout for name, layout in layouts.items() if not name.endswith("*")}
    beginnings = {name[:-1]: layout for name, layout in layouts.items() if name.endswith("*")}
    begun = {layout.group for name, layout in exact.items() if layout.group is not None and name in arrays}
    missing = [
        name for name, layout in exact.items() if name not in arrays and (layout.required or layout.group in begun)
    ]
    if missing:
        raise ValueError(f"the array {missing[0]} is missing")
    found: dict[str, Layout] = {}
    lengths: dict[str | int, int] = {}
    for name, array in arrays.items():
        layout = exact.get(name) or next((one for begin, one in beginnings.items() if name.startswith(begin)), None)
        if layout is None:
            raise ValueError(f"the array {name} is unknown")
        fits = len(array.shape) == len(layout.dimensions) and array.dtype.kind in layout.kinds
        for dimension, length in zip(layout.dimensions, array.shape, strict=False):
            fits &= length == (dimension if isinstance(dimension, int) else lengths.setdefault(dimension, length))
        # Of formats that only some machines have there are none.
        if not fits or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)):
            raise ValueError(f"the array {name} is {array.dtype}{list(array.shape)}")
        if 0 in array.shape and not layout.may_be_empty:
            raise ValueError(f"the array {name} is empty")
        found[name] = layout
    return found


def _check_values(name: str, array: np.ndarray, layout: Layout) -> None:
    """Raises ValueError when the values of an array are not as its layout says."""
    if array.dtype.kind == "U":
        "".join(array.ravel()).encode()  # halves of surrogate pairs cannot be written again
    if layout.increasing and not (np.diff(array) > 0).all():
        raise ValueError(f"the array {name} does not increase")
    if layout.bounds is not None and array.size:
        low, high = layout.bounds
        if not ((low <= array) & (array <= high)).all():
            raise ValueError(f"the array {name} has values outside {low:g} to {high:g}")
