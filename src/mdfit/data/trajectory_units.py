"""What the user says about a trajectory that its format does not: units and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.data.intervals import irregular_at, where_irregular
from mdfit.errors import DataError, nearest
from mdfit.units import quantity

#: Units of length, force and time of LAMMPS, https://docs.lammps.org/units.html; those of "lj" have no fixed size.
LAMMPS_UNITS = {
    "real": ("Å", "kcal/mol/Å", "fs"),
    "metal": ("Å", "eV/Å", "ps"),
    "electron": ("bohr", "hartree/bohr", "fs"),
    "si": ("m", "newton", "s"),
    "cgs": ("cm", "dyne", "s"),
    "nano": ("nm", "attogram*nm/ns^2", "ns"),
    "micro": ("µm", "picogram*µm/µs^2", "µs"),
}
#: What is always possible when frames are not regular, and what is where times may be given.
KEEPING = 'keep all with gaps="keep" and take equal parts with Frames.segments()'
GIVING = f"choose others by frames, give every (the time between frames) if the times are wrong, or {KEEPING}"
#: The value of ``every`` for frames that are no time series.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Given:
    """Units and times as given to :func:`mdfit.data.read_trajectory`; None where they were not given."""

    length_unit: str | None = None
    force_unit: str | None = None
    units: str | None = None
    timestep: float | str | None = None
    every: float | str | None = None
    gaps: str = "refuse"

    def __post_init__(self) -> None:
        if self.units is not None and self.units not in LAMMPS_UNITS:
            raise DataError(f"units is {self.units!r}, no style of units with fixed sizes: {_styles(self.units)}")
        if self.gaps not in ("refuse", "keep"):
            raise DataError(f'gaps is {self.gaps!r}: give "refuse" or "keep".')
        for name in ("timestep", "every"):
            value = getattr(self, name)
            if value is not None and value != UNKNOWN and not quantity(value, "fs", name) > 0:
                raise DataError(f"{name} is {value!r}: give a positive time, such as '2 fs'.")

    def style(self, stated: str | None, file: Path) -> str | None:
        """The style of units of a dump, as given or as the dump states it.

        Raises:
            DataError: they differ, or the dump is in reduced units and no length is given.
        """
        if stated is None or self.units is None:
            style = self.units or stated
        elif stated != self.units:
            raise DataError(f"{file} states the units {stated}, but units is {self.units!r}: leave units out.")
        else:
            style = stated
        return style if style in LAMMPS_UNITS else None

    def length(self, stated: str | None, file: Path) -> float:
        """Å per unit of length.

        Raises:
            DataError: it is not known, or is given otherwise than stated.
        """
        if stated is None and self.length_unit is None:
            raise DataError(f'{file} does not state the unit of its lengths: give length_unit, such as "Å".')
        return _factor("length_unit", self.length_unit, stated, "Å", file)

    def force(self, stated: str | None, file: Path) -> float:
        """eV/Å per unit of force.

        Raises:
            DataError: it is not known, or is given otherwise than stated.
        """
        if stated is None and self.force_unit is None:
            raise DataError(f'{file} does not state the unit of its forces: give force_unit, such as "kcal/mol/Å".')
        return _factor("force_unit", self.force_unit, stated, "eV/Å", file)

    @property
    def no_times(self) -> bool:
        """Whether frames are no time series."""
        return self.every == UNKNOWN

    def regular_times(self, numbers: Sequence[int]) -> np.ndarray:
        """Times in fs of frames of these numbers, by the time between frames that was given.

        Raises:
            DataError: frames were picked at unequal distances.
        """
        assert self.every is not None
        times = quantity(self.every, "fs", "every") * np.asarray(numbers, np.float64)
        return self.checked(times, numbers, "the chosen frames", f"choose frames at equal distances, or {KEEPING}")

    def checked(self, times: np.ndarray, numbers: Sequence[int], what: str, remedy: str) -> np.ndarray:
        """The times, when they are at equal intervals or need not be.

        Args:
            times: in fs.
            numbers: of the frames, as the user counts them.
            what: the file, for messages.
            remedy: what to do otherwise.

        Raises:
            DataError: frames are missing or out of order.
        """
        odd = irregular_at(times) if self.gaps == "refuse" else None
        if odd is not None:
            raise DataError(f"{what}: {where_irregular(times, odd, numbers)}; {remedy}.")
        return times


def _factor(name: str, given: str | None, stated: str | None, target: str, file: Path) -> float:
    factor = quantity(f"1 {given or stated}", target, name)
    if (
        given is not None
        and stated is not None
        and not math.isclose(factor, quantity(f"1 {stated}", target), rel_tol=1e-6)
    ):
        raise DataError(f"{file} is in {stated}, but {name} is {given!r}: leave {name} out.")
    return factor


def _styles(name: str) -> str:
    return nearest(name, LAMMPS_UNITS)
