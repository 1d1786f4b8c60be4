"""Trajectories that MDAnalysis reads, in our units, and what it leaves out without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mdfit.data.lammps_dump import leaving_out
from mdfit.data.lost_cells import lost_cells
from mdfit.data.trajectory_sources import SourceFrame
from mdfit.data.trajectory_units import GIVING, Given
from mdfit.data.unread_ends import unread_end
from mdfit.data.unwrapping import ROUNDING
from mdfit.errors import DataError
from mdfit.structure.text_files import open_text
from mdfit.units import KILOJOULE_PER_MOLE

log = logging.getLogger(__name__)


class MDAnalysisSource:
    """Any other format."""

    remedy: ClassVar[str] = (
        'does not state the times of its frames: give every, the time between them, such as "0.1 ps", or every="unknown" '
        "when they are no time series"
    )
    irregular: ClassVar[str] = GIVING

    def __init__(self, path: Path, universe: Any, given: Given):
        self.path, self.start, self._given, self.universe = path, 0, given, universe
        self._reader, self._warned = universe.trajectory, False
        for name, value, instead in (
            ("timestep", given.timestep, "give every, the time between frames, where the file does not state times"),
            ("units", given.units, "leave it out"),
        ):
            if value is not None:
                raise DataError(f"{name} is for LAMMPS dumps, but {path} is none: {instead}.")
        if not len(self._reader):
            raise DataError(f"{path} has no complete frame: give a complete file.")
        self._stated_times = _states_times(self._reader)
        if self._reader.format == "GRO" and _lines(path) > self._reader.n_atoms + 3:
            raise DataError(
                f"{path} holds several frames, of which MDAnalysis reads the first only: convert it to .trr."
            )
        self._length = self._length_factor()
        self._cells = lost_cells(path, self._reader, None if universe.filename is None else Path(universe.filename))
        self._warn_of_end()

    def __len__(self) -> int:
        return len(self._reader)

    def _warn_of_end(self) -> None:
        """MDAnalysis takes a damaged frame of some formats for the end of the file."""
        try:
            self._frame(len(self._reader) - 1)
        except DataError:
            return  # told when this frame is wanted
        problem = unread_end(self.path, self._reader)
        if problem:
            log.warning("%s is damaged or incomplete after frame %d: %s.", self.path, len(self._reader) - 1, problem)

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        has_forces = bool(self._frame(numbers[0]).has_forces)
        force = self._force_factor() if has_forces else None
        for number in numbers:
            frame = self._frame(number)
            if not frame.has_positions:
                raise DataError(f"{self.path}: frame {number} has no positions: choose others.")
            if frame.has_forces != has_forces and has_forces:
                raise DataError(f"{self.path}: frame {number} has no forces, although the first has: choose others.")
            cell = self._cell(number, frame)
            positions = (atoms.positions * self._length).astype(np.float32)
            self._warn_of_rounding(positions)
            yield SourceFrame(
                positions=positions,
                cell=cell,
                periodic=np.full(3, bool(np.any(cell))),
                forces=None if force is None else (atoms.forces * force).astype(np.float32),
                time=float(frame.time) * 1000.0 if self._stated_times and "time" in frame.data else None,
                unwrapped=False,
            )

    def _warn_of_rounding(self, positions: np.ndarray) -> None:
        """MDAnalysis reads all formats in single precision; said once."""
        rounding = float(np.spacing(np.abs(positions).max(initial=0.0))) / 2
        if rounding > ROUNDING and not self._warned:
            self._warned = True
            log.warning(
                "%s: atoms are so far from the origin that single precision rounds their positions by %.2g Å, and "
                "displacements with them; a LAMMPS dump and extended XYZ are read in double precision.",
                self.path,
                rounding,
            )

    def _cell(self, number: int, frame: Any) -> np.ndarray:
        from MDAnalysis.lib.mdamath import triclinic_vectors

        dimensions = frame.dimensions if self._cells is None else self._cells[number]
        if dimensions is None:
            return np.zeros((3, 3))
        return np.asarray(triclinic_vectors(dimensions, dtype=np.float64)) * self._length

    def _frame(self, number: int) -> Any:
        try:
            return self._reader[number]
        except Exception as problem:  # readers raise errors of every kind on damaged files
            raise DataError(
                f"{self.path}, frame {number}: MDAnalysis cannot read it ({type(problem).__name__}: {problem}); "
                f"{leaving_out(self.start + number)}."
            ) from problem

    def _length_factor(self) -> float:
        """Å per unit of length as MDAnalysis gives it: it has converted units that the format fixes."""
        stated = self._reader.units.get("length")
        if self._reader.format == "XYZ":  # MDAnalysis assumes Å
            return 1.0 if self._given.length_unit is None else self._given.length(None, self.path)
        factor = self._given.length(stated, self.path)
        return factor if stated is None else 1.0

    def _force_factor(self) -> float:
        stated = self._reader.units.get("force")
        factor = self._given.force(stated, self.path)
        return factor if stated is None else KILOJOULE_PER_MOLE  # converted to kJ/mol/Å


def _lines(path: Path) -> int:
    """Lines of a text file up to the last one that is not empty."""
    with open_text(path) as file:
        return max((number for number, line in enumerate(file, 1) if line.strip()), default=0)


def _states_times(reader: Any) -> bool:
    """Whether times are those of the program, and not filled in.

    A DCD file of LAMMPS counts in the units of its script instead of CHARMM's, and one with a time step of exactly one
    unit (49 fs) is from a program that writes a placeholder there.
    """
    if reader.format != "DCD":
        return True
    from MDAnalysis.lib.formats.libdcd import DCDFile

    with DCDFile(reader.filename) as file:
        header = file.header
    placeholder = header["delta"] * header["nsavc"] <= 0 or header["delta"] == 1.0
    return not placeholder and "LAMMPS" not in str(header["remarks"])
