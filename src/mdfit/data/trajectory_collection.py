"""Frames of one or several files in arrays, with checked times and cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.data.trajectory_sources import Source, SourceFrame
from mdfit.data.trajectory_units import Given
from mdfit.errors import DataError


@dataclass(frozen=True, eq=False)
class Collected:
    """Arrays of all chosen frames; see :class:`~mdfit.data.Frames` for their shapes and units."""

    positions: np.ndarray
    cells: np.ndarray
    periodic: np.ndarray
    forces: np.ndarray | None
    times: np.ndarray | None
    unwrapped: bool


def collect(sources: Sequence[Source], atoms: Any, frames: slice | Sequence[int], given: Given) -> Collected:
    """The chosen frames of files that follow each other.

    A file that begins with the last frame of the one before, as continued runs of GROMACS do, has it counted once.

    Raises:
        DataError: there are no such frames, they do not fit together, or their times are not known or not regular.
    """
    ends = np.cumsum([0, *(len(source) for source in sources)])
    chosen = _chosen(frames, int(ends[-1]), str(sources[0].path))
    found: list[SourceFrame] = []
    numbers: list[int] = []
    for source, start, end in zip(sources, ends[:-1], ends[1:], strict=True):
        here = [number for number in chosen if start <= number < end]
        if not here:
            continue
        source.start = int(start)
        local = source.frames([number - int(start) for number in here], _atoms_of(source, atoms))
        for number, frame in zip(here, local, strict=True):
            where = f"{source.path}, frame {number - int(start)}"
            _check_finite(frame, where)
            if found:
                _check_like(frame, found[0], where)
                if number == here[0] and _same(found[-1], frame):
                    continue
            found.append(frame)
            numbers.append(number)
    return Collected(
        positions=np.stack([frame.positions for frame in found]),
        cells=np.stack([frame.cell for frame in found]),
        periodic=found[0].periodic,
        forces=None if found[0].forces is None else np.stack([frame.forces for frame in found]),
        times=_times(found, numbers, sources, given),
        unwrapped=all(frame.unwrapped for frame in found),
    )


def _chosen(frames: slice | Sequence[int], count: int, file: str) -> list[int]:
    chosen = list(range(count)[frames]) if isinstance(frames, slice) else [int(number) for number in frames]
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise DataError(f"{file} has {count} frames, none of them in {frames}: choose others.")
    if any(second <= first for first, second in itertools.pairwise(chosen)):
        raise DataError(f"The chosen frames {frames} do not go forward in time: give increasing numbers.")
    return chosen


def _atoms_of(source: Source, atoms: Any) -> Any:
    """The selected atoms in the universe of the source, whose frames it moves to."""
    universe = getattr(source, "universe", None)
    return atoms if universe is None else universe.atoms[atoms.indices]


def _check_finite(frame: SourceFrame, where: str) -> None:
    for name, array in (("positions", frame.positions), ("forces", frame.forces), ("cell vectors", frame.cell)):
        if array is not None and not np.isfinite(array).all():
            raise DataError(f"{where}: the {name} are not finite: choose other frames.")


def _check_like(frame: SourceFrame, first: SourceFrame, where: str) -> None:
    if not np.array_equal(frame.periodic, first.periodic):
        raise DataError(
            f"{where}: its cell or its periodic directions are not those of the first frame: choose others."
        )
    if (frame.forces is None) != (first.forces is None):
        raise DataError(f"{where} has no forces, although the first has, or the other way round: choose others.")


def _same(first: SourceFrame, second: SourceFrame) -> bool:
    return first.time is not None and first.time == second.time and np.array_equal(first.positions, second.positions)


def _times(found: list[SourceFrame], numbers: list[int], sources: Sequence[Source], given: Given) -> np.ndarray | None:
    if given.no_times:
        return None
    if given.every is not None:
        return given.regular_times(numbers)
    times = [frame.time for frame in found]
    if any(time is None for time in times):
        if len(found) == 1:
            return None
        raise DataError(f"{sources[0].path} {sources[0].remedy}.")
    files = ", ".join(str(source.path) for source in sources)
    return given.checked(np.array(times, np.float64), numbers, files, sources[0].irregular)
