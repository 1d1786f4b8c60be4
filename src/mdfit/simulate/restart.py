"""Trajectories that go on where they stopped: the restart file beside a trajectory, and what must not change."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.errors import CheckpointError, OutputError
from mdfit.simulate.state_point import StatePoint
from mdfit.storage import fill_tree, read_header, write_tree

#: Frames between restart files.
RESTART_EVERY = 50


@dataclass(frozen=True)
class Plan:
    """How the frames come about; a run is only resumed with the same plan.  Times in fs, temperature in K, bar."""

    sampler: str
    temperature: float
    pressure: float | None
    timestep: float
    steps_of_equilibration: int
    steps_between_frames: int
    replicas: int
    number_format: str
    potential: str
    """:func:`mdfit.potentials.fingerprint.fingerprint`"""
    atoms: str
    """digest of elements, masses, periodic directions and frozen atoms"""


#: What of a plan is a fingerprint, and how to say that it differs.
_FINGERPRINTS = {
    "potential": "another potential",
    "atoms": "other elements, masses, periodic directions or frozen atoms",
}


def restart_path(out: str | Path) -> Path:
    """The restart file beside a trajectory."""
    return Path(out).with_name(Path(out).name + ".restart")


def can_resume(out: str | Path) -> bool:
    """Whether a run has left enough in ``out`` to go on: a restart file, and frames unless it stopped before the first.

    Raises:
        CheckpointError: when the restart file is damaged.
    """
    restart = restart_path(out)
    return restart.exists() and (Path(out).exists() or read_header(restart, CheckpointError)[0].get("frames") == 0)


class RestartableOutput:
    """The restart file beside a trajectory."""

    def __init__(self, path: Path, state_point: StatePoint, plan: Plan):
        self.path = path
        self.structure = state_point.structure
        self.plan = plan
        self.count = 0

    def write_restart(self, checkpoint: Any) -> None:
        header = {
            "format": "mdfit restart",
            "frames": self.count,
            # Without a frame there is no file yet.
            "bytes": self.path.stat().st_size if self.count else 0,
            "plan": dataclasses.asdict(self.plan),
        }
        write_tree(restart_path(self.path), checkpoint, header)

    def restart(self, skeleton: Any) -> Any:
        path = restart_path(self.path)
        return fill_tree(skeleton, read_header(path, CheckpointError)[1], path, CheckpointError)

    def rewind(self) -> dict[str, Any]:
        """Takes up the run of the restart file, whose header it returns; the frames after it are still in the file.

        Raises:
            CheckpointError: when the file is damaged, or its run had other settings.
        """
        path = restart_path(self.path)
        header = read_header(path, CheckpointError)[0]
        if header.get("format") != "mdfit restart":
            raise CheckpointError(f"{path} is not a restart file of mdfit; start the run again.")
        self._check_plan(header["plan"])
        self.count = int(header["frames"])
        if self.count == 0:
            self.path.unlink(missing_ok=True)
        return header

    def _check_plan(self, before: dict[str, Any]) -> None:
        now = dataclasses.asdict(self.plan)
        different = [name for name in now if before.get(name) != now[name]]
        unknown = [name for name in _FINGERPRINTS if name not in before]
        if unknown:
            raise CheckpointError(
                f"{self.path} was written by an earlier version of mdfit, which did not note its {unknown[0]}, so that a "
                "change would not be seen; start the run again in another file."
            )
        if different:
            changes = ", ".join(
                _FINGERPRINTS.get(name) or f"{name.replace('_', ' ')} {before.get(name)} (now {now[name]})"
                for name in different
            )
            raise CheckpointError(
                f"{self.path} was written with {changes}; resume with the same settings or choose another file."
            )

    def _due(self, last: bool) -> bool:
        # After the first frame, too, so that a long equilibration is never lost.
        return last or self.count == 1 or self.count % RESTART_EVERY == 0

    def _failed(self, error: OSError | RuntimeError) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        remedy = "resume" if restart_path(self.path).exists() else "run it again"
        return OutputError(
            f"Could not write frame {self.count} to {self.path}: {reason}; the frames before are intact. "
            f"Free some space, then {remedy}."
        )


class FrameByFrame(RestartableOutput, ABC):
    """A trajectory whose frames are read again when its run goes on."""

    def frames(self) -> list[dict[str, np.ndarray]]:
        header = self.rewind()
        return self._read_frames(header) if self.count else []

    @abstractmethod
    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]: ...
