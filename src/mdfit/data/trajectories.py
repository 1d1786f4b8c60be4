"""Trajectories of other programs, read by MDAnalysis.

MDAnalysis (N. Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011), doi:10.1002/jcc.21787) is used rather than
MDTraj because it reads forces where a format has them (TRR, TNG, NetCDF) and knows the formats' units.  Dumps of LAMMPS
are read by :mod:`mdfit.data.lammps_dump`, and extended XYZ by :mod:`mdfit.data.xyz_source`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mdfit.data.frames import Frames
from mdfit.data.named_elements import elements_by_names
from mdfit.data.trajectory_collection import Collected, collect
from mdfit.data.trajectory_topology import OpenedTopology, open_topology
from mdfit.data.trajectory_units import Given
from mdfit.data.unwrapping import AMBIGUOUS, by_nearest_images, jumps_without_cell
from mdfit.errors import DataError
from mdfit.structure import Structure
from mdfit.structure.lammps_data import elements_of_masses
from mdfit.structure.text_files import COMPRESSED, open_bytes

#: A hydrogen atom farther than this from every other atom (Å) has no bond.
_LONGEST_HYDROGEN_BOND = 1.3


def read_trajectory(
    topology: str | Path,
    trajectory: str | Path | Sequence[str | Path],
    *,
    constraints: str | Sequence[Sequence[int]] | np.ndarray | None = None,
    select: str = "all",
    frames: slice | Sequence[int] = slice(None),
    species: Sequence[int] | None = None,
    masses: Sequence[float] | None = None,
    length_unit: str | None = None,
    force_unit: str | None = None,
    units: str | None = None,
    timestep: float | str | None = None,
    every: float | str | None = None,
    gaps: Literal["refuse", "keep"] = "refuse",
    unwrap: Literal["auto", "done", "no"] = "auto",
    atom_style: str | None = None,
) -> Frames:
    """Frames of any topology and trajectory that MDAnalysis reads: GROMACS, Amber, CHARMM, NAMD, LAMMPS and others.

    Positions, cells and, where the format has them, forces are converted to Å and eV/Å.  Atoms that were put back into
    the cell follow their way across its boundary again: by image flags where the file has them, otherwise by the image
    that is nearest to the frame before.  Molecules that are cut at the boundary in the first frame stay so (a
    :class:`~mdfit.data.Mapping` puts beads together itself).

    Args:
        topology: names, elements and masses: a ``.pdb``, ``.gro``, ``.tpr``, ``.psf``, ``.prmtop`` ... file, a data file
            of LAMMPS, a dump itself, or extended XYZ.  Elements of LAMMPS are found by their masses.
        trajectory: one file, or several that follow each other.
        constraints: needed when there are forces, because they decide which forces of beads are valid: ``"none"``,
            ``"hydrogens"`` for rigid bonds to hydrogen and rigid water, or pairs of the selected atoms, numbered from 0.
        select: which atoms, in the language of MDAnalysis, such as ``"protein"`` or ``"not name MW"``.
        frames: which frames, forward in time.
        species: atomic numbers of the selected atoms where the topology does not tell elements.
        masses: of the selected atoms in amu; by default those of the topology, or of the elements.
        length_unit: ``"Å"`` or another unit, for formats that do not state it (LAMMPS dump; XYZ is in Å by default).
        force_unit: such as ``"kcal/mol/Å"``, for formats that do not state it.
        units: style of units of a LAMMPS dump, such as ``"real"`` or ``"metal"``, instead of the two.
        timestep: of the simulation, such as ``"2 fs"``, for dumps and extended XYZ that count time steps.
        every: time between the frames of the file, such as ``"0.1 ps"``, for formats that do not state times (XYZ, PDB,
            Amber's text files, DCD of some programs) or state wrong ones; ``"unknown"`` for frames that are no time series.
        gaps: ``"refuse"`` frames at unequal intervals, or ``"keep"`` them with their times.
        unwrap: ``"auto"``; ``"done"`` when positions follow each atom already; ``"no"`` leaves them in the cell, and
            displacements are refused then.
        atom_style: of a data file of LAMMPS that does not tell it, such as ``"full"``.

    Raises:
        DataError: MDAnalysis is not installed; files are missing, damaged or of different numbers of atoms; elements,
            units, times or constraints are not known, or given otherwise than a file states; frames are missing; atoms move
            too far between frames to tell how.
        UnitError: a unit that is none of a length, a force or a time.
    """
    files = [Path(trajectory)] if isinstance(trajectory, (str, Path)) else [Path(file) for file in trajectory]
    for file in (Path(topology), *files):
        if not file.is_file():
            raise DataError(f"{file} does not exist (working directory {Path.cwd()}): check the name.")
        _check_content(file)
    if unwrap not in ("auto", "done", "no"):
        raise DataError(f'unwrap is {unwrap!r}: give "auto", "done" or "no".')
    given = Given(length_unit, force_unit, units, timestep, every, gaps)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="MDAnalysis")
        opened = open_topology(Path(topology), files[0], atom_style)
        atoms = _chosen(opened.universe, select)
        numbers = _species(atoms, species, opened)
        weights = _masses(atoms, numbers) if masses is None else np.asarray(masses, np.float64)
        collected = collect([opened.source(file, given) for file in files], atoms, frames, given)
    positions, unwrapped = _followed(collected, unwrap, files[0])
    read = Frames(
        species=numbers,
        masses=weights,
        positions=positions,
        cells=collected.cells,
        periodic=collected.periodic,
        forces=collected.forces,
        times=collected.times,
        names=_names(atoms),
        source=", ".join(str(file) for file in files),
        unwrapped=unwrapped,
    )
    return _with_constraints(read, constraints)


def _check_content(file: Path) -> None:
    """That a file is not empty, and that compressed data are whole and of a kind that all readers know."""
    with open_bytes(file) as content:
        if not content.read(1):
            raise DataError(f"{file} is empty: give a complete file.")
        if file.suffix.lower() in COMPRESSED:
            while content.read(1 << 20):
                pass


def _followed(collected: Collected, unwrap: str, file: Path) -> tuple[np.ndarray, bool]:
    """The positions, and whether they follow each atom across the boundary."""
    if unwrap == "done" or collected.unwrapped:
        return collected.positions, True
    if not collected.periodic.any():
        jumps = jumps_without_cell(collected.positions)
        if jumps and unwrap == "auto":
            raise DataError(
                f"{file} has no cell, but atoms jump across the whole system between frames, as if they were put back into "
                'one: read a format that states the cell, or give unwrap="no" (displacements are refused then), or '
                'unwrap="done" if atoms do move so.'
            )
        return collected.positions, not jumps
    moved, largest = by_nearest_images(collected.positions, collected.cells, collected.periodic)
    if unwrap == "no":
        return collected.positions, moved is collected.positions
    if largest > AMBIGUOUS:
        raise DataError(
            f"{file}: atoms cross the boundary of the cell, and move by up to {100 * largest:.0f} % of it between frames, "
            'so that their way is not known: read more of the frames, or give unwrap="no" (displacements are refused '
            'then), or unwrap="done" if positions follow each atom already.'
        )
    return moved, True


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


def _species(atoms: Any, given: Sequence[int] | None, opened: OpenedTopology) -> np.ndarray:
    from ase.data import atomic_numbers

    if given is not None:
        if len(given) != len(atoms):
            raise DataError(f"{len(given)} species are given for {len(atoms)} selected atoms: give one per atom.")
        return np.asarray(given, np.int32)
    if hasattr(atoms, "elements") and all(atoms.elements):
        symbols = [str(symbol) for symbol in atoms.elements]
    else:
        if opened.by_lammps and hasattr(atoms, "masses"):
            found = elements_of_masses(np.asarray(atoms.masses, np.float64))
            if found is not None:
                return found
        if not hasattr(atoms, "names"):
            raise DataError(
                f"{opened.path} tells no elements, and no masses that are those of elements: give the atomic numbers as "
                "species."
            )
        symbols = elements_by_names(atoms)
    symbols = [symbol.capitalize() for symbol in symbols]
    unknown = [index for index, symbol in enumerate(symbols) if symbol not in atomic_numbers or symbol == "X"]
    if unknown:
        name = _names(atoms)[unknown[0]] if hasattr(atoms, "names") else ""
        raise DataError(
            f"{opened.path} does not tell the element of the atom {unknown[0]} ({name}): give species, or leave out "
            'virtual sites by select="not name MW", for instance.'
        )
    return np.array([atomic_numbers[symbol] for symbol in symbols], np.int32)


def _masses(atoms: Any, species: np.ndarray) -> np.ndarray:
    from ase.data import atomic_masses

    known = np.asarray(atoms.masses, np.float64) if hasattr(atoms, "masses") else np.zeros(len(species))
    return np.where(known > 0, known, atomic_masses[species])


def _names(atoms: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in atoms.names) if hasattr(atoms, "names") else ()


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
