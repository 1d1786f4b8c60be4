"""The file of a reference simulation, and the restart file beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data import Frames, h5md
from mdfit.data.frame_files import append_frames, create_frames, truncate_frames
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import Plan, RestartableOutput, restart_path
from mdfit.simulate.state_point import StatePoint
from mdfit.storage import read_header

#: The group of the H5MD file.
PARTICLES = "atoms"
#: Longest time between restart files, in seconds.
RESTART_AFTER = 120.0


class FramesOutput(RestartableOutput):
    """Frames in H5MD, written together with a restart file, because frames behind it would be lost on resuming.

    Args:
        path: the file.
        state_point: the atoms that are saved.
        plan: of the run.
    """

    def __init__(self, path: Path, state_point: StatePoint, plan: Plan):
        super().__init__(path, state_point, plan)
        self._waiting: list[Frames] = []
        self._written_at = time.monotonic()

    def append(self, frame: Frames, last: bool) -> bool:
        """Takes one frame; true when a restart file is due, and then all frames are in the file."""
        self._waiting.append(frame)
        self.count += 1
        due = self._due(last) or self.restart_due()
        if due:
            self.flush()
        return due

    def restart_due(self) -> bool:
        """Whether the last restart file is old."""
        return time.monotonic() - self._written_at > RESTART_AFTER

    def flush(self) -> None:
        """Writes the frames that wait.

        Raises:
            OutputError: the disk is full.
        """
        if not self._waiting:
            return
        start = self.count - len(self._waiting)
        frames = _joined(self._waiting)
        steps = np.arange(start + 1, self.count + 1) * self.plan.steps_between_frames
        try:
            h5md.check_free_space(self.path.parent, 2 * frames.positions.nbytes + frames.cells.nbytes)
            with h5md.open_to_write(self.path, "a") as file:
                if "h5md" not in file:
                    create_frames(file, PARTICLES, frames)
                append_frames(file, PARTICLES, start, frames, steps, self.plan.timestep)
        except (OSError, RuntimeError) as error:
            raise self._failed(error) from error
        self._waiting.clear()

    def write_restart(self, checkpoint: Any) -> None:
        self.flush()
        super().write_restart(checkpoint)
        self._written_at = time.monotonic()

    def resume(self) -> dict[str, np.ndarray]:
        """Goes back to the restart file: removes later frames, and returns the arrays of the checkpoint.

        Raises:
            CheckpointError: when a file is damaged, or the run had other settings.
        """
        self.rewind()
        if self.count:
            try:
                with h5md.open_to_write(self.path, "r+") as file:
                    truncate_frames(file, PARTICLES, self.count)
            except (OSError, KeyError) as error:
                raise CheckpointError(
                    f"{self.path} cannot be read ({error}); start the run again in another file."
                ) from error
        return read_header(restart_path(self.path), CheckpointError)[1]


def _joined(frames: list[Frames]) -> Frames:
    import dataclasses

    names = ("positions", "forces", "cells", "energies")
    arrays: dict[str, Any] = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in names}
    return dataclasses.replace(frames[0], **arrays)
