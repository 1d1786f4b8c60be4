"""Read structures from any format that ASE knows."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING

from mdfit.errors import DataError, StructureError
from mdfit.structure.atomic_structure import Structure

if TYPE_CHECKING:
    from ase import Atoms


def read_atoms(path: str | Path, index: int | slice | str = ":") -> list[Atoms]:
    """Frames of a file as ASE atoms, with ASE's calculator results, ``info`` and ``arrays``.

    The format is taken from the name and content (``.xyz`` counts as extended XYZ). A name that ends in ``.gz`` is
    decompressed as a whole first, because ASE's random access inside a gzip stream takes quadratic time.

    Args:
        path: the file.
        index: which frames, as in ``ase.io.read``: a number, a slice or a string such as ``"::10"``.

    Raises:
        DataError: the file is missing, cannot be read, or holds no such frame.
    """
    import ase.io

    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist (working directory {Path.cwd()}): check the name.")
    if path.is_dir():
        raise DataError(f"{path} is a directory: give the file inside it.")
    stem = path.name.removesuffix(".gz").lower()
    try:
        if stem.endswith((".xyz", ".extxyz")):
            frames = ase.io.read(io.StringIO(_text(path)), index=index, format="extxyz")
        elif path.suffix.lower() == ".gz":
            file_format = ase.io.formats.filetype(stem, read=False)
            frames = ase.io.read(io.StringIO(_text(path)), index=index, format=file_format)
        else:
            frames = ase.io.read(path, index=index)
    except Exception as problem:  # readers of ASE raise errors of every kind on damaged files
        raise DataError(
            f"{path} cannot be read ({type(problem).__name__}: {problem}): "
            "check that the file is complete, readable, and that its name ends in its format."
        ) from problem
    frames = frames if isinstance(frames, list) else [frames]
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


def _text(path: Path) -> str:
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                return stream.read()
        return path.read_text(encoding="utf-8")
    except EOFError:
        raise OSError("the compressed data end too early") from None
