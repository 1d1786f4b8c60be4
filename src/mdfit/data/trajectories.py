"""Trajectories of other programs, read by MDAnalysis.

MDAnalysis (N. Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011), doi:10.1002/jcc.21787) is used rather than
MDTraj because it reads forces where a format has them (TRR, TNG, NetCDF, LAMMPS dump) and knows the formats' units.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.data.frames import Frames
from mdfit.errors import DataError
from mdfit.structure import Structure
from mdfit.units import KILOJOULE_PER_MOLE, quantity

#: A hydrogen atom farther than this from every other atom (Å) has no bond.
_LONGEST_HYDROGEN_BOND = 1.3


def read_trajectory(
    topology: str | Path,
    trajectory: str | Path | Sequence[str | Path],
    *,
    constraints: str | Sequence[Sequence[int]] | np.ndarray | None = None,
    select: str = "all",
    frames: slice = slice(None),
    species: Sequence[int] | None = None,
    masses: Sequence[float] | None = None,
    length_unit: str | None = None,
    force_unit: str | None = None,
) -> Frames:
    """Frames of any topology and trajectory that MDAnalysis reads: GROMACS, Amber, CHARMM, NAMD, LAMMPS and others.

    Positions, cells and, where the format has them, forces are converted to Å and eV/Å.  Molecules are left as they are
    in the file: whole, or cut at the boundary (a :class:`~mdfit.data.Mapping` puts beads together itself).

    Args:
        topology: names, elements and masses: a ``.pdb``, ``.gro``, ``.tpr``, ``.psf``, ``.prmtop``, ``.data`` ... file.
        trajectory: one file, or several that follow each other.
        constraints: needed when there are forces, because they decide which forces of beads are valid: ``"none"``,
            ``"hydrogens"`` for rigid bonds to hydrogen and rigid water, or pairs of the selected atoms, numbered from 0.
        select: which atoms, in the language of MDAnalysis, such as ``"protein"`` or ``"not name MW"``.
        frames: which frames.
        species: atomic numbers of the selected atoms where the topology does not tell elements.
        masses: of the selected atoms in amu; by default those of the topology, or of the elements.
        length_unit: ``"Å"`` or another unit, for formats that do not state it (LAMMPS dump).
        force_unit: such as ``"kcal/mol/Å"``, for formats that do not state it.

    Raises:
        DataError: MDAnalysis is not installed; files are missing, damaged or of different numbers of atoms; elements,
            units or constraints are not known.
        UnitError: a unit that is none of a length or a force.
    """
    files = [Path(trajectory)] if isinstance(trajectory, (str, Path)) else [Path(file) for file in trajectory]
    for file in (Path(topology), *files):
        if not file.is_file():
            raise DataError(f"{file} does not exist (working directory {Path.cwd()}): check the name.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="MDAnalysis")
        universe = _open(Path(topology), files)
        atoms = _chosen(universe, select)
        numbers = _species(atoms, species, Path(topology))
        arrays = _arrays(universe, atoms, frames, files[0], length_unit, force_unit)
        weights = _masses(atoms, numbers) if masses is None else np.asarray(masses, np.float64)
    read = Frames(
        species=numbers, masses=weights, names=_names(atoms), source=", ".join(str(file) for file in files), **arrays
    )
    return _with_constraints(read, constraints)


def bonds_to_hydrogen(structure: Structure) -> np.ndarray:
    """Pairs of every hydrogen atom and the other atom that is nearest to it, int64[H, 2].

    Raises:
        DataError: a hydrogen atom is farther than 1.3 Å from every other atom.
    """
    from vesin import NeighborList

    first, second, distance = NeighborList(cutoff=_LONGEST_HYDROGEN_BOND, full_list=True).compute(
        points=structure.positions, box=structure.cell, periodic=structure.periodic.tolist(), quantities="ijd"
    )
    usable = (structure.species[first] == 1) & (structure.species[second] != 1)
    order = np.argsort(distance[usable])
    hydrogens, nearest = np.unique(first[usable][order], return_index=True)
    lone = np.setdiff1d(np.flatnonzero(structure.species == 1), hydrogens)
    if len(lone):
        raise DataError(
            f"The hydrogen atom {lone[0]} has no atom within {_LONGEST_HYDROGEN_BOND} Å: give the pairs of the rigid bonds."
        )
    return np.stack([hydrogens, second[usable][order][nearest]], axis=1).astype(np.int64)


def _open(topology: Path, files: list[Path]) -> Any:
    try:
        import MDAnalysis
    except ImportError:
        raise DataError(
            'Reading trajectories of other programs needs MDAnalysis: pip install "mdfit[trajectories]".'
        ) from None
    try:
        names = [str(file) for file in files]
        return MDAnalysis.Universe(str(topology), names[0] if len(names) == 1 else names, to_guess=())
    except ValueError as problem:
        if "same number of atoms" in str(problem):
            counts = " ".join(str(problem).split("!", 1)[-1].split())
            raise DataError(
                f"{topology} and {files[0]} have different numbers of atoms ({counts}): give the topology that the "
                "trajectory was written with, or save the same selection of atoms for both."
            ) from None
        raise _unreadable(topology, files, problem) from problem
    except Exception as problem:  # readers raise errors of every kind on damaged files
        raise _unreadable(topology, files, problem) from problem


def _unreadable(topology: Path, files: list[Path], problem: Exception) -> DataError:
    return DataError(
        f"MDAnalysis cannot read {topology} with {', '.join(map(str, files))} ({type(problem).__name__}: {problem}): check "
        "that the files are complete and that their names end in their formats."
    )


def _chosen(universe: Any, select: str) -> Any:
    from MDAnalysis.exceptions import SelectionError

    try:
        atoms = universe.select_atoms(select)
    except (SelectionError, AttributeError) as problem:
        raise DataError(
            f"The selection {select!r} cannot be understood ({problem}): write it as for MDAnalysis."
        ) from None
    if not len(atoms):
        raise DataError(f"The selection {select!r} matches none of {len(universe.atoms)} atoms: check it.")
    return atoms


def _species(atoms: Any, given: Sequence[int] | None, topology: Path) -> np.ndarray:
    from ase.data import atomic_numbers

    if given is not None:
        if len(given) != len(atoms):
            raise DataError(f"{len(given)} species are given for {len(atoms)} selected atoms: give one per atom.")
        return np.asarray(given, np.int32)
    if not hasattr(atoms, "elements") or not all(atoms.elements):
        if not hasattr(atoms, "names"):
            raise DataError(f"{topology} tells no elements: give the atomic numbers as species.")
        atoms.universe.guess_TopologyAttrs(force_guess=["elements"])
    symbols = [str(symbol).capitalize() for symbol in atoms.elements]
    unknown = [index for index, symbol in enumerate(symbols) if symbol not in atomic_numbers or symbol == "X"]
    if unknown:
        name = _names(atoms)[unknown[0]] if hasattr(atoms, "names") else ""
        raise DataError(
            f"{topology} does not tell the element of the atom {unknown[0]} ({name}): give species, or leave out virtual "
            'sites by select="not name MW", for instance.'
        )
    return np.array([atomic_numbers[symbol] for symbol in symbols], np.int32)


def _masses(atoms: Any, species: np.ndarray) -> np.ndarray:
    from ase.data import atomic_masses

    known = np.asarray(atoms.masses, np.float64) if hasattr(atoms, "masses") else np.zeros(len(species))
    return np.where(known > 0, known, atomic_masses[species])


def _names(atoms: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in atoms.names) if hasattr(atoms, "names") else ()


def _arrays(
    universe: Any, atoms: Any, frames: slice, file: Path, length_unit: str | None, force_unit: str | None
) -> dict[str, Any]:
    from MDAnalysis.lib.mdamath import triclinic_vectors

    chosen = range(len(universe.trajectory))[frames]
    if not len(chosen):
        raise DataError(f"{file} has {len(universe.trajectory)} frames, none of them in {frames}: choose others.")
    first = universe.trajectory[chosen[0]]
    length = _length_factor(universe.trajectory, file, length_unit)
    force = _force_factor(universe.trajectory, file, force_unit) if first.has_forces else None
    positions = np.empty((len(chosen), len(atoms), 3), np.float32)
    forces = None if force is None else np.empty_like(positions)
    cells, times = np.zeros((len(chosen), 3, 3)), np.empty(len(chosen))
    for row, number in enumerate(chosen):
        frame = universe.trajectory[number]
        positions[row], times[row] = atoms.positions * length, frame.time * 1000.0
        if frame.dimensions is not None:
            cells[row] = triclinic_vectors(frame.dimensions, dtype=np.float64) * length
        if forces is not None:
            if not frame.has_forces:
                raise DataError(f"{file}: frame {number} has no forces, although the first has: choose others.")
            forces[row] = atoms.forces * force
    return {
        "positions": positions,
        "forces": forces,
        "cells": cells,
        "times": times,
        "periodic": np.full(3, bool(np.any(cells[0]))),
    }


def _length_factor(reader: Any, file: Path, unit: str | None) -> float:
    stated = reader.units.get("length")
    if stated is None and unit is None:
        raise DataError(f'{file} does not state the unit of its lengths: give length_unit, such as "Å".')
    # MDAnalysis has converted stated units to Å.
    return 1.0 if stated is not None or unit is None else quantity(f"1 {unit}", "Å", "length_unit")


def _force_factor(reader: Any, file: Path, unit: str | None) -> float:
    stated = reader.units.get("force")
    if stated is not None:
        return KILOJOULE_PER_MOLE  # MDAnalysis has converted it to kJ/mol/Å.
    if unit is None:
        raise DataError(f'{file} does not state the unit of its forces: give force_unit, such as "kcal/mol/Å".')
    return quantity(f"1 {unit}", "eV/Å", "force_unit")


def _with_constraints(frames: Frames, constraints: Any) -> Frames:
    import dataclasses

    if constraints is None:
        if frames.forces is not None:
            raise DataError(
                f"{frames.source} holds forces, and rigid bonds decide which forces of beads are valid: give constraints, "
                '"none", "hydrogens" (rigid bonds to hydrogen and rigid water) or the pairs of atoms.'
            )
        return frames
    if isinstance(constraints, str):
        if constraints not in ("none", "hydrogens"):
            raise DataError(f'constraints is {constraints!r}: give "none", "hydrogens" or pairs of atoms.')
        pairs = bonds_to_hydrogen(frames.structure(0)) if constraints == "hydrogens" else np.zeros((0, 2), np.int64)
    else:
        pairs = np.asarray(constraints, np.int64)
    return dataclasses.replace(frames, constraints=pairs)
