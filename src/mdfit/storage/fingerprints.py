"""Is it the same thing?  Digests of settings and data, equal from process to process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import types
from pathlib import Path
from typing import Any

import jax
import numpy as np


def fingerprint(thing: Any) -> str:
    """SHA-256 of everything that a thing is made of, in hexadecimal digits.

    Numbers, text, arrays, containers, dataclasses, functions with what they have closed over, and objects attribute by
    attribute.  An object that keeps more than what defines it has a method ``identity()`` that returns the latter.
    """
    digest = hashlib.sha256()
    _add(thing, digest, [])
    return digest.hexdigest()


def _add(thing: Any, digest: Any, above: list[int]) -> None:
    """Adds a thing to the digest; ``above`` are the objects that it is a part of."""
    if id(thing) in above:
        digest.update(b"itself")
        return
    above.append(id(thing))
    kind, parts = _parts(thing)
    # The length tells where the parts of a thing end.
    digest.update(f"{kind}[{len(parts)}]".encode())
    for part in parts:
        if isinstance(part, bytes):
            digest.update(f"<{len(part)}>".encode())
            digest.update(part)
        else:
            _add(part, digest, above)
    above.pop()


def _parts(thing: Any) -> tuple[str, list[Any]]:
    """What kind of thing it is, and its parts: bytes, or things again."""
    if thing is None or isinstance(thing, (bool, int, float, complex, str, np.dtype, Path)):
        return type(thing).__name__, [repr(thing).encode()]
    if isinstance(thing, bytes):
        return "bytes", [thing]
    if isinstance(thing, jax.Array) and jax.dtypes.issubdtype(thing.dtype, jax.dtypes.prng_key):
        return "key", [np.asarray(jax.random.key_data(thing)).tobytes()]
    if isinstance(thing, (np.ndarray, np.generic, jax.Array)):
        array = np.ascontiguousarray(thing)
        if array.dtype == object:
            return f"objects{array.shape}", array.ravel().tolist()
        return f"{array.dtype.str}{array.shape}", [array.tobytes()]
    if isinstance(thing, dict):
        return "dict", [part for pair in sorted(thing.items(), key=lambda item: str(item[0])) for part in pair]
    if isinstance(thing, (list, tuple)):
        return type(thing).__name__, list(thing)
    if isinstance(thing, (set, frozenset)):
        return "set", sorted(fingerprint(member).encode() for member in thing)
    if isinstance(thing, (type, types.ModuleType, types.BuiltinFunctionType)):
        return "name", [f"{getattr(thing, '__module__', '')}.{_name(thing)}".encode()]
    return _parts_of_object(thing)


def _parts_of_object(thing: Any) -> tuple[str, list[Any]]:
    if isinstance(thing, functools.partial):
        return "partial", [thing.func, thing.args, thing.keywords]
    if isinstance(thing, types.MethodType):
        return "method", [thing.__func__, thing.__self__]
    if isinstance(thing, types.FunctionType):
        cells = [_content(cell) for cell in thing.__closure__ or ()]
        code = thing.__code__
        constants = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
        return "function", [_name(thing).encode(), code.co_code, constants, thing.__defaults__, cells]
    name = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if hasattr(thing, "identity") and callable(thing.identity):
        return name, [thing.identity()]
    if hasattr(thing, "__wrapped__"):
        return name, [thing.__wrapped__]
    if dataclasses.is_dataclass(thing):
        return name, [(f.name, getattr(thing, f.name, None)) for f in dataclasses.fields(thing)]
    return name, [getattr(thing, "__dict__", {})]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", ""))
