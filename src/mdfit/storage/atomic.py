"""Files that are there as a whole or not at all, and what to do when they cannot be written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mdfit.errors import OutputError

#: ``.name.host.process.random.partial``: whose process is gone is what a killed writer has left.
_PARTIAL = re.compile(r"\.(?P<name>.+)\.(?P<host>[^.]+)\.(?P<process>\d+)\.[^.]+\.partial")

_REMEDIES = {
    "free some space": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "choose a directory that you may write to": (errno.EACCES, errno.EPERM, errno.EROFS),
    "something else of this name is in the way, so choose another output directory": (
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EISDIR,
        errno.ENOTEMPTY,
    ),
    "choose a shorter name": (errno.ENAMETOOLONG,),
    "close other programs, or raise the limit of open files (ulimit -n)": (errno.EMFILE, errno.ENFILE),
    "check the disk": (errno.EIO, errno.ESTALE, errno.ENODEV),
}


def remedy(error: BaseException) -> str:
    """What a user can do about an error of the operating system, as the end of a sentence."""
    number = getattr(error, "errno", None)
    return next((text for text, numbers in _REMEDIES.items() if number in numbers), "choose another output directory")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it only when the block ends without an error.

    What a killed writer of the same file has left behind is removed.

    Raises:
        OutputError: when the directory cannot be written or the disk is full; ``path`` is then as it was.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent, target.name)
        prefix = f".{target.name}.{_host()}.{os.getpid()}."
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=".partial")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        synchronise(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"Could not write {target}: {error.strerror or error}; what was there before is unchanged: {remedy(error)}."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def synchronise(path: str | Path) -> None:
    """Returns when a file is on the disk, and not only in memory."""
    with Path(path).open("rb") as written:
        os.fsync(written.fileno())


def remove_leftovers(directory: str | Path, name: str | None = None) -> None:
    """Removes temporary files of killed writers in a directory: of the file ``name``, or all."""
    for path in Path(directory).glob(".*.partial"):
        match = _PARTIAL.fullmatch(path.name)
        if match is None or match["host"] != _host() or name not in (None, match["name"]):
            continue
        if not _alive(int(match["process"])):
            path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, document: Any) -> None:
    """A readable JSON file; see :func:`write_text`."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
