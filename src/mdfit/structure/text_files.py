"""Text files in the encodings and compressions that data are met in."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from pathlib import Path
from typing import IO, TextIO, cast

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
        DataError: Zstandard is not installed.
    """
    with open_bytes(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    return io.TextIOWrapper(open_bytes(path), encoding=marked or "utf-8", errors="strict" if marked else _LATIN)


def read_text(path: Path) -> str:
    """The whole of a text file; see :func:`open_text`.

    Raises:
        OSError: it cannot be read, or the compressed data end too early.
        DataError: Zstandard is not installed.
    """
    try:
        with open_text(path) as stream:
            return stream.read()
    except (EOFError, lzma.LZMAError) as problem:
        raise OSError(f"the compressed data are damaged or end too early ({problem})") from None


def open_bytes(path: Path) -> IO[bytes]:
    """A file, decompressed.

    Raises:
        OSError: it cannot be opened.
        DataError: Zstandard is not installed.
    """
    ending = path.suffix.lower()
    if ending == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if ending == ".bz2":
        return cast(IO[bytes], bz2.open(path, "rb"))
    if ending == ".xz":
        return cast(IO[bytes], lzma.open(path, "rb"))
    if ending == ".zst":
        return _open_zstandard(path)
    return path.open("rb")


def _open_zstandard(path: Path) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise DataError(
            f'{path} is compressed by Zstandard: pip install "mdfit[zstandard]", or decompress it first.'
        ) from None
    content, parts = path.read_bytes(), []
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(content))
        if not frame.eof:  # the library itself would take a file that was cut off for a complete one
            raise EOFError("Zstandard frame is not complete")
        content = frame.unused_data
    return io.BytesIO(b"".join(parts))


def _as_latin(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN, _as_latin)
