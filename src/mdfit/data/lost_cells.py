"""Cells that a file states and MDAnalysis does not read, or completes by right angles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdfit.errors import DataError
from mdfit.structure.text_files import open_text

#: Edges (Å) and angles (degrees), or None without a cell.
_Dimensions = np.ndarray | None
_RIGHT = 90.0


def lost_cells(path: Path, reader: Any, topology: Path | None) -> list[_Dimensions] | None:
    """The cell of every frame as the file states it, float[6] or None; None where MDAnalysis reads it.

    Args:
        path: the file.
        reader: of MDAnalysis.
        topology: where Amber keeps the angle of a cell.

    Raises:
        DataError: what the file states cannot be understood, or is not enough.
    """
    formats = {reader.format} if isinstance(reader.format, str) else set(reader.format)
    if formats & {"PDB", "PQR", "XPDB"}:
        return _of_models(path, len(reader))
    if "INPCRD" in formats:
        return [_of_restart(path, reader.n_atoms, topology)]
    if "TRJ" in formats and reader.ts.dimensions is not None:
        _check_angle(path, topology)
    return None


def _of_models(path: Path, frames: int) -> list[_Dimensions]:
    """CRYST1 before the atoms of each model, or once for all: MDAnalysis looks for as many of them as models."""
    cells: list[_Dimensions] = []
    own: list[bool] = []
    cell, stated, waiting = None, False, True
    with open_text(path) as file:
        for line in file:
            if line.startswith("MODEL"):
                waiting = True
            elif line.startswith("CRYST1"):
                cell, stated = _crystal(line, path), True
            elif waiting and line.startswith(("ATOM  ", "HETATM")):
                cells.append(cell)
                own.append(stated)
                stated = waiting = False
    if len(cells) != frames or (any(own[1:]) and not all(own)):
        raise DataError(
            f"{path} has {sum(own)} records CRYST1 before the atoms of {frames} models: write one for each, or one for all."
        )
    return cells


def _crystal(line: str, path: Path) -> _Dimensions:
    try:
        return _cell([float(line[start:end]) for start, end in _COLUMNS])
    except ValueError:
        raise DataError(f"{path}: {line.strip()[:54]!r} is no cell: correct the record.") from None


#: Columns of edges and angles in CRYST1.
_COLUMNS = ((6, 15), (15, 24), (24, 33), (33, 40), (40, 47), (47, 54))


def _cell(numbers: list[float]) -> _Dimensions:
    """A cell of 1 Å or nothing stands for none."""
    dimensions = np.array(numbers)
    return None if (dimensions[:3] <= 0).any() or np.allclose(dimensions, [1, 1, 1, *[_RIGHT] * 3]) else dimensions


def _of_restart(path: Path, atoms: int, topology: Path | None) -> _Dimensions:
    """The last line of a restart file of Amber, behind positions and perhaps velocities, two atoms in each line."""
    with open_text(path) as file:
        rows = [line for line in file if line.strip()][2:]
    lines = (atoms + 1) // 2
    if len(rows) not in (lines + 1, 2 * lines + 1):
        return None
    try:
        numbers = [float(rows[-1].rstrip()[start : start + 12]) for start in range(0, len(rows[-1].rstrip()), 12)]
    except ValueError:
        numbers = []
    if len(numbers) == 3:
        _check_angle(path, topology)
        numbers += [_RIGHT] * 3
    if len(numbers) != 6:
        raise DataError(f"{path}: its last line {rows[-1].strip()!r} is no cell: correct it.")
    # The velocities of one or two atoms are one line, too.
    is_cell = min(numbers[:3]) > 0 and all(10 < angle < 170 for angle in numbers[3:])
    return _cell(numbers) if is_cell or lines > 1 else None


def _check_angle(path: Path, topology: Path | None) -> None:
    """Amber's text files state edges only, and MDAnalysis takes angles for right ones."""
    if topology is None:
        return
    with open_text(topology) as file:
        if not file.readline().startswith("%VERSION"):
            return
        for line in file:
            if line.split()[:2] == ["%FLAG", "BOX_DIMENSIONS"]:
                file.readline()
                angle = float(file.readline()[:16])
                break
        else:
            return
    if abs(angle - _RIGHT) > 0.01:
        raise DataError(
            f"{path} states the edges of its cell only, and {topology} an angle of {angle:g} degrees: convert it to NetCDF "
            "(.nc), which states all."
        )
