"""Potentials in files: one safetensors file with a JSON header, no pickle."""

from __future__ import annotations

import datetime
import inspect
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
from pydantic import ConfigDict

from mdfit._version import __version__
from mdfit.errors import PotentialFileError, nearest
from mdfit.potentials.base import Potential, Sum, registered, registered_names
from mdfit.potentials.file_checks import check_architecture
from mdfit.storage import Document, checked, fill_tree, read_header, write_tree

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
        "units": _UNITS,
        "species": list(potential.species),
        "cutoff": potential.cutoff,
        "architecture": describe(potential),
        "provenance": provenance or {},
    }
    write_tree(path, potential, header)
    return Path(path)


#: Of all potentials in files.
_UNITS = {"length": "Å", "energy": "eV"}


class PotentialHeader(Document):
    """What the file of a potential says beside its arrays."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=True)

    format: Literal["mdfit potential"]
    species: list[int]
    cutoff: float
    architecture: dict[str, Any]


def load(path: str | Path) -> Potential:
    """The potential of a file; its energies are bitwise those of the saved one on the same machine.

    Nothing that the header says is believed before it fits the arrays, and no memory is taken for what does not.

    Raises:
        PotentialFileError: when the file is missing, truncated, corrupted, of a newer format, contradicts itself, or needs
            a class that has not been imported.
    """
    header, arrays = read_header(path, PotentialFileError, FORMAT_VERSION)
    if header.get("format") != "mdfit potential":
        raise PotentialFileError(f"{path} holds a {header.get('format', 'thing of unknown kind')}, not a potential.")
    known: PotentialHeader = checked(header, PotentialHeader, path, PotentialFileError)
    if header.get("units", _UNITS) != _UNITS:
        raise PotentialFileError(f"{path} is not in Å and eV, as its header says; convert it first.")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise PotentialFileError(f"{path}: the parameters {name} are not all finite; use an earlier copy.")
    check_architecture(known.architecture, arrays, path)
    skeleton = shapes_of(known.architecture, path)
    potential: Potential = fill_tree(skeleton, arrays, path, PotentialFileError, any_precision=True)
    if potential.cutoff != known.cutoff or list(potential.species) != known.species:
        raise PotentialFileError(
            f"{path} contradicts itself: its header names the cutoff {known.cutoff} Å and the species {known.species}, its "
            f"settings {potential.cutoff} Å and {list(potential.species)}; use an earlier copy."
        )
    return potential


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
    return _kind(name, path).skeleton(architecture["settings"])


def shapes_of(architecture: dict[str, Any], path: str | Path) -> Any:
    """:func:`build`, with the shapes of arrays in place of the arrays, so that no memory is taken for them.

    Raises:
        PotentialFileError: for settings of which no potential can be made.
    """
    try:
        try:
            return eqx.filter_eval_shape(build, architecture, path)
        except jax.errors.JAXTypeError:
            # The constructor looks at numbers; settings have been checked, so that it is not large.
            return build(architecture, path)
    except PotentialFileError:
        raise
    except Exception as error:  # constructors meet wrong settings with errors of every kind
        raise PotentialFileError(
            f"{path} describes no potential ({type(error).__name__}: {error}); use an earlier copy."
        ) from error


def _kind(name: Any, path: str | Path) -> type[Potential]:
    kind = registered(name) if isinstance(name, str) else None
    if kind is None or kind is Sum:
        raise PotentialFileError(
            f"{path} needs the potential class {name}, which is not known here ({nearest(str(name), registered_names())}); "
            "import the package that defines it first."
        )
    if inspect.isabstract(kind):
        raise PotentialFileError(
            f"{path} names {name}, which is no potential but the base of some; use an earlier copy."
        )
    return kind
