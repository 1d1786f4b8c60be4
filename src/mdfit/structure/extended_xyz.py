"""Extended XYZ as it is met, made into what ASE reads.

ASE stops at an empty line without a word, knows no labels such as ``Cu1``, and refuses a stress of six numbers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mdfit.errors import DataError

log = logging.getLogger(__name__)

#: Isotopes with symbols of their own: element and mass in amu (M. Wang et al., doi:10.1088/1674-1137/abddaf).
_ISOTOPES = {"D": ("H", 2.014101778), "T": ("H", 3.016049281)}
# A symbol, then what numbers or distinguishes atoms of one element: Cu1, Fe2+, O_w.
_NUMBERED = re.compile(r"([A-Z][a-z]?)[\d_+\-*'.].*")
_PROPERTIES = re.compile(r"""\bProperties\s*=\s*["{]?([\w:]+)""")
_TENSOR = re.compile(
    r"""(?<![\w-])(stress|virial)\s*=\s*(?:"([^"]*)"|'([^']*)'|\{([^}]*)\}|\[((?:[^\[\]]|\[[^\[\]]*\])*)\])"""
)
# Some programs (GPUMD) write these names in any case, but ASE looks for them as they stand here.
_NAMES = re.compile(r"(?<![\w-])(lattice|properties|pbc)(?=\s*=)", re.IGNORECASE)
_AS_READ = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        text: as ASE reads it.
        masses: in amu, of atoms of isotopes by their index.
    """

    text: str
    masses: dict[int, float]


def is_extended(comment: str) -> bool:
    """Whether the second line of a frame is that of extended XYZ."""
    return _NAMES.search(comment) is not None


def split_frames(text: str, where: str) -> list[Frame]:
    """The frames of a file; empty lines between them and at its end mean nothing.

    Args:
        text: of the whole file.
        where: the file, for messages.

    Raises:
        DataError: a line is not what it must be there, a frame is incomplete, or a species is no element.
    """
    return list(frames_of(text.split("\n"), where))


def count_frames(lines: Iterable[str], where: str) -> int:
    """How many frames there are.

    Raises:
        DataError: a line is not what it must be there, or a frame is incomplete.
    """
    return sum(1 for _ in _split(lines, where))


def frames_of(
    lines: Iterable[str], where: str, chosen: Collection[int] | None = None, elements: bool = True
) -> Iterator[Frame]:
    """Frames one after the other, so that they need not fit into memory; see :func:`split_frames`.

    Args:
        lines: of the file.
        where: the file, for messages.
        chosen: numbers of the frames that are wanted; by default all.
        elements: whether species must be elements; labels that are none become ``X`` otherwise.
    """
    from ase.data import atomic_numbers

    known = {symbol for symbol in atomic_numbers if symbol != "X"}
    read_as: dict[str, str] = {}
    surplus: list[int] = []
    left = None if chosen is None else set(chosen)
    for number, raw in enumerate(_split(lines, where)):
        if left is not None and number not in left:
            continue
        comment = _NAMES.sub(lambda match: _AS_READ[match[1].lower()], raw.comment)
        if raw.rows and len(raw.rows[0].split()) > _columns(comment):
            surplus.append(number)
        rows, masses = _with_elements(raw.rows, comment, known, read_as, raw.where if elements else None)
        yield Frame("\n".join([raw.count, _full_tensors(comment, raw.where), *rows, *raw.vectors]), masses)
        if left is not None:
            left.remove(number)
            if not left:
                break
    if surplus:
        log.warning(
            "%s: rows of %d frames (first: %d) have more columns than Properties names; the others are not read.",
            where,
            len(surplus),
            surplus[0],
        )
    if read_as and elements:
        pairs = ", ".join(f"{label} as {element}" for label, element in sorted(read_as.items())[:8])
        log.warning("%s: labels are read as elements: %s.", where, pairs)


@dataclass(frozen=True)
class _Raw:
    """The lines of a frame, without line breaks, and the place for messages."""

    where: str
    count: str
    comment: str
    rows: list[str]
    vectors: list[str]


def _split(lines: Iterable[str], where: str) -> Iterator[_Raw]:
    stream = (line.rstrip("\n") for line in lines)
    line, at, number = next(stream, None), 1, 0
    while line is not None:
        if not line.strip():
            line, at = next(stream, None), at + 1
            continue
        here = f"{where}, frame {number} (line {at})"
        atoms, count = _count(line, here), line.strip()
        comment = next(stream, "")
        rows = list(islice(stream, atoms))
        _check_complete(rows, atoms, here)
        vectors: list[str] = []
        line = next(stream, None)
        while line is not None and line.startswith("VEC"):
            vectors.append(line)
            line = next(stream, None)
        yield _Raw(here, count, comment, rows, vectors)
        number, at = number + 1, at + 2 + atoms + len(vectors)


def _count(line: str, where: str) -> int:
    try:
        count = int(line)
        if count < 0:
            raise ValueError
        return count
    except ValueError:
        raise DataError(
            f"{where}: {line.strip()[:40]!r} stands where the number of atoms of a frame must be: correct the frame "
            "before, or remove the line."
        ) from None


def _check_complete(rows: list[str], atoms: int, where: str) -> None:
    blank = next((number for number, row in enumerate(rows) if len(row.split()) < 2), None)
    if len(rows) < atoms or blank is not None:
        have = len(rows) if blank is None else blank
        raise DataError(f"{where}: it has {have} of {atoms} atoms, then another line or the end: correct the frame.")


def _full_tensors(comment: str, where: str) -> str:
    """Stress and virial of six numbers (xx, yy, zz, yz, xz, xy) written as nine."""

    def nine(match: re.Match[str]) -> str:
        name, value = match[1], next(text for text in match.groups()[1:] if text is not None)
        numbers = re.sub(r"^_JSON|[\[\],]", " ", value).split()
        if len(numbers) == 6:
            xx, yy, zz, yz, xz, xy = numbers
            numbers = [xx, xy, xz, xy, yy, yz, xz, yz, zz]
        if len(numbers) != 9:
            raise DataError(f"{where}: '{name}' has {len(numbers)} numbers, but 3 by 3, 9 or 6 numbers are needed.")
        _check_symmetric(name, numbers, where)
        return f'{name}="{" ".join(numbers)}"'

    return _TENSOR.sub(nine, comment)


def _check_symmetric(name: str, numbers: list[str], where: str) -> None:
    try:
        tensor = np.array(numbers, np.float64).reshape(3, 3)
    except ValueError:
        raise DataError(f"{where}: '{name}' holds {' '.join(numbers)!r}, which are no numbers: correct it.") from None
    if np.abs(tensor - tensor.T).max() > 1e-3 * np.abs(tensor).max() + 1e-6:
        raise DataError(f"{where}: '{name}' is not symmetric, so it cannot be a stress: correct it, or rename it.")


def _with_elements(
    rows: list[str], comment: str, known: set[str], read_as: dict[str, str], where: str | None
) -> tuple[list[str], dict[int, float]]:
    """The rows with chemical symbols, and the masses of isotopes; without a place for messages, labels may be any."""
    column = _species_column(comment)
    if column is None:
        return rows, {}
    labels = [row.split(None, column + 1)[column : column + 1] for row in rows]
    if all(label and label[0].capitalize() in known for label in labels):
        return rows, {}
    changed, masses = list(rows), {}
    for atom, label in enumerate(labels):
        name = label[0] if label else ""
        if name.capitalize() in known:
            continue
        element, mass = ("X", None) if where is None else _element(name, known, where)
        if mass is not None:
            masses[atom] = mass
        else:
            read_as[name] = element
        words = rows[atom].split()
        words[column] = element
        changed[atom] = " ".join(words)
    return changed, masses


def _columns(comment: str) -> int:
    """How many columns Properties names; four without it."""
    match = _PROPERTIES.search(comment)
    widths = match[1].split(":")[2::3] if match is not None else ["1", "3"]
    return sum(int(width) if width.isdigit() else 1 for width in widths)


def _species_column(comment: str) -> int | None:
    match = _PROPERTIES.search(comment)
    if match is None:
        return 0
    parts, column = match[1].split(":"), 0
    for name, width in zip(parts[::3], parts[2::3], strict=False):
        if name == "species":
            return column
        column += int(width) if width.isdigit() else 1
    return None


def _element(name: str, known: set[str], where: str) -> tuple[str, float | None]:
    """The symbol, and the mass where it is that of an isotope."""
    if name in _ISOTOPES:
        return _ISOTOPES[name]
    match = _NUMBERED.fullmatch(name)
    if match is not None and match[1] in known:
        return match[1], None
    if match is not None and match[1] in _ISOTOPES:
        return _ISOTOPES[match[1]]
    numbered = " (a type of LAMMPS, perhaps)" if name.isdigit() else ""
    raise DataError(
        f"{where}: the species '{name}'{numbered} is no element: write chemical symbols, or leave the atom out."
    )
