"""Where frames of other programs come from: LAMMPS dumps, and every other format by MDAnalysis, in our units."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from mdfit.data.lammps_dump import DumpFrame, count_frames, read_dump
from mdfit.data.trajectory_units import LAMMPS_UNITS, Given
from mdfit.errors import DataError
from mdfit.structure.text_files import open_text
from mdfit.units import KILOJOULE_PER_MOLE, quantity

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame of the selected atoms.

    Attributes:
        positions: float32[N, 3], Å.
        cell: float64[3, 3], Å; zero without one.
        periodic: bool[3].
        forces: float32[N, 3], eV/Å, or None.
        time: fs, or None where the format does not state it.
        unwrapped: whether positions follow each atom across the boundary, as far as the format tells.
    """

    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    forces: np.ndarray | None
    time: float | None
    unwrapped: bool


class Source(Protocol):
    """A file of a trajectory."""

    path: Path
    #: What to say, and to give, when frames have no time.
    remedy: ClassVar[str]

    def __len__(self) -> int: ...

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        """These frames, whose numbers increase, of a selection of atoms of MDAnalysis."""
        ...


class DumpSource:
    """A LAMMPS dump."""

    remedy: ClassVar[str] = (
        'counts time steps, but does not state how long they are: give timestep, such as "2 fs", or every="unknown" when '
        "the frames are no time series"
    )

    def __init__(self, path: Path, given: Given, identifiers: np.ndarray | None):
        """``identifiers`` are those of the topology where LAMMPS has written it."""
        self.path, self._given, self._identifiers = path, given, identifiers
        if given.every is not None and not given.no_times:
            raise DataError(f'{path} counts time steps: give timestep, such as "2 fs", instead of every.')
        self._count = count_frames(path)

    def __len__(self) -> int:
        return self._count

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        first: DumpFrame | None = None
        for number, frame in zip(numbers, read_dump(self.path, numbers), strict=True):
            first = first or self._fitting(frame, atoms)
            for what, before, now in (
                ("ids", first.identifiers, frame.identifiers),
                *((name, column, frame.text.get(name)) for name, column in first.text.items() if name != "mass"),
            ):
                if not np.array_equal(before, now):  # type: ignore[arg-type]
                    raise DataError(
                        f"{self.path}, frame {number}: the {what} of atoms differ from those of the first frame: choose "
                        "frames of the same atoms."
                    )
            yield self._converted(frame, atoms.indices)

    def _fitting(self, frame: DumpFrame, atoms: Any) -> DumpFrame:
        """The frame, when its atoms are those of the topology."""
        count = len(atoms.universe.atoms)
        if len(frame.identifiers) != count:
            raise DataError(
                f"the topology and {self.path} have different numbers of atoms ({count} and {len(frame.identifiers)}): "
                "give the topology that the trajectory was written with, or save the same selection of atoms for both."
            )
        if self._identifiers is not None and not np.array_equal(self._identifiers, frame.identifiers):
            raise DataError(f"{self.path}: the ids of its atoms are not those of the topology: give its data file.")
        return frame

    def _converted(self, frame: DumpFrame, chosen: np.ndarray) -> SourceFrame:
        style = self._given.style(frame.units, self.path)
        length_unit, force_unit, time_unit = LAMMPS_UNITS[style] if style else (None, None, None)
        length = self._given.length(length_unit, self.path)
        forces = None
        if frame.forces is not None:
            forces = (frame.forces[chosen] * self._given.force(force_unit, self.path)).astype(np.float32)
        time = None
        if self._given.timestep is not None:
            time = frame.step * quantity(self._given.timestep, "fs", "timestep")
        elif frame.time is not None and time_unit is not None:
            time = frame.time * quantity(f"1 {time_unit}", "fs")
        return SourceFrame(
            positions=(frame.positions[chosen] * length).astype(np.float32),
            cell=frame.cell * length,
            periodic=frame.periodic,
            forces=forces,
            time=time,
            unwrapped=frame.unwrapped,
        )


class MDAnalysisSource:
    """Any other format."""

    remedy: ClassVar[str] = (
        'does not state the times of its frames: give every, the time between them, such as "0.1 ps", or every="unknown" '
        "when they are no time series"
    )

    def __init__(self, path: Path, universe: Any, given: Given):
        self.path, self._given, self.universe = path, given, universe
        self._reader = universe.trajectory
        for name, value in (("timestep", given.timestep), ("units", given.units)):
            if value is not None:
                raise DataError(f"{name} is for LAMMPS dumps, but {path} is none: give every or length_unit instead.")
        self._stated_times = _states_times(self._reader)
        if self._reader.format == "GRO" and _lines(path) > self._reader.n_atoms + 3:
            raise DataError(
                f"{path} holds several frames, of which MDAnalysis reads the first only: convert it to .trr."
            )

        self._warn_of_rest()

    def __len__(self) -> int:
        return len(self._reader)

    def _warn_of_rest(self) -> None:
        """MDAnalysis takes a damaged frame of GROMACS' formats for the end of the file."""
        if self._reader.format not in ("TRR", "XTC"):
            return
        try:
            self._frame(len(self._reader) - 1)
        except DataError:
            return  # told when this frame is wanted
        rest = self.path.stat().st_size - self._reader._xdr._bytes_tell()
        if rest:
            log.warning(
                "%s is damaged or incomplete after frame %d: %d bytes at its end are not read.",
                self.path,
                len(self._reader) - 1,
                rest,
            )

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        from MDAnalysis.lib.mdamath import triclinic_vectors

        # MDAnalysis has converted stated units to Å.
        stated = self._reader.units.get("length")
        length = 1.0 if stated is not None else self._given.length(None, self.path)
        has_forces = bool(self._frame(numbers[0]).has_forces)
        force = self._force_factor() if has_forces else None
        for number in numbers:
            frame = self._frame(number)
            if not frame.has_positions:
                raise DataError(f"{self.path}: frame {number} has no positions: choose others.")
            if frame.has_forces != has_forces and has_forces:
                raise DataError(f"{self.path}: frame {number} has no forces, although the first has: choose others.")
            cell = np.zeros((3, 3))
            if frame.dimensions is not None:
                cell = triclinic_vectors(frame.dimensions, dtype=np.float64) * length
            yield SourceFrame(
                positions=(atoms.positions * length).astype(np.float32),
                cell=cell,
                periodic=np.full(3, bool(np.any(cell))),
                forces=None if force is None else (atoms.forces * force).astype(np.float32),
                time=float(frame.time) * 1000.0 if self._stated_times and "time" in frame.data else None,
                unwrapped=False,
            )

    def _frame(self, number: int) -> Any:
        try:
            return self._reader[number]
        except Exception as problem:  # readers raise errors of every kind on damaged files
            remedy = f"leave it out, as by frames=slice(0, {number})" if number else "give a complete file"
            raise DataError(
                f"{self.path}, frame {number}: MDAnalysis cannot read it ({type(problem).__name__}: {problem}); {remedy}."
            ) from problem

    def _force_factor(self) -> float:
        if self._reader.units.get("force") is not None:
            return KILOJOULE_PER_MOLE  # MDAnalysis has converted it to kJ/mol/Å.
        return self._given.force(None, self.path)


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
