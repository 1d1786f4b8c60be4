"""What H5MD files, of mdfit and of other programs, say of their frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data import h5md
from mdfit.data.unwrapping import AMBIGUOUS, by_nearest_images, with_images
from mdfit.errors import DataError, StructureError
from mdfit.structure import Conditions
from mdfit.units import quantity

#: No array of numbers is compressed to less than this share of its bytes.
MOST_COMPRESSED = 1000
#: Names of :class:`Frames` and of the quantities of a file.
_QUANTITIES = {"positions": "positions", "forces": "forces", "cells": "cells", "energies": "potential_energies"}


def read_arrays(path: str | Path, particles: str | None = None) -> dict[str, Any]:
    """The arguments of :class:`mdfit.data.Frames` for a reference simulation or a trajectory in an H5MD file.

    See :meth:`mdfit.data.Frames.read`, which has the same arguments.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist (working directory {Path.cwd()}): check the name.")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, _choose(list(file["particles"]), particles, path), path)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as problem:
        raise DataError(f"{path} cannot be read as H5MD ({problem}): check that it is complete.") from problem


def particles_in(path: str | Path) -> list[str]:
    """The names of the groups of particles of an H5MD file, those with numbers in their order.

    Raises:
        DataError: the file is missing or damaged.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist (working directory {Path.cwd()}): check the name.")
    try:
        with h5py.File(path, "r") as file:
            return sorted(file["particles"], key=_by_number)
    except (OSError, LookupError, TypeError, AttributeError) as problem:
        raise DataError(f"{path} cannot be read as H5MD ({problem}): check that it is complete.") from problem


def _by_number(name: str) -> list[tuple[int, str]]:
    """replica_2 before replica_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _choose(available: list[str], particles: str | None, path: Path) -> str:
    if particles is None and len(available) == 1:
        return available[0]
    if particles not in available:
        raise DataError(f"{path} holds the particles {', '.join(available)}: choose one of them.")
    return particles


def _read(file: Any, particles: str, path: Path) -> dict[str, Any]:
    group = file[f"particles/{particles}"]
    arrays: dict[str, Any] = {
        name: _values(file[place.format(particles)], unit, f"{path}: {place.format(particles)}")
        for name, (place, unit) in ((name, h5md.QUANTITIES[kept]) for name, kept in _QUANTITIES.items())
        if place.format(particles) in file
    }
    changes = hasattr(group["box/edges"], "keys")
    if arrays["cells"].ndim == (2 if changes else 1):  # lengths of the edges of a box with right angles
        arrays["cells"] = arrays["cells"][..., None] * np.eye(3)
    periodic = np.array([_text(flag) == "periodic" for flag in group["box"].attrs["boundary"]])
    constraints = f"connectivity/{particles}/constraints"
    arrays |= {"unwrapped": True} if _by_mdfit(file) else _followed(arrays, periodic, group)
    return {
        "species": group["species"][:],
        "masses": group["mass"][:],
        "periodic": periodic,
        "times": _times(group["position"], path),
        "constraints": file[constraints][:] if constraints in file else np.zeros((0, 2), np.int64),
        "names": tuple(_text(name) for name in group["names"]) if "names" in group else (),
        "conditions": _conditions(file, particles),
        "frozen": group["frozen"][:].astype(bool) if "frozen" in group else None,
        "degrees_of_freedom": int(group.attrs[h5md.FREEDOM]) if h5md.FREEDOM in group.attrs else None,
        "source": str(path),
        **arrays,
    }


def _conditions(file: Any, particles: str) -> Conditions:
    """The conditions that a file of mdfit names, those of the particles before those of all."""
    places = [place for place in ("parameters", f"parameters/{particles}") if place in file]
    stated = {name: value for place in places for name, value in file[place].attrs.items()}
    temperature, pressure = (float(stated[n]) if n in stated else None for n in ("temperature", "pressure"))
    ensemble: Any = _text(stated["ensemble"]) if "ensemble" in stated else None
    try:
        return Conditions(ensemble, temperature, pressure)
    except StructureError as problem:
        raise DataError(f"{file.filename}: {problem}") from None


def _values(element: Any, unit: str, where: str) -> np.ndarray:
    """A quantity in our unit; elements that do not change in time are datasets of their own."""
    dataset = element["value"] if hasattr(element, "keys") else element
    return _converted(dataset, unit, where)


def _converted(dataset: Any, unit: str, where: str) -> np.ndarray:
    stated = dataset.attrs.get("unit")
    if stated is None:
        raise DataError(f"{where} does not state its unit: add the attribute unit, such as '{unit}'.")
    # A file can promise more than it holds.
    if dataset.nbytes > MOST_COMPRESSED * max(dataset.id.get_storage_size(), 1) and dataset.size:
        raise ValueError(f"{dataset.name} holds {dataset.id.get_storage_size()} of {dataset.nbytes} bytes")
    values = dataset[()]
    if _text(stated) == unit:
        return values
    # H5MD writes powers behind the unit and products with blanks: "kJ mol-1 nm-1".
    words = [re.sub(r"(?<=[^\W\d])([-+]?\d+)$", r"^(\1)", word) for word in _text(stated).split()]
    return values * quantity(f"1 {'*'.join(words)}", unit.replace(" Å-1", "/Å"), where)


def _times(element: Any, path: Path) -> np.ndarray:
    """Times in fs; H5MD also knows a fixed interval with an offset."""
    if "time" not in element:
        raise DataError(f"{path} does not state the times of its frames: add them to the positions.")
    times = _converted(element["time"], "fs", f"{path}: the times of the positions")
    if times.ndim == 0:
        times = times * np.arange(len(element["value"]))
    return np.asarray(times, np.float64)


def _by_mdfit(file: Any) -> bool:
    return "h5md/creator" in file and _text(file["h5md/creator"].attrs.get("name", "")) == "mdfit"


def _followed(arrays: dict[str, Any], periodic: np.ndarray, group: Any) -> dict[str, Any]:
    """Positions of other programs, which may have been put back into the cell, and whether they are unwrapped now."""
    positions, cells = arrays["positions"], np.broadcast_to(arrays["cells"], (len(arrays["positions"]), 3, 3))
    if "image" in group:
        images = np.asarray(group["image/value"][()], np.int64)
        moved = [with_images(*frame) for frame in zip(positions, cells, images, strict=True)]
        return {"positions": np.stack(moved), "unwrapped": True}
    moved_by, largest = by_nearest_images(positions, cells, periodic)
    if largest > AMBIGUOUS:
        return {"unwrapped": False}
    return {"positions": moved_by, "unwrapped": True}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
