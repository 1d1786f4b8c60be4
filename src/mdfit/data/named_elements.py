"""Elements that follow from the names of atoms, where a topology does not tell them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

#: Ions whose names in CHARMM's force field are longer than their symbols.
_CHARMM = {
    "SOD": "Na",
    "POT": "K",
    "CLA": "Cl",
    "CAL": "Ca",
    "CES": "Cs",
    "LIT": "Li",
    "RUB": "Rb",
    "BAR": "Ba",
    "CAD": "Cd",
}


def elements_by_names(atoms: Any) -> list[str]:
    """The symbol of each selected atom: as stated, that of an ion, or as MDAnalysis guesses; empty where it is in doubt.

    MDAnalysis takes ``CA`` for the carbon of a protein, also where it is calcium.  An atom that is alone in its residue
    and has its name is an ion; one that is alone in a residue of another name may be either.  The universe of the atoms
    knows the symbols of all its atoms then.
    """
    from ase.data import atomic_numbers

    every = atoms.universe.atoms
    stated = [str(symbol) for symbol in every.elements] if hasattr(every, "elements") else [""] * len(every)
    atoms.universe.guess_TopologyAttrs(force_guess=["elements"])
    guessed = [str(symbol).capitalize() for symbol in every.elements]
    symbols = [known or guess for known, guess in zip(stated, guessed, strict=True)]
    if hasattr(every, "resnames"):
        for index in _lone(every):
            if not stated[index]:
                symbols[index] = _of_lone(str(every.names[index]), str(every.resnames[index]), guessed[index])
    every.elements = np.array(symbols, object)
    # Where the guess is another element, too, there may be doubt.
    doubtful = [
        i for i in atoms.indices if guessed[i] in atomic_numbers and symbols[i] not in ("", stated[i], guessed[i])
    ]
    _warn({str(every.names[i]): symbols[i] for i in doubtful})
    return [symbols[index] for index in atoms.indices]


def _lone(every: Any) -> list[int]:
    """Atoms in residues of one name only, but for those of proteins: a model of one atom per residue is no salt."""
    names_in: dict[int, set[str]] = {}
    for residue, name in zip(every.resindices, every.names, strict=True):
        names_in.setdefault(int(residue), set()).add(str(name))
    proteins = set(every.select_atoms("protein").residues.resindices)
    return [
        index
        for index, residue in enumerate(every.resindices)
        if len(names_in[int(residue)]) == 1 and residue not in proteins
    ]


def _of_lone(name: str, residue: str, guessed: str) -> str:
    """The symbol of an ion; what was guessed, where its name allows one element only; empty where it is in doubt."""
    from ase.data import atomic_numbers

    letters = _letters(name)
    symbol = _CHARMM.get(letters, letters.capitalize())
    symbol = symbol if symbol in atomic_numbers else ""
    if letters == _letters(residue):
        return symbol
    return "" if len(symbol) == 2 and symbol != guessed else guessed


def _warn(read_as: dict[str, str]) -> None:
    if read_as:
        log.warning(
            "Atoms with the name of their residue are read as ions: %s; give species if they are none.",
            ", ".join(f"{name} as {symbol}" for name, symbol in sorted(read_as.items())),
        )


def _letters(name: str) -> str:
    """A name without charges and numbers, in capitals: ``Zn2+`` is ``ZN``."""
    return name.strip("0123456789+-*'").upper()
