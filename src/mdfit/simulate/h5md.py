"""Trajectories in H5MD, for any number of replicas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data import h5md
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import Output, Plan, RestartHeader
from mdfit.simulate.trajectory import SPREADS, Recording

#: Seconds for which frames may wait before they are written.
LONGEST_WAIT = 1.0
#: One number for each frame.
_SCALARS = ("potential_energies", *SPREADS.values())
#: What is recorded in double precision whatever the positions have.
_DOUBLE = ("cells", "stresses", *_SCALARS)


class H5MDOutput(Output):
    """See :mod:`mdfit.data.h5md`; replicas are groups of particles."""

    def __init__(self, path: Path, recording: Recording, plan: Plan):
        super().__init__(path, recording, plan)
        self._waiting: list[dict[str, np.ndarray]] = []
        self._flushed_at = time.monotonic()

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        self._waiting.append(frame)
        self.count += 1
        due = self._due(last)
        # Opening a file takes longer than the dynamics of a small molecule.
        if due or time.monotonic() - self._flushed_at > LONGEST_WAIT:
            self.flush()
        return due

    def flush(self) -> None:
        if not self._waiting:
            return
        frames, start = self._waiting, self.count - len(self._waiting)
        arrays = {name: np.stack([frame[name] for frame in frames], axis=1) for name in frames[0]}
        steps = np.arange(start + 1, self.count + 1) * self.plan.steps_between_frames
        self._waiting = []
        try:
            h5md.check_free_space(self.path.parent, sum(array.nbytes for array in arrays.values()))
            with h5md.open_to_write(self.path, "a") as file:
                # A file that goes on was looked at when it was read.
                if start == 0 and "h5md" not in file:
                    self._describe(file, arrays)
                for name, values in arrays.items():
                    for replica, own in enumerate(values):
                        group = h5md.element(file, _place(name, replica))
                        h5md.append(group, start, own, steps, self.plan.timestep)
                        arrays[name] = values.astype(group["value"].dtype, copy=False)
        except (OSError, RuntimeError) as error:
            self.count = start
            raise self.failed(error) from error
        self._digest_frames(arrays)
        self._flushed_at = time.monotonic()

    def _digest_frames(self, arrays: dict[str, np.ndarray]) -> None:
        """Adds frames, ``(replicas, frames, ...)`` of each quantity as the file has them."""
        for frame in range(next(iter(arrays.values())).shape[1]):
            for name in sorted(arrays):
                self.digest.update(np.ascontiguousarray(arrays[name][:, frame]).tobytes())

    def as_kept(self, frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return frame

    def _read_frames(self, header: RestartHeader) -> list[dict[str, np.ndarray]]:
        columns: dict[str, list[np.ndarray]] = {}
        try:
            with h5md.open_to_write(self.path, "r+") as file:
                recorded = [name for name in h5md.QUANTITIES if _place(name, 0) in file]
                missing = {"positions", "cells", "potential_energies"} - set(recorded)
                if missing:
                    raise KeyError(f"no {missing.pop().replace('_', ' ')}")
                for place in ("h5md", *self._descriptions()):
                    if place not in file:
                        raise KeyError(f"no {place}")
                groups = [
                    (name, h5md.element(file, _place(name, replica)))
                    for replica in range(self.plan.replicas)
                    for name in recorded
                ]
                self._check_particles(file)
                # All are looked at before one is changed.
                for name, group in groups:
                    columns.setdefault(name, []).append(self._values(name, group))
                for _, group in groups:
                    h5md.truncate(group, self.count)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error}); restore the file, or start the run again in another file."
            ) from error
        arrays = {name: np.stack(values) for name, values in columns.items()}
        self._digest_frames(arrays)
        return [{name: array[:, index] for name, array in arrays.items()} for index in range(self.count)]

    def _is_own_beginning(self) -> bool:
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                return file["parameters"].attrs.get("run") == self.run
        except (OSError, KeyError, AttributeError):
            return False

    def _check_particles(self, file: Any) -> None:
        """Raises ValueError when what a file says beside its frames is not that of this run."""
        particles = self.recording.particles
        boundary = ["periodic" if flag else "none" for flag in particles.periodic]
        for replica in range(self.plan.replicas):
            group = file[f"particles/replica_{replica}"]
            same = np.array_equal(group["species"][()], particles.species) and np.array_equal(
                group["mass"][()], particles.masses
            )
            if not same or [str(flag) for flag in group["box"].attrs["boundary"]] != boundary:
                raise ValueError("it holds other atoms")

    def _values(self, name: str, group: Any) -> np.ndarray:
        """The frames of a quantity that the restart file counts.

        Raises:
            CheckpointError: when some are missing.
            ValueError: when they are not those that were written.
        """
        found = h5md.complete_frames(group)
        if found < self.count:
            raise self.lost_frames(found)
        atoms = self.recording.particles.number
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("positions", "velocities", "forces"), (atoms, 3))
        shapes |= dict.fromkeys(_SCALARS, ())
        single = ("float64",) if name in _DOUBLE else (self.plan.number_format,)
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
        expected = np.arange(1, self.count + 1) * self.plan.steps_between_frames
        times = group["time"][: self.count]
        if not np.array_equal(steps[: self.count], expected) or not np.allclose(times, expected * self.plan.timestep):
            raise ValueError(f"the steps or times of {group.name} are not those of the run")
        if values.attrs.get("unit") != h5md.QUANTITIES[name][1]:
            raise ValueError(f"{group.name} has another unit")
        kept: np.ndarray = values[: self.count]
        finite = np.isfinite(kept).reshape(self.count, -1).all(axis=1)
        if not finite.all():
            raise ValueError(f"frame {int(np.argmin(finite))} of {group.name} is not finite")
        return kept

    def _descriptions(self) -> list[str]:
        """Where a file says what its particles are."""
        names = [f"replica_{replica}" for replica in range(self.plan.replicas)]
        parts = ("particles/{}/species", "particles/{}/mass", "particles/{}/box", "connectivity/{}/constraints")
        return [part.format(name) for name in names for part in parts]

    def _describe(self, file: Any, arrays: dict[str, np.ndarray]) -> None:
        h5md.write_header(file)
        file.require_group("parameters").attrs["run"] = self.run
        recording, particles = self.recording, self.recording.particles
        each = self.plan.replicas // len(recording.conditions)
        for replica in range(self.plan.replicas):
            name = f"replica_{replica}"
            group = h5md.write_particles(file, name, particles.species, particles.masses, particles.periodic)
            group["names"] = np.array(particles.names, dtype=object) if particles.names else np.zeros(0, "S1")
            file[f"connectivity/{name}/constraints"] = particles.constraints
            group.attrs[h5md.FREEDOM] = particles.degrees_of_freedom
            if particles.frozen is not None:
                group["frozen"] = particles.frozen
            stated = file.require_group(f"parameters/{name}").attrs
            conditions = recording.conditions[replica // each]
            for condition in ("temperature", "pressure", "ensemble"):
                if getattr(conditions, condition) is not None:
                    stated[condition] = getattr(conditions, condition)
        for name, values in arrays.items():
            unit = h5md.QUANTITIES[name][1]
            for replica in range(self.plan.replicas):
                h5md.create_element(file, _place(name, replica), values.shape[2:], values.dtype, unit)


def _place(name: str, replica: int) -> str:
    return h5md.QUANTITIES[name][0].format(f"replica_{replica}")
