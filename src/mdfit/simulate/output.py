"""Frames on disk as a simulation goes: H5MD for any number of replicas, extended XYZ for one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from mdfit.errors import CheckpointError, OutputError, SimulationError
from mdfit.simulate.extended_xyz import XYZOutput
from mdfit.simulate.h5md import H5MDOutput
from mdfit.simulate.restart import Output, Plan, can_resume, restart_path
from mdfit.simulate.trajectory import Recording
from mdfit.storage import remedy

#: True: the run must have begun; False: it must be new; "auto": whichever is the case.
Resume = bool | Literal["auto"]


_KINDS: dict[str, type[Output]] = {".h5": H5MDOutput, ".h5md": H5MDOutput, ".xyz": XYZOutput, ".extxyz": XYZOutput}


def open_output(out: Path | None, resume: Resume, recording: Recording, plan: Plan) -> tuple[Output | None, bool]:
    """The output for a path's ending, and whether its run goes on.

    Raises:
        OutputError: for a file that would be overwritten.
        CheckpointError: when there is nothing to resume, or it belongs to other settings.
        SimulationError: for replicas in a file of one.
    """
    if out is None:
        if resume is True:
            raise CheckpointError("Only a run with an output file can be resumed; give out.")
        return None, False
    if _KINDS[out.suffix] is XYZOutput and plan.replicas > 1:
        raise SimulationError(f"{out.suffix} files hold one replica; write {plan.replicas} replicas to a .h5 file.")
    output = _KINDS[out.suffix](out, recording, plan)
    return output, goes_on(output, resume)


def goes_on(output: Output, resume: Resume) -> bool:
    """Whether the run that wrote a file goes on; false for a new one.

    Raises:
        OutputError: for a file that would be overwritten.
        CheckpointError: when there is nothing to resume.
    """
    path = output.path
    if resume is True:
        if not can_resume(path):
            missing = path if not path.exists() else restart_path(path)
            raise CheckpointError(f"There is no {missing} to resume; check the path.")
        return True
    if resume == "auto" and can_resume(path):
        return True
    if not path.exists() and restart_path(path).exists() and output.belongs_to_a_start():
        # A run that was stopped before its first frame: going on is the same as beginning anew.
        return True
    files = (path, restart_path(path))
    if resume == "auto" and files[1].exists():
        raise CheckpointError(
            f"There is no {path} any more, so that the run cannot go on; restore it, or move {files[1]} away to simulate "
            "again."
        )
    if resume == "auto" and path.exists():
        raise OutputError(
            f"{path} exists, but no restart file beside it, so that no run can go on there; choose another name, or move "
            "the file away."
        )
    for file in files:
        if file.exists():
            raise OutputError(f"{file} exists; resume the run, choose another name or delete the file.")
    return False


def checked_path(out: str | Path) -> Path:
    """The path of a trajectory that can be written; its directory is made.

    Raises:
        OutputError: for an unknown ending, or a directory that cannot be written.
    """
    path = Path(out)
    if path.suffix not in _KINDS:
        raise OutputError(f"Trajectories end in {', '.join(_KINDS)}, not {path.suffix or 'nothing'} ({path}).")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return path
    except OSError as error:
        raise OutputError(f"Could not write {path}: {error.strerror or error}; {remedy(error)}.") from error
