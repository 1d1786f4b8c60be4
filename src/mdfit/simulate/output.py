"""Frames on disk as a simulation goes: H5MD for any number of replicas, extended XYZ for one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mdfit.errors import CheckpointError, OutputError, SimulationError
from mdfit.simulate.extended_xyz import XYZOutput
from mdfit.simulate.h5md import H5MDOutput
from mdfit.simulate.restart import Plan, can_resume, restart_path
from mdfit.simulate.state_point import StatePoint


class Output(Protocol):
    """A trajectory file and its restart file."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        """Writes a frame; true when a restart file is due."""
        ...

    def frames(self) -> list[dict[str, np.ndarray]]:
        """The frames up to the restart file; later ones are removed."""
        ...

    def restart(self, skeleton: Any) -> Any:
        """The checkpoint of the restart file."""
        ...

    def write_restart(self, checkpoint: Any) -> None: ...


def open_output(out: str | Path | None, resume: bool, state_point: StatePoint, plan: Plan) -> Output | None:
    """The output for a path's ending.

    Raises:
        OutputError: for an unknown ending, a directory that cannot be written, or a file that would be overwritten.
        CheckpointError: when there is nothing to resume.
    """
    if out is None:
        if resume:
            raise CheckpointError("Only a run with an output file can be resumed; give out.")
        return None
    kinds: dict[str, Any] = {".h5": H5MDOutput, ".h5md": H5MDOutput, ".xyz": XYZOutput, ".extxyz": XYZOutput}
    path = checked_path(out, resume, tuple(kinds))
    if kinds[path.suffix] is XYZOutput and plan.replicas > 1:
        raise SimulationError(f"{path.suffix} files hold one replica; write {plan.replicas} replicas to a .h5 file.")
    output: Output = kinds[path.suffix](path, state_point, plan)
    return output


def checked_path(out: str | Path, resume: bool, endings: tuple[str, ...]) -> Path:
    """The path of a trajectory that can be written, or resumed; its directory is made.

    Raises:
        OutputError: for an unknown ending, a directory that cannot be written, or a file that would be overwritten.
        CheckpointError: when there is nothing to resume.
    """
    path = Path(out)
    if path.suffix not in endings:
        raise OutputError(f"Trajectories end in {', '.join(endings)}, not {path.suffix or 'nothing'} ({path}).")
    for file in (path, restart_path(path)):
        if file.exists() and not resume:
            raise OutputError(f"{file} exists; resume the run, choose another name or delete the file.")
    if resume and not can_resume(path):
        missing = path if not path.exists() else restart_path(path)
        raise CheckpointError(f"There is no {missing} to resume; check the path.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return path
    except OSError as error:
        raise OutputError(f"Could not write {path}: {error.strerror or error}; choose another directory.") from error
