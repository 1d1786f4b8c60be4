"""What a model is: anything that is trained and saved."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array

from mdfit._version import __version__
from mdfit.errors import ModelFileError
from mdfit.storage import digest, write_tree

#: Of files of models; raised by one whenever an older mdfit could misread them.
FORMAT_VERSION = 1


class Model(eqx.Module):
    """A typed tree whose array leaves are its parameters; it can be trained, written to a file and built again.

    Fields marked ``eqx.field(static=True)`` must be the arguments of the constructor, of JSON types.  A potential is a
    model from a graph to energies; others may be functions of anything.

    Attributes:
        kind: what its files say that they hold.
        nested: the entry of a description that holds further descriptions, for models that are made of models.
        later_settings: those that files of earlier versions lack, where the constructor's default is what they did.

    Example:
        >>> import jax
        >>> from mdfit.models import Model, trainable
        >>> class Line(Model):
        ...     slope: jax.Array
        ...     def __call__(self, x):
        ...         return self.slope * x
        >>> line = Line(jax.numpy.asarray(2.0))
        >>> float(line(3.0)), trainable(line)
        (6.0, Line(slope=True))
    """

    kind: ClassVar[str] = "model"
    nested: ClassVar[str] = ""
    later_settings: ClassVar[tuple[str, ...]] = ()

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, of JSON types."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("static", False)}

    @classmethod
    def skeleton(cls, settings: dict[str, Any]) -> Model:
        """A model of these settings with arbitrary parameters, to be filled from a file."""
        return cls(**settings)

    def describe(self) -> dict[str, Any]:
        """Class and settings, for files and to tell architectures apart."""
        return {"class": type(self).__name__, "settings": self.settings()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> Model:
        """A model of a description of this class, with arbitrary parameters; ``path`` is for messages."""
        return cls.skeleton(architecture["settings"])

    def header(self) -> dict[str, Any]:
        """What a file says of the model beside its description, for other programs."""
        return {}

    def check_header(self, header: dict[str, Any], path: str | Path) -> None:
        """Raises ModelFileError when a file contradicts the model that was built from it."""
        for name, value in self.header().items():
            if header.get(name) != value:
                raise ModelFileError(
                    f"{path} contradicts itself: its header says {name} = {header.get(name)}, its settings {value}; use an "
                    "earlier copy."
                )

    def fingerprint(self) -> str:
        """SHA-256 of class, settings and parameters, in hexadecimal digits.

        Models with the same fingerprint compute the same bit by bit on the same machine; saving and loading does not change
        it.
        """
        return hashlib.sha256(f"{self.architecture()} {digest(self)}".encode()).hexdigest()

    def architecture(self) -> str:
        """Class and settings as text, the same in every process."""
        return json.dumps(self.describe(), sort_keys=True, default=_name)

    def save(self, path: str | Path, provenance: dict[str, Any] | None = None) -> Path:
        """Writes one file without pickle; see :func:`mdfit.models.load`.

        Raises:
            OutputError: when the file cannot be written; an earlier file of this name is kept.
        """
        header = {
            "format": f"mdfit {self.kind}",
            "format_version": FORMAT_VERSION,
            "mdfit_version": __version__,
            "jax_version": jax.__version__,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **self.header(),
            "architecture": self.describe(),
            "provenance": provenance or {},
        }
        write_tree(path, self, header)
        return Path(path)


def _name(setting: Any) -> str:
    # The representation of a function holds its address, which differs from process to process.
    return getattr(setting, "__qualname__", None) or repr(setting)


class Constant(eqx.Module):
    """An array that belongs to a model but is never trained (reference energies, scales, tables).

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.models import Constant, trainable
        >>> trainable({"learned": jnp.ones(2), "reference": Constant(jnp.ones(2))})
        {'learned': True, 'reference': Constant(value=False)}
    """

    value: Array


def trainable(model: Any) -> Any:
    """A tree of flags, true for each floating-point array that training may change."""

    def flags(node: Any) -> Any:
        if isinstance(node, Constant):
            return jax.tree.map(lambda _: False, node)
        return eqx.is_inexact_array(node)

    return jax.tree.map(flags, model, is_leaf=lambda node: isinstance(node, Constant))
