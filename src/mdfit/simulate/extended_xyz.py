"""Trajectories in extended XYZ, for one replica."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from mdfit.errors import CheckpointError
from mdfit.potentials.evaluation import VOIGT
from mdfit.simulate.restart import Output, RestartHeader
from mdfit.simulate.trajectory import SPREADS

if TYPE_CHECKING:
    from ase import Atoms

#: More bytes than a line of a frame has.
_LONGEST_LINE = 1000


#: What frames of uncertain potentials say beside energies.
_SPREADS = tuple(name.removesuffix("s") for name in SPREADS.values())


class XYZOutput(Output):
    """Extended XYZ, readable by ASE and OVITO; numbers are written with all digits that they have."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        text = self._text(frame)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise self.failed(error) from error
        self.digest.update(text.encode())
        self.count += 1
        return self._due(last)

    def flush(self) -> None:
        pass

    def as_kept(self, frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # The file holds momenta and a symmetric stress, as ASE wants them.
        masses = self.recording.particles.masses[:, None]
        velocities = self._momenta(frame) / masses
        stress = frame["stresses"][0][VOIGT]
        return {
            **frame,
            "velocities": velocities[None].astype(frame["velocities"].dtype),
            "stresses": _matrix(stress)[None].astype(frame["stresses"].dtype),
        }

    def _read_frames(self, header: RestartHeader) -> list[dict[str, np.ndarray]]:
        from ase.io import read

        size = self.path.stat().st_size
        if size >= header.bytes:
            os.truncate(self.path, header.bytes)
        try:
            images = read(self.path, ":", "extxyz", do_not_split_by_at_sign=True)
            frames = [self._frame(atoms) for atoms in images]
        except Exception as problem:  # ASE raises errors of every kind on damaged files
            raise CheckpointError(
                f"{self.path} cannot be read ({type(problem).__name__}): it was changed since it was written; restore it, "
                "or start the run again in another file."
            ) from problem
        if size < header.bytes or len(frames) != self.count:
            raise self.lost_frames(len(frames))
        self.digest.update(self.path.read_bytes())
        return frames

    def _is_own_beginning(self) -> bool:
        """A part of one frame of as many atoms, or all of it."""
        atoms = self.recording.particles.number
        with self.path.open("rb") as file:
            found = file.read(_LONGEST_LINE * (atoms + 3))
        lines = found.split(b"\n")
        if lines[0] != f"{atoms}".encode():
            return len(lines) == 1 and f"{atoms}".encode().startswith(lines[0])
        return len(lines) <= atoms + 3 and (len(lines) < 2 or b"Properties=species:S:1:pos:R:3:momenta" in lines[1])

    def _momenta(self, frame: dict[str, np.ndarray]) -> np.ndarray:
        return frame["velocities"][0].astype(np.float64) * self.recording.particles.masses[:, None]

    def _text(self, frame: dict[str, np.ndarray]) -> str:
        from ase.data import chemical_symbols

        structure = self.recording.particles
        columns = np.column_stack([frame["positions"][0].astype(np.float64), self._momenta(frame)])
        pattern = " ".join(["{:>2s}", *["{:24.17g}"] * 6, "{:.17g}{}\n"])
        moves = (
            [""] * len(columns) if structure.frozen is None else [" F" if held else " T" for held in structure.frozen]
        )
        atoms = zip(structure.species, columns.tolist(), structure.masses.tolist(), moves, strict=True)
        lines = [pattern.format(chemical_symbols[number], *row, mass, move) for number, row, mass, move in atoms]
        return f"{len(lines)}\n{self._comment(frame)}\n" + "".join(lines)

    def _comment(self, frame: dict[str, np.ndarray]) -> str:
        def numbers(array: np.ndarray) -> str:
            return " ".join(repr(float(number)) for number in np.ravel(array))

        periodic = " ".join("T" if flag else "F" for flag in self.recording.particles.periodic)
        cell = frame["cells"][0]
        mask = "" if self.recording.particles.frozen is None else ":move_mask:L:1"
        lattice = f'Lattice="{numbers(cell)}" ' if np.any(cell) else ""
        return (
            f"{lattice}Properties=species:S:1:pos:R:3:momenta:R:3:masses:R:1{mask} "
            f'energy={float(frame["potential_energies"][0])!r} stress="{numbers(_matrix(frame["stresses"][0][VOIGT]))}" '
            f'pbc="{periodic}"{self._spread(frame)}'
        )

    def _spread(self, frame: dict[str, np.ndarray]) -> str:
        return "".join(f" {name}={float(frame[f'{name}s'][0])!r}" for name in _SPREADS if f"{name}s" in frame)

    def _frame(self, atoms: Atoms) -> dict[str, np.ndarray]:
        number_format = self.plan.number_format
        if not np.array_equal(atoms.numbers, self.recording.particles.species):
            raise ValueError("other atoms")
        frame = {
            "positions": _as_written(atoms.positions, number_format)[None],
            "velocities": (atoms.get_momenta() / self.recording.particles.masses[:, None])[None].astype(number_format),
            "cells": atoms.cell.array[None],
            "potential_energies": np.array([atoms.get_potential_energy()]),
            "stresses": atoms.get_stress(voigt=False)[None],
        }
        frame |= {f"{name}s": np.array([float(atoms.info[name])]) for name in _SPREADS if name in atoms.info}
        if not all(np.isfinite(array).all() for array in frame.values()):
            raise ValueError("not finite")
        return frame


def _as_written(positions: np.ndarray, number_format: str) -> np.ndarray:
    """In their number format, but for those far from the cell, which are in double precision."""
    converted = positions.astype(number_format)
    return converted if np.array_equal(converted, positions) else positions


def _matrix(six: np.ndarray) -> np.ndarray:
    return six[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
