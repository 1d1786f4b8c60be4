"""Text files in the encodings and compressions that data are met in."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TextIO, cast

from mdfit.errors import DataError

#: Endings of compressed files.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
# Byte-order marks; that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_LATIN = "mdfit.latin-1"


def without_compression(path: Path) -> str:
    """The name of a file without the ending of its compression."""
    return path.name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSED else path.name


def open_text(path: Path) -> TextIO:
    """A text file, decompressed, in the encoding that its first bytes tell: UTF-8 without a byte-order mark.

    Bytes that are no UTF-8 are taken as Latin-1, in which older programs write names and units.

    Raises:
        OSError: it cannot be opened.
        DataError: Zstandard is not installed; also while it is read, when the compressed data are damaged or end too early.
    """
    with open_bytes(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    return io.TextIOWrapper(open_bytes(path), encoding=marked or "utf-8", errors="strict" if marked else _LATIN)


def read_text(path: Path) -> str:
    """The whole of a text file; see :func:`open_text`.

    Raises:
        OSError: it cannot be read.
        DataError: Zstandard is not installed, or the compressed data are damaged or end too early.
    """
    with open_text(path) as stream:
        return stream.read()


def open_bytes(path: Path) -> IO[bytes]:
    """A file, decompressed.

    Raises:
        OSError: it cannot be opened.
        DataError: Zstandard is not installed; also while it is read, when the compressed data are damaged or end too early.
    """
    openers: dict[str, Callable[[Path], Any]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
        ".zst": _open_zstandard,
    }
    opener = openers.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    path.open("rb").close()  # files that are missing or not ours to read are not damaged
    with _told(path):
        compressed = cast(IO[bytes], opener(path))
    return io.BufferedReader(_Decompressed(path, compressed), 1 << 16)


class _Decompressed(io.RawIOBase):
    """Decompressed bytes; damaged data are one sentence, whatever their format raises."""

    def __init__(self, path: Path, compressed: IO[bytes]):
        self._path, self._compressed = path, compressed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _told(self._path):
            content = self._compressed.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._compressed.close()
        super().close()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as problem:  # gzip and bz2 raise OSError
        raise DataError(
            f"{path} cannot be read: the compressed data are damaged or end too early ({problem}): give a complete file."
        ) from None


def _open_zstandard(path: Path) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise DataError(
            f'{path} is compressed by Zstandard: pip install "mdfit[zstandard]", or decompress it first.'
        ) from None
    content, parts = path.read_bytes(), []
    try:
        while content:
            frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(content))
            if not frame.eof:  # the library itself would take a file that was cut off for a complete one
                raise EOFError("Zstandard frame is not complete")
            content = frame.unused_data
    except zstandard.ZstdError as problem:
        raise EOFError(str(problem)) from None
    return io.BytesIO(b"".join(parts))


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN, _as_latin)
