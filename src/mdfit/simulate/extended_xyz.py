"""Trajectories in extended XYZ, for one replica."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mdfit.errors import CheckpointError
from mdfit.simulate.restart import FrameByFrame


class XYZOutput(FrameByFrame):
    """Extended XYZ, readable by ASE and OVITO."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        from ase.io import write

        try:
            write(self.path, self._atoms(frame), format="extxyz", append=True)
        except OSError as error:
            raise self._failed(error) from error
        self.count += 1
        return self._due(last)

    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]:
        from ase.io import read

        if self.path.stat().st_size < header["bytes"]:
            raise CheckpointError(
                f"{self.path} has lost frames since it was written; start the run again in another file."
            )
        os.truncate(self.path, header["bytes"])
        return [self._frame(atoms) for atoms in read(self.path, index=":", format="extxyz")]

    def _atoms(self, frame):
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator
        from ase.constraints import FixAtoms

        atoms = Atoms(
            self.structure.species, frame["positions"][0], cell=frame["cells"][0], pbc=self.structure.periodic
        )
        atoms.set_masses(self.structure.masses)
        atoms.set_velocities(frame["velocities"][0])
        if self.structure.frozen is not None:
            atoms.set_constraint(FixAtoms(mask=self.structure.frozen))
        stress = frame["stresses"][0]
        six = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, energy=float(frame["potential_energies"][0]), stress=six)
        return atoms

    def _frame(self, atoms) -> dict[str, np.ndarray]:
        return {
            "positions": atoms.positions[None].astype(self.plan.number_format),
            "velocities": atoms.get_velocities()[None].astype(self.plan.number_format),
            "cells": atoms.cell.array[None],
            "potential_energies": np.array([atoms.get_potential_energy()]),
            "stresses": atoms.get_stress(voigt=False)[None],
        }
