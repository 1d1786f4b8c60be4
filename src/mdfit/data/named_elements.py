"""Elements that follow from the names of atoms, where a topology does not tell them."""

from __future__ import annotations

import logging
from typing import Any

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
    and has its name is an ion; one that is alone in a residue of another name may be either.
    """
    from ase.data import atomic_numbers

    universe = atoms.universe
    stated = [str(symbol) for symbol in atoms.elements] if hasattr(atoms, "elements") else [""] * len(atoms)
    universe.guess_TopologyAttrs(force_guess=["elements"])
    symbols = [known or str(guessed) for known, guessed in zip(stated, atoms.elements, strict=True)]
    if not hasattr(atoms, "resnames"):
        return symbols
    names_in: dict[int, set[str]] = {}
    for residue, name in zip(universe.atoms.resindices, universe.atoms.names, strict=True):
        names_in.setdefault(int(residue), set()).add(str(name))
    proteins = set(universe.select_atoms("protein").residues.resindices)
    read_as = {}
    for index, (residue, resname) in enumerate(zip(atoms.resindices, atoms.resnames, strict=True)):
        if stated[index] or len(names_in[int(residue)]) > 1 or residue in proteins:
            continue
        name = _letters(str(atoms.names[index]))
        symbol = _CHARMM.get(name, name.capitalize())
        symbol = symbol if symbol in atomic_numbers else ""
        is_ion = name == _letters(str(resname))
        if not is_ion and (len(symbol) < 2 or symbol == symbols[index].capitalize()):
            continue  # its name allows one element only
        guessed = symbols[index].capitalize()
        if is_ion and symbol and guessed in atomic_numbers and guessed != symbol:
            read_as[str(atoms.names[index])] = symbol
        symbols[index] = symbol if is_ion else ""
    if read_as:
        log.warning(
            "Atoms with the name of their residue are read as ions: %s; give species if they are none.",
            ", ".join(f"{name} as {symbol}" for name, symbol in sorted(read_as.items())),
        )
    return symbols


def _letters(name: str) -> str:
    """A name without charges and numbers, in capitals: ``Zn2+`` is ``ZN``."""
    return name.strip("0123456789+-*'").upper()
