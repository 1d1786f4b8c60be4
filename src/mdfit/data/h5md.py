"""H5MD files: what all trajectories of mdfit have in common.

H5MD 1.1: P. de Buyl et al., Comput. Phys. Commun. 185, 1546 (2014), doi:10.1016/j.cpc.2014.01.018.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mdfit._version import __version__
from mdfit.errors import OutputError

#: What a frame holds: where, ``{}`` being the particles, and in which unit.
QUANTITIES = {
    "positions": ("particles/{}/position", "Å"),
    "velocities": ("particles/{}/velocity", "Å/10.18fs"),
    "forces": ("particles/{}/force", "eV Å-1"),
    "cells": ("particles/{}/box/edges", "Å"),
    "potential_energies": ("observables/{}/potential_energy", "eV"),
    "stresses": ("observables/{}/stress", "eV Å-3"),
    "force_spreads": ("observables/{}/force_spread", "eV Å-1"),
    "energy_spreads": ("observables/{}/energy_spread", "eV"),
    "virial_spreads": ("observables/{}/virial_spread", "eV"),
}
#: What mdfit writes beside particles that H5MD does not know.
FREEDOM = "degrees_of_freedom"
#: Seconds to wait for a program that reads a file which is to be written.
PATIENCE = 60.0
#: Bytes that must stay free beyond what is written, for the tables of an HDF5 file.
SPARE = 2**20


def check_free_space(folder: Path, needed: int) -> None:
    """HDF5 cannot recover a file whose disk filled up half-way through a write.

    Raises:
        OSError: when ``needed`` bytes and the spare ones are not free.
    """
    if shutil.disk_usage(folder).free < needed + SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_to_write(path: Path, mode: Literal["a", "r+"]) -> Any:
    """The file, as soon as no other program that reads it holds its lock.

    Raises:
        OSError: it cannot be opened.
        OutputError: another program still reads it after a minute.
    """
    import h5py

    began = time.monotonic()
    while True:
        try:
            return h5py.File(path, mode)
        except BlockingIOError:
            if time.monotonic() - began > PATIENCE:
                raise OutputError(f"{path} is open in another program: close it there, then resume.") from None
            time.sleep(0.05)


def write_header(file: Any) -> None:
    """Version, author and creator."""
    header = file.create_group("h5md")
    header.attrs["version"] = np.array([1, 1])
    header.create_group("author").attrs["name"] = "mdfit"
    creator = header.create_group("creator")
    creator.attrs["name"], creator.attrs["version"] = "mdfit", __version__


def write_particles(file: Any, name: str, species: np.ndarray, masses: np.ndarray, periodic: np.ndarray) -> Any:
    """The group ``particles/<name>`` with what does not change, and its box."""
    group = file.create_group(f"particles/{name}")
    group["species"], group["mass"] = species, masses
    box = group.create_group("box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = ["periodic" if flag else "none" for flag in periodic]
    return group


def create_element(file: Any, place: str, shape: Sequence[int], dtype: Any, unit: str) -> None:
    """A quantity that changes: values in ``unit``, steps, and times in fs."""
    element = file.require_group(place)
    # Checksums: what the disk has changed is not read as a frame.
    data = element.create_dataset("value", (0, *shape), dtype, maxshape=(None, *shape), fletcher32=True)
    data.attrs["unit"] = unit
    element.create_dataset("step", (0,), np.int64, maxshape=(None,), fletcher32=True)
    times = element.create_dataset("time", (0,), np.float64, maxshape=(None,), fletcher32=True)
    times.attrs["unit"] = "fs"


def append(element: Any, start: int, values: np.ndarray, steps: np.ndarray, timestep: float) -> None:
    """Values of several steps, behind the first ``start`` ones; the time step in fs."""
    for name, items in (("value", values), ("step", steps), ("time", steps * timestep)):
        dataset = element[name]
        dataset.resize(start + len(items), axis=0)
        dataset[start:] = items


def element(file: Any, place: str) -> Any:
    """A quantity that changes, which is all in this file.

    Raises:
        KeyError: there is none.
        ValueError: a part of it is in another file, which must not be written.
    """
    found = file[place]
    for part in (found, *(found[name] for name in ("value", "step", "time"))):
        elsewhere = part.file.filename != file.filename
        if elsewhere or (hasattr(part, "external") and (part.external or part.is_virtual)):
            raise ValueError(f"{place} is in another file")
    return found


def complete_frames(element: Any) -> int:
    """How many frames have value, step and time."""
    return min(len(element[name]) for name in ("value", "step", "time"))


def truncate(element: Any, count: int) -> None:
    """Keeps the first ``count`` values."""
    for dataset in element.values():
        dataset.resize(count, axis=0)
