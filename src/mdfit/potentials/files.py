"""Potentials in files: one safetensors file with a JSON header, no pickle."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import jax

from mdfit._version import __version__
from mdfit.errors import PotentialFileError, nearest
from mdfit.potentials.base import Potential, Sum, registered, registered_names
from mdfit.storage import fill_tree, read_header, write_tree

#: Raised by one whenever an older mdfit could misread the file.
FORMAT_VERSION = 1


def save(potential: Potential, path: str | Path, provenance: dict[str, Any] | None = None) -> Path:
    """Writes the architecture, units, species, cutoff, parameters and provenance to one file.

    Raises:
        OutputError: when the file cannot be written; an earlier file of this name is kept.
    """
    header = {
        "format": "mdfit potential",
        "format_version": FORMAT_VERSION,
        "mdfit_version": __version__,
        "jax_version": jax.__version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "units": {"length": "Å", "energy": "eV"},
        "species": list(potential.species),
        "cutoff": potential.cutoff,
        "architecture": describe(potential),
        "provenance": provenance or {},
    }
    write_tree(path, potential, header)
    return Path(path)


def load(path: str | Path) -> Potential:
    """The potential of a file; its energies are bitwise those of the saved one on the same machine.

    Raises:
        PotentialFileError: when the file is missing, truncated, corrupted, of a newer format, or needs a class that
            has not been imported.
    """
    header, arrays = read_header(path, PotentialFileError, FORMAT_VERSION)
    if header.get("format") != "mdfit potential":
        raise PotentialFileError(f"{path} holds a {header.get('format', 'thing of unknown kind')}, not a potential.")
    return fill_tree(build(header["architecture"], path), arrays, path, PotentialFileError)


def provenance(path: str | Path) -> dict[str, Any]:
    """The header of a potential file: units, species, cutoff, architecture, versions, provenance."""
    return read_header(path, PotentialFileError, FORMAT_VERSION)[0]


def describe(potential: Potential) -> dict[str, Any]:
    """Class and settings, term by term."""
    if isinstance(potential, Sum):
        return {"class": "Sum", "terms": [describe(term) for term in potential.terms]}
    return {"class": type(potential).__name__, "settings": potential.settings()}


def build(architecture: dict[str, Any], path: str | Path) -> Potential:
    """A potential of a :func:`describe`-d architecture with arbitrary parameters.

    Raises:
        PotentialFileError: for a class that has not been imported; the message names ``path``.
    """
    name = architecture["class"]
    if name == "Sum":
        return Sum(tuple(build(term, path) for term in architecture["terms"]))
    kind = registered(name)
    if kind is None:
        raise PotentialFileError(
            f"{path} needs the potential class {name}, which is not known here ({nearest(name, registered_names())}); "
            "import the package that defines it first."
        )
    return kind.skeleton(architecture["settings"])
