"""Text dumps of LAMMPS, frame by frame: columns by name, boxes of every kind, image flags, units.

The format: https://docs.lammps.org/dump.html.  ASE fills in energies of zero and takes types for atomic numbers, and
MDAnalysis takes each step for a picosecond, knows no ``ITEM: UNITS`` and unwraps rectangular boxes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from mdfit.data.unwrapping import with_images
from mdfit.errors import DataError
from mdfit.structure.text_files import open_text

_FIRST, _TIME = "ITEM: TIMESTEP", ["ITEM:", "TIME"]
#: Names of the columns of positions; the unwrapped ones are preferred.
_POSITIONS = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
_IMAGES = ("ix", "iy", "iz")
_FORCES = ("fx", "fy", "fz")


@dataclass(frozen=True, eq=False)
class DumpFrame:
    """One frame of a dump in its own units; atoms are sorted by their number.

    Attributes:
        step: of the simulation.
        time: where the dump states it.
        units: the style, where the dump states it.
        cell: float64[3, 3], row vectors.
        periodic: bool[3].
        identifiers: int64[N].
        positions: float64[N, 3], from the corner of the box along periodic directions; as the dump has them along others,
            where the corner may move with the atoms.
        unwrapped: whether positions follow each atom across the boundary.
        forces: float64[N, 3], or None.
        text: other columns by name, such as ``type``, ``element`` and ``mass``.
    """

    step: int
    time: float | None
    units: str | None
    cell: np.ndarray
    periodic: np.ndarray
    identifiers: np.ndarray
    positions: np.ndarray
    unwrapped: bool
    forces: np.ndarray | None
    text: dict[str, np.ndarray]


def is_dump(path: Path) -> bool:
    """Whether a file begins like a dump, whatever its name."""
    try:
        with open_text(path) as file:
            return file.readline().startswith("ITEM:")
    except (OSError, UnicodeError):
        return False


def count_frames(path: Path) -> int:
    """How many frames there are, an incomplete last one included."""
    with open_text(path) as file:
        return sum(line.startswith(_FIRST) for line in file)


def read_dump(path: Path, chosen: Sequence[int], start: int = 0) -> Iterator[DumpFrame]:
    """These frames, whose numbers increase.

    Args:
        path: the file.
        chosen: numbers within the file.
        start: how many frames the files before have, for messages that name frames to leave out.

    Raises:
        DataError: a frame is incomplete or damaged, or lacks the columns that tell atoms apart or where they are.
    """
    wanted = iter(chosen)
    target, number = next(wanted, None), -1
    units = time = None
    with open_text(path) as file:
        line = file.readline()
        while line and target is not None:
            # LAMMPS writes units once, and the time of a frame above its step.
            if line.startswith("ITEM: UNITS"):
                units = file.readline().strip()
            elif line.split() == _TIME:
                time = file.readline()
            elif line.startswith(_FIRST):
                number += 1
                if number == target:
                    yield _frame(file, path, number, units, time, start)
                    target = next(wanted, None)
                time = None
            line = file.readline()


def _frame(file: TextIO, path: Path, number: int, units: str | None, time: str | None, start: int) -> DumpFrame:
    try:
        return _parse(file, f"{path}, frame {number}", units, None if time is None else float(time))
    except (ValueError, IndexError) as problem:
        remedy = leaving_out(start + number)
        raise DataError(f"{path}, frame {number}: damaged or incomplete ({problem}); {remedy}.") from None


def leaving_out(number: int) -> str:
    """What to do about a frame that cannot be read, by its number in all files together."""
    return f"leave it out, as by frames=slice(0, {number})" if number else "give a complete file"


def _parse(file: TextIO, where: str, units: str | None, time: float | None) -> DumpFrame:
    step, atoms = int(file.readline()), 0
    while True:
        header = file.readline()
        if header.split() == _TIME:
            time = float(file.readline())
        elif header.startswith("ITEM: NUMBER OF ATOMS"):
            atoms = int(file.readline())
        elif header.startswith("ITEM: BOX BOUNDS"):
            cell, corner, periodic = _box(header.split()[3:], [file.readline().split() for _ in range(3)])
        elif header.startswith("ITEM: ATOMS"):
            break
        else:
            raise ValueError(f"{header.strip()[:40]!r} is no header that is known here")
    names = header.split()[2:]
    lines = list(islice(file, atoms))
    if len(lines) < atoms or not lines[-1].endswith("\n"):
        raise ValueError(f"it has {len(lines)} of {atoms} atoms")
    return _atoms(where, names, lines, step, time, units, cell, corner, periodic)


def _atoms(
    where: str,
    names: list[str],
    lines: list[str],
    step: int,
    time: float | None,
    units: str | None,
    cell: np.ndarray,
    corner: np.ndarray,
    periodic: np.ndarray,
) -> DumpFrame:
    if "id" not in names:
        raise DataError(
            f"{where}: there is no column id, and LAMMPS changes the order of atoms: dump id as well, or sort by it."
        )
    columns = next((columns for columns in _POSITIONS if set(columns) <= set(names)), None)
    if columns is None:
        raise DataError(f"{where}: there are no columns of positions (x y z, xu yu zu, xs ys zs): dump them as well.")

    def table(chosen: Sequence[str]) -> np.ndarray:
        return np.loadtxt(lines, usecols=[names.index(name) for name in chosen], ndmin=2, comments=None)

    identifiers = np.loadtxt(lines, usecols=names.index("id"), ndmin=1, comments=None, dtype=np.int64)
    order = np.argsort(identifiers)
    identifiers = identifiers[order]
    if len(np.unique(identifiers)) < len(identifiers):
        raise DataError(f"{where}: two atoms have the same id: correct the dump.")
    positions = table(columns)[order]
    # Along a direction that is not periodic, the corner of a shrink-wrapped box moves with the atoms.
    rests = (np.linalg.solve(cell.T, corner) * ~periodic) @ cell
    positions = positions @ cell + rests if columns[0] in ("xs", "xsu") else positions - (corner - rests)
    has_images = set(_IMAGES) <= set(names)
    if has_images and columns[0] in ("x", "xs"):
        positions = with_images(positions, cell, table(_IMAGES)[order].astype(np.int64))
    others = {name: names.index(name) for name in ("type", "element", "mass") if name in names}
    fields = [line.split() for line in lines] if others else []
    return DumpFrame(
        step=step,
        time=time,
        units=units,
        cell=cell,
        periodic=periodic,
        identifiers=identifiers,
        positions=positions,
        unwrapped=has_images or columns[0] in ("xu", "xsu"),
        forces=table(_FORCES)[order] if set(_FORCES) <= set(names) else None,
        text={name: np.array([row[column] for row in fields])[order] for name, column in others.items()},
    )


def _box(header: list[str], rows: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, corner and periodic directions; see https://docs.lammps.org/Howto_triclinic.html."""
    flags = [flag for flag in header if len(flag) == 2 and set(flag) <= set("pfsm")][-3:]
    periodic = np.array([flag == "pp" for flag in flags]) if len(flags) == 3 else np.ones(3, bool)
    table = np.array(rows, dtype=np.float64)
    if "abc" in header:
        return table[:, :3], table[:, 3], periodic
    low, high = table[:, 0], table[:, 1]
    xy, xz, yz = table[:, 2] if table.shape[1] == 3 else np.zeros(3)
    low = low - np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
    high = high - np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])
    (lx, ly, lz) = high - low
    if min(lx, ly, lz) <= 0:
        raise ValueError("its box has no volume")
    return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]), low, periodic
