"""Whether the settings in the file of a model are possible, before anything is made of them."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from mdfit import registry
from mdfit.errors import ModelFileError
from mdfit.models.base import Model

#: Sums in sums and the like are not nested deeper.
MOST_LEVELS = 16
#: Sizes up to this are always possible; larger ones must be found in the arrays.
SMALL = 64
#: Not the size of an array.
_NO_SIZES = ("number_of_atoms",)


def check_architecture(architecture: Any, arrays: dict[str, np.ndarray], path: str | Path, level: int = 0) -> None:
    """Checks class, names, types and sizes of settings, term by term.

    Args:
        architecture: as :meth:`mdfit.models.Model.describe` gives it.
        arrays: of the file: settings that are sizes (channels, layers) cannot exceed their lengths and their number.
        path: of the file, for messages.
        level: how deep in sums.

    Raises:
        ModelFileError: when no model can be like this.
    """
    if level > MOST_LEVELS:
        raise ModelFileError(f"{path} holds more than {MOST_LEVELS} models inside each other; use an earlier copy.")
    if not isinstance(architecture, dict) or not isinstance(architecture.get("class"), str):
        raise _wrong(path, "a model has no class")
    name = architecture["class"]
    kind = _kind(name)
    nested = "" if kind is None else kind.nested
    inner = architecture.get(nested) if nested else []
    terms = [inner] if isinstance(inner, dict) else inner
    if nested and (not isinstance(terms, list) or not terms):
        raise _wrong(path, f"{name} has no {nested}")
    for term in terms or []:
        check_architecture(term, arrays, path, level + 1)
    settings = architecture.get("settings", {} if nested == "terms" else None)
    if not isinstance(settings, dict) or set(architecture) - {"class", "settings", nested}:
        raise _wrong(path, f"{name} has no settings")
    if isinstance(settings.get("potential"), dict):
        check_architecture(settings["potential"], arrays, path, level + 1)
    _check_types(name, settings, path)
    _check_sizes(name, settings, arrays, path)


def _kind(name: str) -> type[Model] | None:
    """The class of a name, where it is known."""
    return registry.find(name, Model, "model", ModelFileError) if name in registry.named(Model) else None


def _check_types(name: str, settings: dict[str, Any], path: str | Path) -> None:
    """Settings that are fields of the class must have their types."""
    kind = _kind(name)
    if kind is None:
        return
    fields = {field.name for field in dataclasses.fields(kind) if field.metadata.get("static", False)}
    missing = sorted(fields - settings.keys() - set(kind.later_settings))
    if missing:
        raise _wrong(path, f"{name} lacks the setting {missing[0]}")
    unknown = sorted(settings.keys() - fields - {"potential"})
    if unknown and kind.settings is Model.settings:
        raise _wrong(path, f"{name} has no setting {unknown[0]}")
    hints = typing.get_type_hints(kind)
    for field in fields & hints.keys() & settings.keys():
        value = settings[field]
        try:
            # From JSON, so that lists stand for tuples although nothing else is converted.
            strictly = ConfigDict(strict=True, allow_inf_nan=False)
            TypeAdapter(hints[field], config=strictly).validate_json(json.dumps(value))
        except (ValidationError, ValueError, RecursionError):
            raise _wrong(path, f"{name} cannot have {field} = {str(value)[:40]}") from None


def _check_sizes(name: str, settings: dict[str, Any], arrays: dict[str, np.ndarray], path: str | Path) -> None:
    largest = max(SMALL, len(arrays), *(length for array in arrays.values() for length in array.shape), 0)
    for setting, value in settings.items():
        if setting not in _NO_SIZES and isinstance(value, int) and abs(value) > largest:
            raise _wrong(path, f"{name} has {setting} = {value}, for which the arrays are too few or too small")


def _wrong(path: str | Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path} describes no model: {what}; use an earlier copy.")
