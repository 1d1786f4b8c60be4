"""Trajectories in H5MD, for any number of replicas."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdfit.data import h5md
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import FrameByFrame

_UNITS = {"positions": "Å", "velocities": "Å/10.18fs", "cells": "Å", "potential_energies": "eV", "stresses": "eV Å-3"}


class H5MDOutput(FrameByFrame):
    """See :mod:`mdfit.data.h5md`."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        try:
            h5md.check_free_space(self.path.parent, sum(array.nbytes for array in frame.values()))
            with h5md.open_to_write(self.path, "a") as file:
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
        columns: dict[str, list[np.ndarray]] = {name: [] for name in _UNITS}
        with self._readable() as file:
            for replica in range(self.plan.replicas):
                for name, group in self._groups(file, replica).items():
                    h5md.truncate(group, self.count)
                    columns[name].append(group["value"][:])
        arrays = {name: np.stack(values) for name, values in columns.items()}
        return [{name: array[:, index] for name, array in arrays.items()} for index in range(self.count)]

    def _readable(self):
        try:
            return h5md.open_to_write(self.path, "r+")
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error}); start the run again in another file."
            ) from error

    def _describe(self, file, frame) -> None:
        h5md.write_header(file)
        for replica in range(len(frame["positions"])):
            kept = self.structure
            h5md.write_particles(file, f"replica_{replica}", kept.species, kept.masses, kept.periodic)
            for name, place in self._places(replica).items():
                value = np.asarray(frame[name][replica])
                h5md.create_element(file, place, value.shape, value.dtype, _UNITS[name])

    def _places(self, replica: int) -> dict[str, str]:
        return {
            "positions": f"particles/replica_{replica}/position",
            "velocities": f"particles/replica_{replica}/velocity",
            "cells": f"particles/replica_{replica}/box/edges",
            "potential_energies": f"observables/replica_{replica}/potential_energy",
            "stresses": f"observables/replica_{replica}/stress",
        }

    def _groups(self, file, replica: int):
        return {name: file[place] for name, place in self._places(replica).items()}

    def _append_value(self, group, value: np.ndarray) -> None:
        steps = np.array([(self.count + 1) * self.plan.steps_between_frames])
        h5md.append(group, self.count, np.asarray(value)[None], steps, self.plan.timestep)
