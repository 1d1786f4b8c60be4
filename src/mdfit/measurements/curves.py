"""Measured curves from CSV files, on the grid of an observable."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.errors import MeasurementError, UnitError
from mdfit.observables import Observable
from mdfit.units import quantity

#: What the third column is called.
UNCERTAINTY = "standard_uncertainty"
_HEADER = re.compile(r"(?P<name>.*?)\s*(?:[(\[](?P<unit>[^()\[\]]*)[)\]])?")


@dataclass(frozen=True, eq=False)
class Curve:
    """A measured curve in the units of its observable: ``grid``, ``values`` and maybe ``uncertainties``, of one length."""

    grid: np.ndarray
    values: np.ndarray
    uncertainties: np.ndarray | None
    source: str

    def on(self, observable: Observable) -> tuple[np.ndarray, np.ndarray | None]:
        """Values and standard uncertainties on the grid of the observable: cubic spline, and linear interpolation.

        Raises:
            MeasurementError: when the curve does not cover the grid.
        """
        from scipy.interpolate import CubicSpline

        assert observable.grid is not None
        wanted, grid = observable.grid, self.grid
        slack = 1e-6 * (grid[-1] - grid[0])
        if wanted[0] < grid[0] - slack or wanted[-1] > grid[-1] + slack:
            raise MeasurementError(
                f"{self.source} reaches from {grid[0]:.4g} to {grid[-1]:.4g} {observable.grid_unit}, but {observable.name} "
                f"needs {wanted[0]:.4g} to {wanted[-1]:.4g} {observable.grid_unit}; choose a shorter range for the "
                "observable, or add the missing rows."
            )
        if len(grid) == len(wanted) and np.abs(grid - wanted).max() <= slack:
            return self.values, self.uncertainties
        errors = None if self.uncertainties is None else np.interp(wanted, grid, self.uncertainties)
        return CubicSpline(grid, self.values)(wanted), errors


def read_curve(path: Path, observable: Observable) -> Curve:
    """Reads a CSV file with the columns grid, value and, if known, ``standard_uncertainty``.

    The header names the columns with their units, such as ``r (nm),g``; only plain numbers need none.  The uncertainty
    has the unit of the value.  Lines that start with ``#`` are comments.

    Raises:
        MeasurementError: when the file is missing or is no such table, or the observable is no curve.
    """
    if observable.grid is None:
        raise MeasurementError(
            f"{path} is a table, but {observable.name} is no curve; give its value itself, or in a YAML file."
        )
    header, numbers = _table(path)
    names, units = zip(*(_split(column) for column in header), strict=True)
    if len(header) not in (2, 3) or names[2:] not in ((), (UNCERTAINTY,)):
        raise MeasurementError(
            f"{path} has the columns {', '.join(header)}, but needs two or three: "
            f"grid, value and, if known, {UNCERTAINTY}."
        )
    if not (np.diff(numbers[:, 0]) > 0).all():
        row = int(np.argmax(np.diff(numbers[:, 0]) <= 0)) + 1
        raise MeasurementError(f"{path}: the first column must increase, but does not after its row {row}; sort it.")
    offset, scale = _conversion(units[1], observable.unit, f"{path}, column {header[1]!r}")
    grid_offset, grid_scale = _conversion(units[0], observable.grid_unit, f"{path}, column {header[0]!r}")
    return Curve(
        grid=grid_offset + grid_scale * numbers[:, 0],
        values=offset + scale * numbers[:, 1],
        uncertainties=scale * numbers[:, 2] if len(header) == 3 else None,
        source=str(path),
    )


def _table(path: Path) -> tuple[list[str], np.ndarray]:
    """The header and the numbers ``(rows, columns)``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError(f"{path} cannot be read ({error}); check the path.") from error
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    rows = list(csv.reader((line for _, line in numbered), skipinitialspace=True))
    if len(rows) < 3:
        raise MeasurementError(f"{path} holds no curve: it needs a header and at least two rows.")
    header = [name.strip() for name in rows[0]]
    numbers = [
        _numbers(row, len(header), f"{path} line {n}") for row, (n, _) in zip(rows[1:], numbered[1:], strict=True)
    ]
    try:
        [float(name) for name in header]
    except ValueError:
        return header, np.array(numbers)
    raise MeasurementError(f"{path} has no header; write the names of its columns with their units, such as: r (nm),g")


def _numbers(row: list[str], columns: int, where: str) -> list[float]:
    try:
        numbers = [float(cell) for cell in row]
    except ValueError:
        numbers = []
    if len(numbers) != columns or not np.isfinite(numbers).all():
        raise MeasurementError(f"{where} needs {columns} finite numbers, but is {','.join(row)!r}; correct it.")
    return numbers


def _split(column: str) -> tuple[str, str]:
    """Name and unit of a column."""
    match = _HEADER.fullmatch(column)
    return (match["name"], match["unit"] or "") if match else (column, "")


def _conversion(given: str, wanted: str, where: str) -> tuple[float, float]:
    """Offset and factor from one unit to another."""
    if not given.strip():
        if wanted:
            raise MeasurementError(f"{where} has no unit; write it after the name, such as: name ({wanted})")
        return 0.0, 1.0
    try:
        offset = quantity(f"0 {given}", wanted, where)
        return offset, quantity(f"1 {given}", wanted, where) - offset
    except UnitError as error:
        raise MeasurementError(str(error)) from error
