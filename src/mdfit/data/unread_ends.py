"""How much of a trajectory's end MDAnalysis does not read: the last frame of a file that was cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO


def unread_end(path: Path, reader: Any) -> str | None:
    """Words for what is wrong behind the last frame that is read; None where nothing is, or the format is not looked into.

    Args:
        path: the file.
        reader: of MDAnalysis, at its last frame.
    """
    if reader.format in ("TRR", "XTC"):
        rest, counted = path.stat().st_size - reader._xdr._bytes_tell(), 0
    elif reader.format == "DCD":
        rest, counted = _end_of_records(path)
    else:
        rest, counted = _behind_lines(reader), 0
    if rest:
        return f"{rest} bytes at its end are not read"
    return f"its header counts {counted} frames" if counted > len(reader) else None


def _behind_lines(reader: Any) -> int:
    """Characters of a text format behind its last frame; 0 where it is another format, or blanks."""
    formats = [reader.format] if isinstance(reader.format, str) else reader.format
    name = next((_OPEN_FILES[one] for one in formats if one in _OPEN_FILES), None)
    return 0 if name is None else len(getattr(reader, name).read().strip())


#: Where readers of text formats, which count whole frames only, keep their file, at the end of the frame.
_OPEN_FILES = {"XYZ": "xyzfile", "TXYZ": "xyzfile", "TRJ": "trjfile"}


def _end_of_records(path: Path) -> tuple[int, int]:
    """Of a DCD file: bytes behind the last complete frame, and how many frames the header counts.

    The file has records of Fortran: three or four for a header, then those of frames.  Programs that write while they run
    count fewer than there are.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        mark = _mark(file.read(8))
        file.seek(0)
        header = None if mark is None else _record(file, mark, size)
        if mark is None or header is None:
            return 0, 0  # told by MDAnalysis
        numbers = struct.unpack(mark[0] + "20i", header[4:84])
        # Where CHARMM's version is not zero, two numbers tell whether there are cells and a fourth coordinate.
        charmm = numbers[19] != 0
        records = 3 + (charmm and numbers[10] != 0) + (charmm and numbers[11] != 0)
        for _ in range(2 + (numbers[8] > 0)):  # titles, number of atoms, and which of them are free to move
            _record(file, mark, size)
        end = file.tell()
        while all(_record(file, mark, size, read=False) is not None for _ in range(records)):
            end = file.tell()
    return size - end, numbers[0]


def _mark(start: bytes) -> str | None:
    """How the lengths before and behind each record are written, as the first one, 84, tells."""
    for mark in ("<i", ">i", "<q", ">q"):
        if len(start) == 8 and struct.unpack_from(mark, start)[0] == 84:
            return mark
    return None


def _record(file: BinaryIO, mark: str, size: int, read: bool = True) -> bytes | None:
    """The next record, or empty bytes when it is skipped; None where it is not complete."""
    width = struct.calcsize(mark)
    start = file.read(width)
    if len(start) < width:
        return None
    (length,) = struct.unpack(mark, start)
    if length < 0 or file.tell() + length + width > size:
        return None
    content = file.read(length) if read else b""
    if not read:
        file.seek(length, 1)
    file.seek(width, 1)
    return content
