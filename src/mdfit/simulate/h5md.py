"""Trajectories in H5MD, for any number of replicas."""

from __future__ import annotations

import numpy as np

from mdfit.data import h5md
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import FrameByFrame, RestartHeader

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
            raise self.failed(error) from error
        self.count += 1
        return self._due(last)

    def as_kept(self, frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return frame

    def _read_frames(self, header: RestartHeader) -> list[dict[str, np.ndarray]]:
        columns: dict[str, list[np.ndarray]] = {name: [] for name in _UNITS}
        try:
            with h5md.open_to_write(self.path, "r+") as file:
                groups = [self._groups(file, replica) for replica in range(self.plan.replicas)]
                # All are looked at before one is changed.
                for name, group in ((name, group) for one in groups for name, group in one.items()):
                    columns[name].append(self._values(name, group))
                for group in (group for one in groups for group in one.values()):
                    h5md.truncate(group, self.count)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error}); restore the file, or start the run again in another file."
            ) from error
        arrays = {name: np.stack(values) for name, values in columns.items()}
        return [{name: array[:, index] for name, array in arrays.items()} for index in range(self.count)]

    def _values(self, name: str, group) -> np.ndarray:
        """The frames of a quantity that the restart file counts.

        Raises:
            CheckpointError: when some are missing.
            ValueError: when they are not those that were written.
        """
        found = h5md.complete_frames(group)
        if found < self.count:
            raise self.lost_frames(found)
        atoms = len(self.structure.species)
        shapes = {"positions": (atoms, 3), "velocities": (atoms, 3), "potential_energies": ()}
        single = ("float64",) if name in ("cells", "potential_energies", "stresses") else (self.plan.number_format,)
        # Positions far from the cell are kept in double precision.
        formats = (*single, "float64") if name == "positions" else single
        values, steps = group["value"], group["step"]
        # A file can promise more than it holds.
        if values.dtype.itemsize * int(np.prod(values.shape[1:])) * self.count > values.id.get_storage_size():
            raise ValueError(
                f"{group.name} holds {values.id.get_storage_size()} bytes, too few for {self.count} frames"
            )
        if values.shape[1:] != shapes.get(name, (3, 3)) or values.dtype not in formats:
            raise ValueError(f"{group.name} holds {values.dtype} of shape {values.shape[1:]}")
        if not np.array_equal(steps[: self.count], np.arange(1, self.count + 1) * self.plan.steps_between_frames):
            raise ValueError(f"the steps of {group.name} are not those of the run")
        kept: np.ndarray = values[: self.count]
        finite = np.isfinite(kept).reshape(self.count, -1).all(axis=1)
        if not finite.all():
            raise ValueError(f"frame {int(np.argmin(finite))} of {group.name} is not finite")
        return kept

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
        return {name: h5md.element(file, place) for name, place in self._places(replica).items()}

    def _append_value(self, group, value: np.ndarray) -> None:
        steps = np.array([(self.count + 1) * self.plan.steps_between_frames])
        h5md.append(group, self.count, np.asarray(value)[None], steps, self.plan.timestep)
