"""``python -m mdfit.farm.worker DESCRIPTOR``: a process that carries out one call after the other.

Calls and answers go through a connection of :mod:`multiprocessing`.  A process of our own, instead of one by
``multiprocessing``, does not import the program again that started it, which so needs no ``if __name__ == "__main__"``, and
has its environment from its very start.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from mdfit.errors import FarmError
from mdfit.farm.transport import Call, carry_out, dump

#: Seconds between looks whether the process that started this one is still there.
_PAUSE = 2.0

#: The first message of a worker.
READY = "ready"


def serve(connection: Connection) -> None:
    """Answers every call by ``(True, result)`` or ``(False, error)`` until the connection ends."""
    connection.send(READY)
    while True:
        try:
            call: Call = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        connection.send_bytes(_answer(call))


def _answer(call: Call) -> bytes:
    try:
        return dump((True, carry_out(call)))
    except KeyboardInterrupt:
        # Somebody has ended this process, not the task.
        raise
    except BaseException as error:
        return _dump_error(error)


def _dump_error(error: BaseException) -> bytes:
    try:
        content = dump((False, error))
        pickle.loads(content)
        return content
    except Exception:  # an exception whose arguments are not those of its class cannot be made again
        told = FarmError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        return dump((False, told))


def _end_with(parent: int) -> None:
    """Stops the work, as Ctrl-C would, when the process that wants it is gone."""
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: list[str]) -> Any:
    """Serves the connection of this number, as a process of its own."""
    descriptor, parent = map(int, arguments)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        serve(Connection(descriptor))
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
