"""Data files of LAMMPS: which columns its atoms have, and which elements its masses mean.

The format: https://docs.lammps.org/read_data.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.errors import DataError, nearest
from mdfit.structure.text_files import open_text

#: Columns of each style in the words of MDAnalysis, https://docs.lammps.org/read_data.html; "_" is not read.  Three whole
#: numbers behind them are image flags.
STYLES = {
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    "bond": "id resid type x y z",
    "angle": "id resid type x y z",
    "molecular": "id resid type x y z",
    "full": "id resid type charge x y z",
    "sphere": "id type _ _ x y z",
    "dipole": "id type charge x y z _ _ _",
}
#: How far a mass may be from that of its element: amu, and relative.
_MASS_TOLERANCE = (0.015, 0.001)
_DEUTERIUM = 2.014
_INTEGER = re.compile(r"[-+]?\d+")


def is_data_file(path: Path) -> bool:
    """Whether a file begins like a data file of LAMMPS, whatever its name."""
    try:
        with open_text(path) as file:
            head = [line.partition("#")[0].split() for _, line in zip(range(60), file, strict=False)]
    except (OSError, UnicodeError):
        return False
    return any(words[2:] == ["xlo", "xhi"] or words[3:] == ["avec"] for words in head)


def has_masses(path: Path) -> bool:
    """Whether a data file has the section Masses."""
    with open_text(path) as file:
        return any(line.partition("#")[0].split() == ["Masses"] for line in file)


def atom_style(path: Path, style: str | None = None) -> str:
    """The style of the atoms, one of :data:`STYLES`: as given, of the comment ``Atoms # style``, or as the numbers tell.

    Raises:
        DataError: there are no atoms, the style is not known, its columns are not those of the file, or several styles fit.
    """
    section = _atoms_section(path)
    style = style or section.named
    if style is not None:
        if style not in STYLES:
            raise DataError(f"{path}: the atom style '{style}' is not known here: {nearest(style, STYLES)}")
        _check_rows(path, style, section)
        return style
    fitting = _fitting(section.rows, section.bonds)
    if len(fitting) != 1:
        found = " and ".join(fitting) if fitting else "none of the styles that are known here"
        raise DataError(
            f"{path} does not name its atom style, and its {len(section.rows[0])} columns fit {found}: give atom_style, "
            'such as "full", or write "Atoms # full" in the file.'
        )
    return fitting[0]


@dataclass(frozen=True)
class _Section:
    """Atoms of a data file, and what tells their columns.

    Attributes:
        named: the style in the comment of the heading.
        rows: words of each atom.
        bonds: whether there are any.
        types: how many there are.
    """

    named: str | None
    rows: list[list[str]]
    bonds: bool
    types: int | None


def _atoms_section(path: Path) -> _Section:
    named: str | None = None
    rows: list[list[str]] = []
    inside = bonds = False
    types: int | None = None
    with open_text(path) as file:
        for line in file:
            content, _, comment = line.partition("#")
            words = content.split()
            if inside and words and not words[0].lstrip("+-")[:1].isdigit():
                break
            if inside and words:
                rows.append(words)
            elif words == ["Atoms"]:
                inside, named = True, next(iter(comment.split()), None)
            elif words[1:] == ["bonds"]:
                bonds = words[0] != "0"
            elif words[1:] == ["atom", "types"]:
                types = int(words[0])
            elif words[3:] == ["avec"]:
                raise DataError(
                    f"{path} has a box of any orientation (avec, bvec, cvec), which is not read here: write it by "
                    "write_data without triclinic/general, and dump the frames of the same run."
                )
    if not rows:
        raise DataError(f"{path} has no section Atoms: give a data file with atoms, as written by write_data.")
    return _Section(named, rows, bonds, types)


def _check_rows(path: Path, style: str, section: _Section) -> None:
    """That rows have the columns of a style: as many, whole numbers where there must be, and types that exist."""
    names = STYLES[style].split()
    width = len(names)
    whole = [names.index(name) for name in ("id", "resid") if name in names]
    kind = names.index("type")
    for row in section.rows:
        if len(row) not in (width, width + 3):
            raise DataError(
                f"{path}: the style {style} has {width} columns, or {width + 3} with image flags, but the atom {row[0]} "
                f"has {len(row)}: give the atom_style of the file."
            )
        # A type may also be a label.
        number = int(row[kind]) if _INTEGER.fullmatch(row[kind]) else None
        exists = row[kind][0].isalpha() if number is None else 1 <= number <= (section.types or number)
        flags_are_whole = all(_INTEGER.fullmatch(row[column]) for column in (*whole, *range(width, len(row))))
        if not (exists and flags_are_whole):
            raise DataError(
                f"{path}: the row {' '.join(row)!r} has not the columns of the style {style} ({', '.join(names)}): give "
                "the atom_style of the file."
            )


def _fitting(rows: list[list[str]], bonds: bool) -> list[str]:
    """The styles that the numbers allow; three whole numbers at the end are image flags."""
    width = len(rows[0])
    if width >= 8 and all(all(_INTEGER.fullmatch(word) for word in row[-3:]) for row in rows):
        width -= 3
    whole = [all(_INTEGER.fullmatch(row[column]) for row in rows) for column in range(min(width, 4))]
    if width == 5:
        return ["atomic"]
    if width == 6:
        third = {row[2] for row in rows}
        if not whole[2] or any(int(word) <= 0 for word in third):
            return ["charge"]
        return ["molecular"] if bonds else ["charge", "molecular"]
    if width == 7:
        return ["full"] if whole[1] and whole[2] else ["sphere"]
    return []


def elements_of_masses(masses: np.ndarray) -> np.ndarray | None:
    """Atomic numbers whose masses are nearest, int32[N]; None where a mass is none of an element.

    Masses that are all one are those of reduced units.  Masses of united atoms and scaled masses of hydrogen are none of
    an element.
    """
    from ase.data import atomic_masses

    known = atomic_masses[1:104]
    unique, inverse = np.unique(masses, return_inverse=True)
    if len(unique) == 1 and abs(unique[0] - 1.0) < 1e-6:
        return None
    found = np.zeros(len(unique), np.int32)
    for index, mass in enumerate(unique):
        near = np.flatnonzero(np.abs(known - mass) <= _MASS_TOLERANCE[0] + _MASS_TOLERANCE[1] * max(mass - 30.0, 0.0))
        if len(near) == 1:
            found[index] = near[0] + 1
        elif abs(mass - _DEUTERIUM) <= _MASS_TOLERANCE[0]:
            found[index] = 1
        else:
            return None
    return found[inverse]
