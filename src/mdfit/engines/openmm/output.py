"""The file of a reference simulation, and the restart file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data import Frames, h5md
from mdfit.data.frame_files import append_frames, complete_frames, create_frames, truncate_frames
from mdfit.errors import CheckpointError
from mdfit.simulate.restart import Plan, RestartableOutput, read_restart
from mdfit.simulate.state_point import StatePoint

#: The group of the H5MD file.
PARTICLES = "atoms"


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

    def append(self, frame: Frames, last: bool) -> bool:
        """Takes one frame; true when a restart file is due, and then all frames are in the file."""
        self._waiting.append(frame)
        self.count += 1
        due = self._due(last)
        if due:
            self.flush()
        return due

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
            raise self.failed(error) from error
        self._waiting.clear()

    def write_restart(self, checkpoint: Any) -> None:
        self.flush()
        super().write_restart(checkpoint)

    def resume(self) -> dict[str, np.ndarray]:
        """Goes back to the restart file: removes later frames, and returns the arrays of the checkpoint.

        Raises:
            CheckpointError: when a file is damaged, or the run had other settings.
        """
        self.rewind()
        checkpoint = read_restart(self.path)[1]
        if sorted(checkpoint) != ["exact", "portable", "steps"] or checkpoint["steps"].shape != ():
            raise CheckpointError(f"The restart file of {self.path} is damaged; start the run again in another file.")
        self.check_steps(int(checkpoint["steps"]))
        if self.count:
            try:
                with h5md.open_to_write(self.path, "r+") as file:
                    found = complete_frames(file, PARTICLES)
                    if found < self.count:
                        raise self.lost_frames(found)
                    truncate_frames(file, PARTICLES, self.count)
            except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
                raise CheckpointError(
                    f"{self.path} cannot be read ({error}); restore the file, or start the run again in another file."
                ) from error
        return checkpoint


def _joined(frames: list[Frames]) -> Frames:
    import dataclasses

    names = ("positions", "forces", "cells", "energies")
    arrays: dict[str, Any] = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in names}
    return dataclasses.replace(frames[0], **arrays)
