"""Commands as tasks: programs in processes of their own, which end with their worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mdfit.errors import FarmError, OutputError
from mdfit.progress import stop_on_interrupt

#: Seconds between looks at the process.
_PAUSE = 0.2


def run_command(command: Sequence[str], log: str) -> None:
    """Runs a command to its end; it is killed when its worker is, so that it can be begun again without two at work.

    Args:
        command: and its arguments.
        log: file to which all that it writes is added.

    Raises:
        FarmError: when it ends with another status than 0; the message has the last line of its log.
        OutputError: when the log cannot be written.
        KeyboardInterrupt: after SIGTERM, or Ctrl-C, when the command has stopped.
    """
    path = Path(log)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        from mdfit.storage import remedy

        raise OutputError(f"{path} cannot be written ({error.strerror or error}); {remedy(error)}.") from error
    starter = (sys.executable, "-m", "mdfit.farm.starter", str(os.getpid()), *command)
    with file, stop_on_interrupt() as interrupt:
        process = subprocess.Popen(starter, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        try:
            while _running(process):
                if interrupt.requested:
                    raise KeyboardInterrupt
        finally:
            # It is given the time to write what it resumes from.
            process.terminate()
            process.wait()
    if process.returncode:
        raise FarmError(f"ended with status {process.returncode}; {path} says why: {_last_line(path)}")


def run_mdfit(arguments: Sequence[str], log: str) -> None:
    """:func:`run_command` for the command line of mdfit, as the worker has it.

    Args:
        arguments: of ``mdfit``, with whole paths, since the worker may be in another folder.
        log: see there.
    """
    run_command((sys.executable, "-m", "mdfit", *arguments), log)


def _running(process: subprocess.Popen) -> bool:
    try:
        process.wait(_PAUSE)
    except subprocess.TimeoutExpired:
        return True
    return False


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
