"""Trajectories in H5MD, for any number of replicas."""

from __future__ import annotations

import errno
import os
import shutil
from typing import Any

import numpy as np

from mdfit._version import __version__
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import RestartableOutput

#: Bytes that must stay free beyond a frame, for the tables of an HDF5 file.
SPARE = 2**20

_UNITS = {"positions": "Å", "velocities": "Å/10.18fs", "cells": "Å", "potential_energies": "eV", "stresses": "eV Å-3"}


class H5MDOutput(RestartableOutput):
    """H5MD 1.1 (P. de Buyl et al., Comput. Phys. Commun. 185, 1546 (2014), doi:10.1016/j.cpc.2014.01.018)."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        import h5py

        try:
            # HDF5 cannot recover a file whose disk filled up half-way through a write.
            needed = sum(array.nbytes for array in frame.values()) + SPARE
            if shutil.disk_usage(self.path.parent).free < needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with h5py.File(self.path, "a") as file:
                if "h5md" not in file:
                    self._describe(file, frame)
                for replica in range(len(frame["positions"])):
                    for name, group in self._groups(file, replica).items():
                        self._append_value(group, frame[name][replica])
        except (OSError, RuntimeError) as error:
            raise self._failed(error) from error
        self.count += 1
        return self._due(last)

    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]:
        import h5py

        columns: dict[str, list[np.ndarray]] = {name: [] for name in _UNITS}
        with self._readable(h5py) as file:
            for replica in range(self.plan.replicas):
                for name, group in self._groups(file, replica).items():
                    for dataset in group.values():
                        dataset.resize(self.count, axis=0)
                    columns[name].append(group["value"][:])
        arrays = {name: np.stack(values) for name, values in columns.items()}
        return [{name: array[:, index] for name, array in arrays.items()} for index in range(self.count)]

    def _readable(self, h5py):
        try:
            return h5py.File(self.path, "r+")
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error}); start the run again in another file."
            ) from error

    def _describe(self, file, frame) -> None:
        header = file.create_group("h5md")
        header.attrs["version"] = np.array([1, 1])
        header.create_group("author").attrs["name"] = "mdfit"
        creator = header.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "mdfit", __version__
        for replica in range(len(frame["positions"])):
            group = file.create_group(f"particles/replica_{replica}")
            group["species"], group["mass"] = self.structure.species, self.structure.masses
            box = group.create_group("box")
            box.attrs["dimension"] = 3
            box.attrs["boundary"] = ["periodic" if flag else "none" for flag in self.structure.periodic]
            for name, element in self._groups(file, replica, create=True).items():
                shape = np.shape(frame[name][replica])
                data = element.create_dataset(
                    "value", (0, *shape), np.asarray(frame[name]).dtype, maxshape=(None, *shape)
                )
                data.attrs["unit"] = _UNITS[name]
                element.create_dataset("step", (0,), np.int64, maxshape=(None,))
                element.create_dataset("time", (0,), np.float64, maxshape=(None,)).attrs["unit"] = "fs"

    def _groups(self, file, replica: int, create: bool = False):
        places = {
            "positions": f"particles/replica_{replica}/position",
            "velocities": f"particles/replica_{replica}/velocity",
            "cells": f"particles/replica_{replica}/box/edges",
            "potential_energies": f"observables/replica_{replica}/potential_energy",
            "stresses": f"observables/replica_{replica}/stress",
        }
        return {name: file.require_group(place) if create else file[place] for name, place in places.items()}

    def _append_value(self, group, value: np.ndarray) -> None:
        step = (self.count + 1) * self.plan.steps_between_frames
        for name, item in (("value", value), ("step", step), ("time", step * self.plan.timestep)):
            dataset = group[name]
            dataset.resize(self.count + 1, axis=0)
            dataset[self.count] = item
