"""How much of a trajectory's end MDAnalysis does not read: the last frame of a file that was cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO


def unread_bytes(path: Path, reader: Any) -> int:
    """Bytes behind the last frame that is read; 0 where the format is not looked into.

    Args:
        path: the file.
        reader: of MDAnalysis, at its last frame.
    """
    if reader.format in ("TRR", "XTC"):
        return int(path.stat().st_size - reader._xdr._bytes_tell())
    return _behind_records(path) if reader.format == "DCD" else 0


def _behind_records(path: Path) -> int:
    """Bytes behind the last complete frame of a DCD file: records of Fortran, three of a header, then those of frames."""
    size = path.stat().st_size
    with path.open("rb") as file:
        mark = _mark(file.read(8))
        if mark is None:
            return 0
        file.seek(0)
        header = _record(file, mark, size)
        if header is None or len(header) < 84:
            return 0
        # Where CHARMM's version is not zero, the twelfth number tells that there are cells, the thirteenth that there is w.
        numbers = struct.unpack(mark[0] + "20i", header[4:84])
        charmm = numbers[19] != 0
        records = 3 + (charmm and numbers[10] != 0) + (charmm and numbers[11] != 0)
        skipped = 2 + (numbers[8] > 0)  # titles, number of atoms, and which of them are free to move
        for _ in range(skipped):
            if _record(file, mark, size) is None:
                return 0
        end = file.tell()
        while all(_record(file, mark, size, read=False) is not None for _ in range(records)):
            end = file.tell()
    return size - end


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
