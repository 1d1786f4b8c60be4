"""Reading files that may come from strangers: regular files only, which end before the memory does."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

#: In bytes: more than any document of a run has, and still read in seconds.
LARGEST_DOCUMENT = 2**26
#: Of a log, which has a line for every epoch, or a picture.
LARGEST_LOG = 2**28


@contextmanager
def open_regular(path: str | Path) -> Iterator[BufferedReader]:
    """A regular file to read; a pipe would be waited for, a device may never end.

    Raises:
        OSError: for anything else, or what cannot be read.
    """
    # Without O_NONBLOCK opening a pipe waits for its writer.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        yield file


def read_bytes(path: str | Path, largest: int = LARGEST_DOCUMENT) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: when it is no regular file, has more than ``largest`` bytes, or cannot be read.
    """
    with open_regular(path) as file:
        # One byte more, since a file may grow while it is read.
        content = b"" if os.fstat(file.fileno()).st_size > largest else file.read(largest + 1)
        if len(content) > largest or os.fstat(file.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest // 2**10} kB", str(path))
    return content


def read_text(
    path: str | Path, largest: int = LARGEST_DOCUMENT, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """The same as text, with the line ends of Python.

    Raises:
        OSError: as :func:`read_bytes`.
        UnicodeDecodeError: for bytes that are no text, unless ``errors`` says otherwise.
    """
    return read_bytes(path, largest).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
