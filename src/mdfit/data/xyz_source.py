"""Extended XYZ as trajectories: MDAnalysis knows plain XYZ only, without cells, forces and the names of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mdfit.data.labels import RECOGNISED, entries, read_forces
from mdfit.data.trajectory_sources import SourceFrame, check_number
from mdfit.data.trajectory_units import GIVING, LAMMPS_UNITS, Given
from mdfit.data.unwrapping import single_where_exact
from mdfit.errors import DataError
from mdfit.structure.extended_xyz import Frame, count_frames, frames_of, is_extended
from mdfit.structure.reading import atoms_of_frames
from mdfit.structure.text_files import open_text, without_compression
from mdfit.units import quantity

if TYPE_CHECKING:
    from ase import Atoms


def is_extended_xyz(path: Path) -> bool:
    """Whether a file is extended XYZ, by its name and its second line.

    Raises:
        DataError: it is named .xyz, but states a cell in words of its own.
    """
    name = without_compression(path).lower()
    if not name.endswith((".xyz", ".extxyz")):
        return False
    with open_text(path) as file:
        comment = [file.readline(), file.readline()][1]
    if "CELL(" in comment or "CELL{" in comment:  # i-PI
        raise DataError(
            f'{path} states its cell as {comment.strip()[:30]!r}, which is not read here: write it as Lattice="..." of '
            "extended XYZ, with lengths in Å."
        )
    return name.endswith(".extxyz") or is_extended(comment)


def first_atoms(path: Path) -> Atoms:
    """The first frame, with masses and elements, as a topology.

    Raises:
        DataError: there is none, it is not complete, or a species is no element.
    """
    with open_text(path) as file:
        found = list(frames_of(file, str(path), chosen=[0]))
    if not found:
        raise DataError(f"{path} holds no frames: give a complete file.")
    return _read(found[0], f"{path}, frame 0")


def _read(frame: Frame, where: str) -> Atoms:
    try:
        return atoms_of_frames([frame], where)[0]
    except DataError:
        raise
    except Exception as problem:  # ASE raises errors of every kind on damaged frames
        raise DataError(f"{where} cannot be read ({type(problem).__name__}: {problem}): correct it.") from None


class XYZSource:
    """Extended XYZ: lengths in Å and forces in eV/Å, as ASE has them, but in the units of the script by LAMMPS."""

    remedy: ClassVar[str] = (
        "does not state the unit of the times of its frames, if any: give every, the time between them, such as "
        '"0.1 ps", timestep where it counts steps, or every="unknown" when they are no time series'
    )
    irregular: ClassVar[str] = GIVING

    def __init__(self, path: Path, given: Given):
        self.path, self.start, self._given = path, 0, given
        if given.timestep is not None and given.every is not None and not given.no_times:
            raise DataError(f"Both timestep and every are given for {path}: give one of them.")
        with open_text(path) as file:
            self._count = count_frames(file, str(path))

    def __len__(self) -> int:
        return self._count

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        first: Atoms | None = None
        clocks: list[list[float | None]] = []
        with open_text(self.path) as file:
            for number, frame in zip(numbers, frames_of(file, str(self.path), numbers, elements=False), strict=True):
                read = _read(frame, f"{self.path}, frame {number}")
                first = self._fitting(read, atoms) if first is None else first
                if not np.array_equal(read.numbers, first.numbers):
                    raise DataError(
                        f"{self.path}, frame {number}: its atoms differ from those of the first frame: choose frames of "
                        "the same atoms."
                    )
                clocks.append([_entry(read, name) for name in _CLOCKS])
                yield self._converted(number, read, atoms.indices)
        self._check_every(numbers, clocks)

    def _fitting(self, read: Atoms, atoms: Any) -> Atoms:
        """The frame, when its atoms are those of the topology."""
        from ase.data import atomic_numbers

        every = atoms.universe.atoms
        check_number(len(every), len(read), self.path)
        symbols = every.elements if hasattr(every, "elements") else [""] * len(every)
        told = np.array([atomic_numbers.get(str(symbol).capitalize(), 0) for symbol in symbols])
        wrong = (told > 0) & (read.numbers > 0) & (told != read.numbers)
        if wrong.any():
            raise DataError(
                f"{self.path}: the element of the atom {int(np.argmax(wrong))} is not that of the topology: give the "
                "topology that the trajectory was written with."
            )
        return read

    def _converted(self, number: int, read: Atoms, chosen: np.ndarray) -> SourceFrame:
        by_lammps = _entry(read, "timestep") is not None
        if self._given.units is not None and not by_lammps:
            raise DataError(f"units is for files of LAMMPS, but {self.path} is none: leave it out.")
        length_unit, force_unit, _ = LAMMPS_UNITS[self._given.units] if self._given.units else (None, None, None)
        assumed = not by_lammps and self._given.length_unit is None
        length = 1.0 if assumed else self._given.length(length_unit, self.path)
        forces = _forces(read, f"{self.path}, frame {number}")
        if forces is not None:
            assumed = not by_lammps and self._given.force_unit is None
            forces = (forces * (1.0 if assumed else self._given.force(force_unit, self.path))).astype(np.float32)
        return SourceFrame(
            positions=single_where_exact(read.positions[chosen] * length),
            cell=read.cell.array * length,
            periodic=read.pbc.copy(),
            forces=None if forces is None else forces[chosen],
            time=self._time(number, read),
            unwrapped=False,
        )

    def _time(self, number: int, read: Atoms) -> float | None:
        if self._given.timestep is None:
            return None
        step = next((value for name in ("timestep", "step") if (value := _entry(read, name)) is not None), None)
        if step is None:
            raise DataError(f"{self.path}, frame {number} counts no time steps: give every instead of timestep.")
        return step * quantity(self._given.timestep, "fs", "timestep")

    def _check_every(self, numbers: Sequence[int], clocks: list[list[float | None]]) -> None:
        """Frames that name irregular times or steps are not at the intervals that ``every`` says."""
        if self._given.every is None or self._given.no_times or self._given.gaps == "keep" or len(numbers) < 3:
            return
        for name, values in zip(_CLOCKS, zip(*clocks, strict=True), strict=True):
            if any(value is None for value in values):
                continue
            rates = np.diff(np.array(values, np.float64)) / np.diff(numbers)
            odd = ~(np.abs(rates - np.median(rates)) <= 1e-3 * abs(np.median(rates)))
            if odd.any():
                frame = int(np.argmax(odd))
                raise DataError(
                    f"{self.path}: by their {name!r}, the frames {self.start + numbers[frame]} and "
                    f"{self.start + numbers[frame + 1]} are not at the interval of the others, which every gives to all: "
                    'choose others by frames, or give gaps="keep" if they are.'
                )


#: Names, in any case, by which frames tell when they are; no unit is stated.
_CLOCKS = ("time", "timestep", "step")


def _forces(read: Atoms, where: str) -> np.ndarray | None:
    """Forces under the first name that is recognised."""
    found = entries(read)
    order = RECOGNISED["forces"]
    names = sorted((key for key in found if key.lower() in order), key=lambda key: order.index(key.lower()))
    return read_forces(found, names[0] if names else None, len(read), where)


def _entry(read: Atoms, name: str) -> float | None:
    """A number of the comment line, whose name may be in any case."""
    value = next((value for key, value in read.info.items() if str(key).lower() == name), None)
    return float(value) if isinstance(value, (int, float, np.integer, np.floating)) else None
