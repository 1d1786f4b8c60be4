"""Topologies of other programs, and the trajectories that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.data.dump_source import DumpSource
from mdfit.data.lammps_dump import DumpFrame, is_dump, read_dump
from mdfit.data.mdanalysis_source import MDAnalysisSource
from mdfit.data.trajectory_sources import Source
from mdfit.data.trajectory_units import Given
from mdfit.data.xyz_source import XYZSource, first_atoms, is_extended_xyz
from mdfit.errors import DataError, shown
from mdfit.structure.lammps_data import STYLES, is_data_file
from mdfit.structure.lammps_data import atom_style as style_of

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, eq=False)
class OpenedTopology:
    """Names, elements and masses.

    Attributes:
        path: the file.
        universe: of MDAnalysis.
        identifiers: int64[N], sorted, those of LAMMPS; None of other programs.
        loaded: the trajectory that the universe holds already.
    """

    path: Path
    universe: Any
    identifiers: np.ndarray | None
    loaded: Path | None

    @property
    def by_lammps(self) -> bool:
        """Whether LAMMPS has written it."""
        return self.identifiers is not None

    def source(self, file: Path, given: Given) -> Source:
        """The frames of a file.

        Raises:
            DataError: it cannot be read, or is of another number of atoms.
        """
        if is_dump(file):
            return DumpSource(file, given, self.identifiers)
        if is_extended_xyz(file):
            return XYZSource(file, given)
        _check_compression(file)
        if file != self.loaded:
            universe = _guarded(self.path, file, lambda: self.universe.copy().load_new(str(file)))
        else:
            universe = self.universe
        return MDAnalysisSource(file, universe, given)


def open_topology(path: Path, trajectory: Path, atom_style: str | None) -> OpenedTopology:
    """Opens a topology, with its trajectory unless that is a dump.

    Raises:
        DataError: MDAnalysis is not installed; a file cannot be read, or they have different numbers of atoms.
    """
    try:
        import MDAnalysis
    except ImportError:
        raise DataError(
            'Reading trajectories of other programs needs MDAnalysis: pip install "mdfit[trajectories]".'
        ) from None
    of_lammps = is_data_file(path)
    if atom_style is not None and not of_lammps:
        raise DataError(f"atom_style is for data files of LAMMPS, but {path} is none: leave it out.")
    if is_dump(path):
        first = next(read_dump(path, [0]), None)
        if first is None:
            raise DataError(f"{path} holds no frames: give a complete dump.")
        return OpenedTopology(path, _of_dump(first), first.identifiers, None)
    if is_extended_xyz(path):
        return OpenedTopology(path, _of_atoms(first_atoms(path)), None, None)
    options: dict[str, Any] = {"to_guess": ()}
    if of_lammps:
        options |= {"topology_format": "DATA", "format": "DATA", "atom_style": STYLES[style_of(path, atom_style)]}
    for file in (path, trajectory):
        _check_compression(file)
    files = [] if of_lammps or is_dump(trajectory) or is_extended_xyz(trajectory) else [str(trajectory)]
    universe = _guarded(path, trajectory, lambda: MDAnalysis.Universe(str(path), *files, **options))
    identifiers = np.sort(np.asarray(universe.atoms.ids, np.int64)) if of_lammps else None
    return OpenedTopology(path, universe, identifiers, trajectory if files else None)


def _check_compression(file: Path) -> None:
    if not (is_dump(file) or is_extended_xyz(file)) and file.suffix.lower() in (".xz", ".zst"):
        raise DataError(f"{file} is compressed in a way that MDAnalysis does not read: decompress it first.")


def _of_dump(frame: DumpFrame) -> Any:
    """What one frame of a dump tells of its atoms."""
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(len(frame.identifiers), trajectory=True)
    universe.add_TopologyAttr("ids", frame.identifiers)
    for column, attribute in (("type", "types"), ("element", "elements")):
        if column in frame.text:
            universe.add_TopologyAttr(attribute, frame.text[column].astype(object))
    if "mass" in frame.text:
        universe.add_TopologyAttr("masses", frame.text["mass"].astype(np.float64))
    return universe


def _of_atoms(atoms: Atoms) -> Any:
    """What one frame of extended XYZ tells of its atoms."""
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(len(atoms), trajectory=True)
    symbols = np.array(atoms.get_chemical_symbols(), object)
    for attribute, values in (("names", symbols), ("elements", symbols), ("masses", atoms.get_masses())):
        universe.add_TopologyAttr(attribute, values)
    return universe


def _guarded(topology: Path, trajectory: Path, read: Any) -> Any:
    """What ``read`` returns, with errors of MDAnalysis as one sentence."""
    try:
        return read()
    except Exception as problem:  # readers raise errors of every kind on damaged files
        text = " ".join(str(problem).split())
        if isinstance(problem, ValueError) and "number of atoms" in text:
            raise DataError(
                f"{topology} and {trajectory} have different numbers of atoms ({text.split('!', 1)[-1].strip()}): give the "
                "topology that the trajectory was written with, or save the same selection of atoms for both."
            ) from None
        raise DataError(
            f"MDAnalysis cannot read {topology} with {trajectory} ({type(problem).__name__}: {shown(text)}): check that "
            "the files are complete and that their names end in their formats."
        ) from problem
