"""Read structures from any format that ASE knows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mdfit.errors import DataError, StructureError
from mdfit.structure.atomic_structure import Structure
from mdfit.structure.extended_xyz import Frame, split_frames
from mdfit.structure.lammps_data import atom_style, elements_of_masses, has_masses, is_data_file
from mdfit.structure.poscar import with_plain_flags
from mdfit.structure.text_files import COMPRESSED, open_bytes, read_text, without_compression

if TYPE_CHECKING:
    from ase import Atoms


def read_atoms(path: str | Path, index: int | slice | str = ":") -> list[Atoms]:
    """Frames of a file as ASE atoms, with ASE's calculator results, ``info`` and ``arrays``.

    The format is taken from the name and content (``.xyz`` counts as extended XYZ). A name that ends in ``.gz``,
    ``.bz2``, ``.xz`` or ``.zst`` is decompressed as a whole first, because ASE's random access inside a gzip stream takes
    quadratic time.

    Args:
        path: the file.
        index: which frames, as in ``ase.io.read``: a number, a slice or a string such as ``"::10"``.

    Raises:
        DataError: the file is missing, cannot be read, or holds no such frame, or is a dump of LAMMPS.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist (working directory {Path.cwd()}): check the name.")
    if path.is_dir():
        raise DataError(f"{path} is a directory: give the file inside it.")
    if not path.is_file():
        raise DataError(f"{path} is a pipe or a device, which may never end: give a file.")
    try:
        frames = _read(path, index)
    except DataError:
        raise
    except Exception as problem:  # readers of ASE raise errors of every kind on damaged files
        raise DataError(
            f"{path} cannot be read ({type(problem).__name__}: {problem}): "
            "check that the file is complete, readable, and that its name ends in its format."
        ) from problem
    if not frames:
        raise DataError(f"{path} holds no frames for index {index!r}: check the file and the index.")
    return frames


def read_structure(path: str | Path, index: int = -1) -> Structure:
    """One structure of a file, by default the last one.

    Raises:
        DataError: the file is missing, cannot be read, or holds no such frame.
        StructureError: the frame is not a valid structure.
    """
    atoms = read_atoms(path, index)[0]
    try:
        return Structure.from_ase(atoms)
    except StructureError as problem:
        place = "last frame" if index == -1 else f"frame {index}"
        raise StructureError(f"{path}, {place}: {problem}") from None


def _read(path: Path, index: int | slice | str) -> list[Atoms]:
    import ase.io

    name = without_compression(path).lower()
    if name.endswith((".xyz", ".extxyz")):
        return _extended_xyz(path, index)
    with open_bytes(path) as file:
        if file.read(5) == b"ITEM:":
            raise DataError(
                f"{path} is a dump of LAMMPS, which states no elements, units or energies: read it by "
                "mdfit.data.read_trajectory, and write what you need as extended XYZ."
            )
    if is_data_file(path):
        return [_lammps_data(path)]
    if path.suffix.lower() in COMPRESSED:
        file_format = ase.io.formats.filetype(name, read=False)
        binary = ase.io.formats.ioformats[file_format].isbinary
        with open_bytes(path) as file:
            source = io.BytesIO(file.read()) if binary else io.StringIO(_text(path, file_format))
        frames = ase.io.read(source, index=index, format=file_format)
    elif ase.io.formats.filetype(str(path)) == "vasp":
        frames = ase.io.read(io.StringIO(_text(path, "vasp")), index=index, format="vasp")
    else:
        # ASE would take what follows an "@" for an index, and read another file.
        frames = ase.io.read(path, index=index, do_not_split_by_at_sign=True)
    return frames if isinstance(frames, list) else [frames]


def _text(path: Path, file_format: str) -> str:
    text = read_text(path)
    return with_plain_flags(text, str(path)) if file_format == "vasp" else text


def _lammps_data(path: Path) -> Atoms:
    """ASE takes types for atomic numbers, and any mass for that of the nearest element.

    Lengths are taken as Å; velocities, whose unit the file does not state, are left out.
    """
    import ase.io

    source = io.StringIO(read_text(path))
    atoms = ase.io.read(source, format="lammps-data", atom_style=atom_style(path))
    assert not isinstance(atoms, list)
    numbers = elements_of_masses(atoms.get_masses()) if has_masses(path) else None
    if numbers is None:
        raise DataError(
            f"{path} states no masses that are those of elements, so that its types mean nothing: write the structure as "
            "extended XYZ, with chemical symbols."
        )
    masses = atoms.get_masses()
    atoms.numbers[:] = numbers
    atoms.set_masses(masses)
    atoms.arrays.pop("momenta", None)
    return atoms


def _extended_xyz(path: Path, index: int | slice | str) -> list[Atoms]:
    from ase.io.formats import string2index

    found = split_frames(read_text(path), str(path))
    chosen = string2index(index) if isinstance(index, str) else index
    if not isinstance(chosen, slice):
        chosen = slice(chosen, chosen + 1 or None)
    return atoms_of_frames(found[chosen], str(path))


def atoms_of_frames(frames: Sequence[Frame], where: str) -> list[Atoms]:
    """Frames of extended XYZ as ASE reads them, with the masses of isotopes.

    Raises:
        DataError: ASE reads fewer.
    """
    import ase.io

    if not frames:
        return []
    atoms = ase.io.read(io.StringIO("\n".join(frame.text for frame in frames) + "\n"), index=":", format="extxyz")
    assert isinstance(atoms, list)
    if len(atoms) != len(frames):
        raise DataError(f"{where} has {len(frames)} frames, of which ASE reads {len(atoms)}: check its lines.")
    for frame, read in zip(frames, atoms, strict=True):
        if frame.masses:
            masses = read.get_masses()
            masses[list(frame.masses)] = list(frame.masses.values())
            read.set_masses(masses)
    return atoms
