"""Dumps of LAMMPS as trajectories: in our units, and in agreement with their topology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mdfit.data.lammps_dump import DumpFrame, count_frames, read_dump
from mdfit.data.trajectory_sources import SourceFrame, check_number
from mdfit.data.trajectory_units import KEEPING, LAMMPS_UNITS, Given
from mdfit.data.unwrapping import single_where_exact
from mdfit.errors import DataError
from mdfit.units import quantity


class DumpSource:
    """A LAMMPS dump."""

    remedy: ClassVar[str] = (
        'counts time steps, but does not state how long they are: give timestep, such as "2 fs", or every="unknown" when '
        "the frames are no time series"
    )
    irregular: ClassVar[str] = f"choose others by frames, or {KEEPING}"

    def __init__(self, path: Path, given: Given, identifiers: np.ndarray | None):
        """``identifiers`` are those of the topology where LAMMPS has written it."""
        self.path, self.start, self._given, self._identifiers = path, 0, given, identifiers
        if given.every is not None and not given.no_times:
            raise DataError(f'{path} counts time steps: give timestep, such as "2 fs", instead of every.')
        self._count = count_frames(path)

    def __len__(self) -> int:
        return self._count

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        first: DumpFrame | None = None
        for number, frame in zip(numbers, read_dump(self.path, numbers, self.start), strict=True):
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
            yield self._converted(frame, first, atoms.indices)

    def _fitting(self, frame: DumpFrame, atoms: Any) -> DumpFrame:
        """The frame, when its atoms are those of the topology."""
        every = atoms.universe.atoms
        check_number(len(every), len(frame.identifiers), self.path)
        if self._identifiers is None:
            return frame
        if not np.array_equal(self._identifiers, frame.identifiers):
            raise DataError(f"{self.path}: the ids of its atoms are not those of the topology: give its data file.")
        differing = _differing(frame.text, every)
        if differing is not None:
            what, atom = differing
            raise DataError(
                f"{self.path}: the {what} of the atom with id {frame.identifiers[atom]} is not that of the topology: give "
                "the data file of its run."
            )
        return frame

    def _converted(self, frame: DumpFrame, first: DumpFrame, chosen: np.ndarray) -> SourceFrame:
        style = self._given.style(frame.units, self.path)
        length_unit, force_unit, time_unit = LAMMPS_UNITS[style] if style else (None, None, None)
        length = self._given.length(length_unit, self.path)
        forces = None
        if frame.forces is not None:
            forces = (frame.forces[chosen] * self._given.force(force_unit, self.path)).astype(np.float32)
        return SourceFrame(
            positions=single_where_exact(frame.positions[chosen] * length),
            cell=frame.cell * length,
            periodic=frame.periodic,
            forces=forces,
            time=self._time(frame, first, None if time_unit is None else quantity(f"1 {time_unit}", "fs")),
            unwrapped=frame.unwrapped,
        )

    def _time(self, frame: DumpFrame, first: DumpFrame, femtoseconds: float | None) -> float | None:
        """In fs, as stated, where the unit is known, and as the time step tells otherwise; both must agree."""
        given = self._given.timestep
        step = None if given is None else quantity(given, "fs", "timestep")
        if frame.time is None or femtoseconds is None:
            return None if step is None else frame.step * step
        if step is not None and first.time is not None and frame.step != first.step:
            passed, steps = (frame.time - first.time) * femtoseconds, frame.step - first.step
            # Times are written with six digits at least.
            rounding = 1e-5 * abs(frame.time) * femtoseconds
            if abs(passed - steps * step) > 1e-4 * abs(passed) + rounding:
                raise DataError(
                    f"{self.path} states times by which a time step takes {passed / steps:g} fs, but timestep is "
                    f"{given!r}: leave timestep out."
                )
        return frame.time * femtoseconds


def _differing(columns: dict[str, np.ndarray], atoms: Any) -> tuple[str, int] | None:
    """What of which atom a dump and its data file tell differently: types (but labels of types) and masses."""
    types = np.asarray(atoms.types, str) if hasattr(atoms, "types") else None
    if types is not None and "type" in columns:
        numbered = np.char.isdigit(types) & np.char.isdigit(columns["type"].astype(str))
        wrong = numbered & (types != columns["type"].astype(str))
        if wrong.any():
            return "type", int(np.argmax(wrong))
    if hasattr(atoms, "masses") and "mass" in columns:
        masses = np.asarray(atoms.masses, np.float64)
        wrong = (masses > 0) & (np.abs(columns["mass"].astype(np.float64) - masses) > 1e-3 * masses)
        if wrong.any():
            return "mass", int(np.argmax(wrong))
    return None
