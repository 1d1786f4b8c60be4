"""One writer at a time: locks that end with the process that holds them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mdfit.errors import OutputError
from mdfit.storage.atomic import remedy

log = logging.getLogger(__name__)

_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def only_writer(lock: str | Path, of: str | Path) -> Iterator[None]:
    """Holds a lock file for the time of the block; it is removed at the end.

    Where the file system knows no locks, a warning is logged and nothing is held.

    Args:
        lock: the lock file.
        of: what it protects, for the message.

    Raises:
        OutputError: when another process, or another part of this one, holds the lock, or it cannot be made.
    """
    path = Path(lock)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path, of)
    except OSError as error:
        raise OutputError(f"Could not write {path}: {error.strerror or error}; {remedy(error)}.") from error
    try:
        yield
    finally:
        if descriptor is not None:
            # Removed while it is held, so that nobody holds a lock on a file that is gone.
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _locked(path: Path, of: str | Path) -> int | None:
    """An open lock file that is locked and still the one at ``path``."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise OutputError(
                f"{of} is being written by another process ({holder}); wait until it ends, or choose another name."
            ) from None
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _UNSUPPORTED:
                raise
            log.warning("%s cannot be locked (%s): do not run two processes in it.", of, error.strerror)
            return None
        if _is_open_file(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return descriptor
        os.close(descriptor)


def _is_open_file(path: Path, descriptor: int) -> bool:
    """False when the last holder has removed the file between our opening and our locking it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
