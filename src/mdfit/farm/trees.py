"""Results as JSON and a list of arrays, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdfit.errors import FarmError

#: Types of numbers that files hold.
_TYPES = {"bool", "float16", "float32", "float64", "complex64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def flattened(function: Callable[..., Any], /, **inputs: Any) -> tuple[Any, list[np.ndarray]]:
    """What a function returns, as :func:`flatten` gives it; on the side of the worker, which knows its arrays."""
    return flatten(function(**inputs))


def flatten(result: Any) -> tuple[Any, list[np.ndarray]]:
    """JSON of a tree in which every array is its place in a list.

    Args:
        result: dictionaries with text for keys, lists, tuples, arrays, numbers, text, flags and None.

    Raises:
        FarmError: for anything else, which could not be kept without pickle.
    """
    arrays: list[np.ndarray] = []
    return _flat(result, arrays, ""), arrays


def _flat(part: Any, arrays: list[np.ndarray], place: str) -> Any:
    # Only these very types: a subclass would come back as something else.
    if part is None or type(part) in (bool, int, float, str):
        return part
    if type(part) is dict and all(type(key) is str for key in part):
        return {"dict": {key: _flat(value, arrays, f"{place}.{key}") for key, value in part.items()}}
    if type(part) in (list, tuple):
        return {type(part).__name__: [_flat(value, arrays, f"{place}[{n}]") for n, value in enumerate(part)]}
    if hasattr(part, "dtype") and hasattr(part, "shape"):
        if getattr(part.dtype, "name", "") in _TYPES:
            array = np.asarray(part, order="C")
            # As the file has it, whatever the order of its bytes.
            arrays.append(array.astype(array.dtype.newbyteorder("="), copy=False))
            return {"array": len(arrays) - 1}
        raise FarmError(
            f"its result{place} is an array of {part.dtype}, which is not kept; return real numbers of at most 64 bits."
        )
    raise FarmError(
        f"its result{place} is a {type(part).__module__}.{type(part).__qualname__}, which is not kept; return arrays, "
        "numbers, text, and dictionaries with text for keys, lists and tuples of them."
    )


def unflatten(document: Any, arrays: list[np.ndarray]) -> Any:
    """The tree that :func:`flatten` was given, with arrays of numpy.

    Raises:
        ValueError: for a document that it has not written.
    """
    if document is None or isinstance(document, (bool, int, float, str)):
        return document
    if not isinstance(document, dict) or len(document) != 1:
        raise ValueError("a part of the result is unknown")
    ((kind, content),) = document.items()
    if kind == "dict" and isinstance(content, dict):
        return {key: unflatten(value, arrays) for key, value in content.items()}
    if kind in ("list", "tuple") and isinstance(content, list):
        parts = [unflatten(value, arrays) for value in content]
        return parts if kind == "list" else tuple(parts)
    if kind == "array" and type(content) is int and 0 <= content < len(arrays):
        return arrays[content]
    raise ValueError("a part of the result is unknown")
