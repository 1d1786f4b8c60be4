"""Trajectories that go on where they stopped: the restart file beside a trajectory, and what must not change."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mdfit._version import __version__
from mdfit.errors import CheckpointError, OutputError
from mdfit.simulate.trajectory import Recording
from mdfit.storage import Document, checked, only_writer, read_header, remedy, synchronise, write_tree

#: Frames between restart files, and the longest time between them in seconds.
RESTART_EVERY, RESTART_AFTER = 50, 120.0
#: Of restart files; those of version 1 do not tell start, random key and version of mdfit.
FORMAT_VERSION = 2


@dataclass(frozen=True)
class Plan:
    """How the frames come about; a run is only resumed with the same plan.  Times in fs, temperature in K, bar."""

    sampler: str
    temperature: float | str | None
    pressure: float | str | None
    timestep: float
    steps_of_equilibration: int
    steps_between_frames: int
    replicas: int
    number_format: str
    potential: str
    """fingerprint of what makes the forces, by the engine"""
    atoms: str
    """digest of elements, masses, periodic directions and frozen atoms"""
    start: str
    """digest of positions, velocities and cells at the start"""
    random: str
    """digest of the random key"""
    engine: str
    mdfit_version: str = __version__


#: What of a plan is a fingerprint, and how to say that it differs.
_FINGERPRINTS = {
    "potential": "another potential",
    "atoms": "other elements, masses, periodic directions or frozen atoms",
    "start": "other positions, velocities or another cell at the start",
    "random": "another random key or seed",
}


class RestartHeader(Document):
    """What a restart file says beside its arrays."""

    format: Literal["mdfit restart"]
    format_version: int = 1
    frames: Annotated[int, Field(ge=0, le=2**48)]
    bytes: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """of the frames"""
    plan: dict[str, str | int | float | None]


def restart_path(out: str | Path) -> Path:
    """The restart file beside a trajectory."""
    return Path(out).with_name(Path(out).name + ".restart")


def read_restart(out: str | Path) -> tuple[RestartHeader, dict[str, np.ndarray]]:
    """Header and arrays of the restart file beside a trajectory.

    Raises:
        CheckpointError: when it is missing, damaged or of a newer version of mdfit.
    """
    path = restart_path(out)
    header, arrays = read_header(path, CheckpointError, FORMAT_VERSION)
    if header.get("format") != "mdfit restart":
        raise CheckpointError(f"{path} is not a restart file of mdfit; start the run again.")
    return checked(header, RestartHeader, path), arrays


def can_resume(out: str | Path) -> bool:
    """Whether a run has left enough in ``out`` to go on: a restart file, and frames unless it stopped before the first.

    Raises:
        CheckpointError: when the restart file is damaged.
    """
    return restart_path(out).exists() and (Path(out).exists() or read_restart(out)[0].frames == 0)


def writing(out: str | Path) -> AbstractContextManager[None]:
    """Holds the lock of a trajectory; see :func:`mdfit.storage.only_writer`."""
    path = Path(out)
    return only_writer(path.with_name(f".{path.name}.lock"), path)


class Output(ABC):
    """A trajectory file, which grows as a simulation goes, and the restart file beside it.

    Args:
        path: of the trajectory.
        recording: what it says beside its frames.
        plan: of the run.

    Attributes:
        count: frames so far.
        digest: of the frames so far, so that others are not taken for them.
    """

    def __init__(self, path: Path, recording: Recording, plan: Plan):
        self.path = path
        self.recording = recording
        self.plan = plan
        self.count = 0
        self.digest = hashlib.sha256()
        self._written_at = time.monotonic()

    @abstractmethod
    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        """Takes a frame; true when a restart file is due.

        Raises:
            OutputError: when it cannot be written.
        """

    @abstractmethod
    def as_kept(self, frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The frame as it will be read back."""

    @abstractmethod
    def flush(self) -> None:
        """Writes frames that wait."""

    @abstractmethod
    def _read_frames(self, header: RestartHeader) -> list[dict[str, np.ndarray]]:
        """The frames that the restart file counts, added to the digest; later ones are removed."""

    @abstractmethod
    def _is_own_beginning(self) -> bool:
        """Whether a file is what this run leaves when it is killed before the restart file counts its first frame."""

    def frames(self) -> list[dict[str, np.ndarray]]:
        """The frames up to the restart file; later ones are removed.

        Raises:
            CheckpointError: when a file is damaged, or its run had other settings.
        """
        header = self.rewind()
        if not self.count:
            return []
        frames = self._read_frames(header)
        if self.digest.hexdigest() != header.digest:
            raise CheckpointError(
                f"{self.path} was changed since it was written, or is of another run than {restart_path(self.path)}; "
                "restore the files, or start the run again in another file."
            )
        return frames

    def write_restart(self, checkpoint: Any) -> None:
        """Writes all that is needed to go on from here."""
        self.flush()
        # Frames that the restart file counts must not be lost when the machine stops.
        if self.count:
            synchronise(self.path)
        header = {
            "format": "mdfit restart",
            "format_version": FORMAT_VERSION,
            "frames": self.count,
            # Without a frame there is no file yet.
            "bytes": self.path.stat().st_size if self.count else 0,
            "digest": self.digest.hexdigest(),
            "plan": dataclasses.asdict(self.plan),
        }
        write_tree(restart_path(self.path), checkpoint, header)
        self._written_at = time.monotonic()

    def restart_due(self) -> bool:
        """Whether the last restart file is old."""
        return time.monotonic() - self._written_at > RESTART_AFTER

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the checkpoint in the restart file."""
        return read_restart(self.path)[1]

    def rewind(self) -> RestartHeader:
        """Takes up the run of the restart file, whose header it returns; the frames after it are still in the file.

        Raises:
            CheckpointError: when the file is damaged, or its run had other settings.
        """
        header = read_restart(self.path)[0]
        self._check_plan(header.plan)
        self.count = header.frames
        if self.count == 0 and self.path.exists():
            if not self._is_own_beginning():
                raise CheckpointError(
                    f"{self.path} is not of the run that its restart file belongs to, which has no frame yet; move the "
                    "file away, then go on."
                )
            self.path.unlink()
        return header

    def belongs_to_a_start(self) -> bool:
        """Whether the restart file is of this plan and before the first frame."""
        header = read_restart(self.path)[0]
        return header.frames == 0 and {"engine": "JaxMD", **header.plan} == dataclasses.asdict(self.plan)

    def check_steps(self, done: int) -> None:
        """Whether so many time steps belong to the frames of the restart file.

        Raises:
            CheckpointError: when they do not.
        """
        plan = self.plan
        production = done - plan.steps_of_equilibration
        possible = production == self.count * plan.steps_between_frames if self.count else done >= 0 and production <= 0
        if not possible:
            raise CheckpointError(
                f"{restart_path(self.path)} is damaged: {done} time steps do not make {self.count} frames; start the run "
                "again in another file."
            )

    def _check_plan(self, before: dict[str, Any]) -> None:
        now = dataclasses.asdict(self.plan)
        # There was one engine that took potentials when this was not noted.
        before = {"engine": "JaxMD", **before}
        unknown = [name for name in (*_FINGERPRINTS, "mdfit_version") if name not in before]
        if unknown:
            raise CheckpointError(
                f"{self.path} was written by an earlier version of mdfit, which did not note its {unknown[0]}, so that a "
                "change would not be seen; start the run again in another file."
            )
        different = [name for name in now if before.get(name) != now[name]]
        if different:
            changes = ", ".join(
                _FINGERPRINTS.get(name) or f"{name.replace('_', ' ')} {before.get(name)} (now {now[name]})"
                for name in different
            )
            raise CheckpointError(
                f"{self.path} was written with {changes}; resume with the same settings or choose another file."
            )

    @property
    def run(self) -> str:
        """Digest of the plan."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self.plan), sort_keys=True).encode()).hexdigest()

    def lost_frames(self, found: int) -> CheckpointError:
        """The error when the file holds fewer frames than the restart file counts."""
        return CheckpointError(
            f"{self.path} has lost frames since it was written: it holds {found} of the {self.count} that its restart file "
            "counts; restore the file, or start the run again in another file."
        )

    def _due(self, last: bool) -> bool:
        # After the first frame, too, so that a long equilibration is never lost.
        return last or self.count == 1 or self.count % RESTART_EVERY == 0 or self.restart_due()

    def failed(self, error: OSError | RuntimeError) -> OutputError:
        """The error when a frame cannot be written."""
        reason = getattr(error, "strerror", None) or error
        then = "resume" if restart_path(self.path).exists() else "run it again"
        return OutputError(
            f"Could not write frame {self.count} to {self.path}: {reason}; the frames before are intact. To go on, "
            f"{remedy(error)}, then {then}."
        )
