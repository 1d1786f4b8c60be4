"""Models in files: one safetensors file with a JSON header, no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from pydantic import ConfigDict

from mdfit import registry
from mdfit.errors import ModelFileError, nearest
from mdfit.models.base import FORMAT_VERSION, Model
from mdfit.models.file_checks import check_architecture
from mdfit.storage import Document, checked, fill_tree, read_header


class ModelHeader(Document):
    """What the file of a model says beside its arrays."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=True)

    format: str
    species: list[int] | None = None
    cutoff: float | None = None
    architecture: dict[str, Any]


Kind = TypeVar("Kind", bound=Model)


def load(path: str | Path, kind: type[Kind] = Model) -> Kind:  # type: ignore[assignment]
    """The model of a file; what it computes is bitwise what the saved one does on the same machine.

    Nothing that the header says is believed before it fits the arrays, and no memory is taken for what does not.

    Args:
        path: of the file.
        kind: what it must hold, such as :class:`~mdfit.potentials.Potential`.

    Raises:
        ModelFileError: when the file is missing, truncated, corrupted, of a newer format, contradicts itself, holds
            something else, or needs a class that has not been imported.
    """
    header, arrays = read_header(path, ModelFileError, FORMAT_VERSION)
    held = header.get("format", "thing of unknown kind")
    # Plugins may have kinds of their own.
    registry.named(Model)
    if held not in _formats(kind):
        raise ModelFileError(f"{path} holds a {held}, not a {kind.kind}.")
    known: ModelHeader = checked(header, ModelHeader, path, ModelFileError)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(f"{path}: the parameters {name} are not all finite; use an earlier copy.")
    check_architecture(known.architecture, arrays, path)
    model = fill_tree(shapes_of(known.architecture, path), arrays, path, ModelFileError, any_precision=True)
    if not isinstance(model, kind):
        raise ModelFileError(f"{path} holds a {type(model).__name__}, not a {kind.kind}.")
    model.check_header(header, path)
    return model


def _formats(kind: type[Model]) -> set[str]:
    """The formats of files that may hold models of this kind."""
    found = {f"mdfit {kind.kind}"}
    for child in kind.__subclasses__():
        found |= _formats(child)
    return found


def provenance(path: str | Path) -> dict[str, Any]:
    """The header of a model's file: architecture, versions, provenance; of potentials also units, species and cutoff."""
    return read_header(path, ModelFileError, FORMAT_VERSION)[0]


def build(architecture: dict[str, Any], path: str | Path) -> Any:
    """A model of a described architecture with arbitrary parameters.

    Raises:
        ModelFileError: for a class that has not been imported; the message names ``path``.
    """
    return _class(architecture["class"], path).build(architecture, path)


def shapes_of(architecture: dict[str, Any], path: str | Path) -> Any:
    """:func:`build`, with the shapes of arrays in place of the arrays, so that no memory is taken for them.

    Raises:
        ModelFileError: for settings of which no model can be made.
    """
    try:
        try:
            return eqx.filter_eval_shape(build, architecture, path)
        except jax.errors.JAXTypeError:
            # The constructor looks at numbers; settings have been checked, so that it is not large.
            return build(architecture, path)
    except ModelFileError:
        raise
    except Exception as error:  # constructors meet wrong settings with errors of every kind
        raise ModelFileError(
            f"{path} describes no model ({type(error).__name__}: {error}); use an earlier copy."
        ) from error


def _class(name: Any, path: str | Path) -> type[Model]:
    known = registry.named(Model)
    if name not in known:
        raise ModelFileError(
            f"{path} needs the class {name}, which is not known here ({nearest(str(name), known)}); import the package "
            f"that defines it first, or let that name itself as an entry point of {registry.PLUGINS}."
        )
    return registry.find(name, Model, "model", ModelFileError)
