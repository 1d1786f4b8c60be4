"""Is it the same thing?  Digests of settings and data, equal from process to process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mdfit.errors import TrainingError


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
    if isinstance(thing, (dict, types.MappingProxyType)):
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
        defaults = [thing.__defaults__, thing.__kwdefaults__]
        return "function", [_name(thing).encode(), *_parts_of_code(thing.__code__), defaults, cells, _globals(thing)]
    name = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if hasattr(thing, "identity") and callable(thing.identity):
        return name, [thing.identity()]
    if hasattr(thing, "__wrapped__"):
        return name, [thing.__wrapped__]
    if dataclasses.is_dataclass(thing):
        return name, [(f.name, getattr(thing, f.name, None)) for f in dataclasses.fields(thing)]
    return name, [_attributes(thing)]


def _parts_of_code(code: types.CodeType) -> list[Any]:
    """What it does, with which names and constants; functions inside of it as well."""
    constants = [_parts_of_code(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return [code.co_code, constants, code.co_names]


def _globals(function: types.FunctionType) -> dict[str, Any]:
    """Numbers, text and functions of the module that a user's function reads; of packages their version tells."""
    if _is_installed(function.__code__.co_filename):
        return {}
    read = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    return {name: value for name, value in read.items() if not isinstance(value, (type, types.ModuleType))}


def _names(code: types.CodeType) -> set[str]:
    inside = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inside)


@functools.cache
def _is_installed(file: str) -> bool:
    roots = (
        *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")),
        str(Path(__file__).parents[1]),
    )
    return file.startswith(("<frozen", *roots))


def _attributes(thing: Any) -> Any:
    """Those of an object; what it is made again from when it has none (a range, a date, a fraction).

    Raises:
        TrainingError: for an object that keeps them where nobody can see them.
    """
    slots = [name for kind in type(thing).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]
    found = {name: getattr(thing, name) for name in slots if name != "__dict__" and hasattr(thing, name)}
    found |= getattr(thing, "__dict__", {})
    if found or hasattr(thing, "__dict__"):
        return found
    try:
        made_again = thing.__reduce_ex__(4)
        _, arguments, *more = (None, made_again) if isinstance(made_again, str) else made_again
    except TypeError as problem:
        raise TrainingError(
            f"A {type(thing).__module__}.{type(thing).__qualname__} cannot be told from another one, so that a change "
            "would not be seen; give it a method identity() that returns what defines it, or pass plain numbers."
        ) from problem
    return arguments, [list(part) if isinstance(part, Iterator) else part for part in more]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", ""))
