"""``python -m mdfit.farm.starter PARENT COMMAND …``: becomes a command that is killed when the process PARENT is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: Of ``prctl`` of Linux: the signal that a process gets when the one that started it has ended.
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Becomes the command."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before the line above.
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
