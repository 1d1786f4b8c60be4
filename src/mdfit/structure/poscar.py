"""Selective dynamics of POSCAR files in the spellings that VASP reads, of which ASE knows one."""

from __future__ import annotations

from mdfit.errors import DataError


def with_plain_flags(text: str, name: str) -> str:
    """The file with T and F in place of all spellings of Fortran's logical values (``.FALSE.``, ``f``, ``.t.``).

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        DataError: a flag is neither true nor false, or atoms lack flags.
    """
    lines = text.splitlines()
    counts = next((index for index in (5, 6) if index < len(lines) and _numbers(lines[index])), None)
    if counts is None or counts + 1 >= len(lines) or not lines[counts + 1].strip().lower().startswith("s"):
        return text
    first = counts + 3
    for index in range(first, min(first + sum(_numbers(lines[counts])), len(lines))):
        words = lines[index].split()
        if len(words) < 6:
            raise DataError(f"{name}, line {index + 1}: selective dynamics needs three flags, T or F, for every atom.")
        flags = [_plain(word, f"{name}, line {index + 1}") for word in words[3:6]]
        lines[index] = " ".join([*words[:3], *flags, *words[6:]])
    return "\n".join(lines) + "\n"


def _numbers(line: str) -> list[int]:
    """Those of a line of whole numbers, none of another; a comment may follow."""
    words = line.split("!")[0].split()
    return [int(word) for word in words] if all(word.isdigit() for word in words) else []


def _plain(word: str, where: str) -> str:
    """Fortran looks at the first letter, behind a point that may be there."""
    letter = word.removeprefix(".")[:1].upper()
    if letter not in ("T", "F"):
        raise DataError(f"{where}: {word!r} is no flag of selective dynamics; write T or F.")
    return letter
