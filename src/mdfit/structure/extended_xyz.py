"""Extended XYZ as it is met, made into what ASE reads.

ASE stops at an empty line without a word, knows no labels such as ``Cu1``, and refuses a stress of six numbers.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

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


def split_frames(text: str, where: str) -> list[Frame]:
    """The frames of a file; empty lines between them and at its end mean nothing.

    Args:
        text: of the whole file.
        where: the file, for messages.

    Raises:
        DataError: a line is not what it must be there, a frame is incomplete, or a species is no element.
    """
    from ase.data import atomic_numbers

    lines = text.split("\n")
    known = {symbol for symbol in atomic_numbers if symbol != "X"}
    read_as: dict[str, str] = {}
    surplus: list[int] = []
    found: list[Frame] = []
    line = 0
    while line < len(lines):
        if not lines[line].strip():
            line += 1
            continue
        here = f"{where}, frame {len(found)} (line {line + 1})"
        atoms = _count(lines[line], here)
        end = line + 2 + atoms
        rows = lines[line + 2 : end]
        _check_complete(rows, atoms, here)
        while end < len(lines) and lines[end].startswith("VEC"):
            end += 1
        comment = _NAMES.sub(lambda match: _AS_READ[match[1].lower()], lines[line + 1])
        if rows and len(rows[0].split()) > _columns(comment):
            surplus.append(len(found))
        rows, masses = _with_elements(rows, comment, known, read_as, here)
        found.append(
            Frame(
                "\n".join([lines[line].strip(), _full_tensors(comment, here), *rows, *lines[line + 2 + atoms : end]]),
                masses,
            )
        )
        line = end
    if surplus:
        log.warning(
            "%s: rows of %d frames (first: %d) have more columns than Properties names; the others are not read.",
            where,
            len(surplus),
            surplus[0],
        )
    if read_as:
        pairs = ", ".join(f"{label} as {element}" for label, element in sorted(read_as.items())[:8])
        log.warning("%s: labels are read as elements: %s.", where, pairs)
    return found


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
    rows: list[str], comment: str, known: set[str], read_as: dict[str, str], where: str
) -> tuple[list[str], dict[int, float]]:
    """The rows with chemical symbols, and the masses of isotopes."""
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
        element, mass = _element(name, known, where)
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
