"""What a file of a trajectory gives, whichever its format: frames of the selected atoms, in our units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from mdfit.errors import DataError


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame of the selected atoms.

    Attributes:
        positions: float32[N, 3], Å; float64 where single precision would round by more than 1e-4 Å.
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
    #: How many frames the files before have: the user counts over all files.
    start: int
    #: What to say, and to give, when frames have no time.
    remedy: ClassVar[str]
    #: What to do when the times of frames are not regular.
    irregular: ClassVar[str]

    def __len__(self) -> int: ...

    def frames(self, numbers: Sequence[int], atoms: Any) -> Iterator[SourceFrame]:
        """These frames, whose numbers increase, of a selection of atoms of MDAnalysis."""
        ...


def check_number(topology: int, frame: int, path: Path) -> None:
    """That the topology has as many atoms as a frame.

    Raises:
        DataError: it has not.
    """
    if topology != frame:
        raise DataError(
            f"the topology and {path} have different numbers of atoms ({topology} and {frame}): give the topology that the "
            "trajectory was written with, or save the same selection of atoms for both."
        )
