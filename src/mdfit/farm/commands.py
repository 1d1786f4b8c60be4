"""Commands as tasks: programs in processes of their own, which end with their worker."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mdfit.errors import FarmError, OutputError
from mdfit.progress import stop_on_interrupt

#: Seconds between looks at the process.
_PAUSE = 0.2
#: Of ``prctl`` of Linux: the signal that a process gets when the one that started it is gone.
_PR_SET_PDEATHSIG = 1


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
    starter = (sys.executable, "-m", "mdfit.farm.commands", str(os.getpid()), *command)
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


def _running(process: subprocess.Popen) -> bool:
    try:
        process.wait(_PAUSE)
    except subprocess.TimeoutExpired:
        return True
    return False


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")


def main(arguments: list[str]) -> None:
    """Becomes a command that ends with the process that started this one."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before the line above.
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
