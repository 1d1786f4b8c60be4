"""Trees of arrays in files: safetensors plus JSON, no pickle, written atomically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import KeyPath

from mdfit._version import __version__
from mdfit.errors import MdfitError
from mdfit.storage.atomic import atomic_path


def write_tree(path: str | Path, tree: Any, header: dict[str, Any]) -> None:
    """The arrays of ``tree`` under their paths in it, and a JSON ``header``, in one file."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(leaf, order="C") for name, leaf in _named_arrays(tree)}
    document = {**header, "sha256": _digest(arrays), "sha256_of_header": _digest_of_header(header)}
    content = save(arrays, metadata={"mdfit": json.dumps(document)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def digest(tree: Any) -> str:
    """SHA-256 of the names, types and bytes of the arrays of ``tree``, in hexadecimal digits."""
    return _digest(dict(_named_arrays(tree)))


def read_header(
    path: str | Path, error: type[MdfitError], newest: int = 1
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON header and the arrays of a file, whose integrity is checked.

    Raises:
        error: when the file is missing, truncated, corrupted, not one of ours, or of a format after ``newest``.
    """
    from safetensors import safe_open

    path = Path(path)
    if not path.is_file():
        raise error(f"There is no file {path}; check the path.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["mdfit"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if not isinstance(header, dict) or not isinstance(header.get("format_version", 0), int):
            raise ValueError("the header is no object")
    except Exception as cause:  # safetensors lets errors of many kinds through
        raise error(
            f"{path} is not a complete mdfit file ({type(cause).__name__}): it was truncated, corrupted or written by "
            "another program; use an earlier copy."
        ) from cause
    if header.get("format_version", 0) > newest:
        raise error(
            f"{path} has format version {header['format_version']}, but mdfit {__version__} reads up to version {newest}; "
            f"update mdfit (the file was written by {header.get('mdfit_version', 'an unknown version')})."
        )
    arrays_match = header.pop("sha256", None) == _digest(arrays)
    # Files from before the header had a checksum have none.
    noted = header.pop("sha256_of_header", None)
    if not arrays_match or noted not in (None, _digest_of_header(header)):
        raise error(f"The contents of {path} do not match their checksum: the file is corrupted; use an earlier copy.")
    return header, arrays


def fill_tree(
    skeleton: Any, arrays: dict[str, np.ndarray], path: str | Path, error: type[MdfitError], any_precision: bool = False
) -> Any:
    """``skeleton`` with its arrays replaced by those of the same name, which must have the same shape and type.

    Args:
        skeleton: a tree of arrays, or of their shapes (``jax.eval_shape``).
        arrays: by name.
        path: of the file, for messages.
        error: what to raise.
        any_precision: whether floating-point numbers may have another precision.

    Raises:
        error: when an array is missing, left over, or of another shape or type.
    """
    leaves = jax.tree_util.tree_leaves_with_path(skeleton)
    expected = {_name(key_path): leaf for key_path, leaf in leaves if _is_array(leaf)}
    if expected.keys() != arrays.keys():
        different = sorted(expected.keys() ^ arrays.keys())
        raise error(f"{path} does not belong to this architecture: the array {different[0]} is in only one of them.")
    for name, leaf in expected.items():
        found = arrays[name]
        same = found.dtype == leaf.dtype or (any_precision and found.dtype.kind == leaf.dtype.kind == "f")
        if found.shape != leaf.shape or not same:
            raise error(
                f"{path} does not belong to this architecture: {name} is {found.dtype}{list(found.shape)} in the file "
                f"and {leaf.dtype}{list(leaf.shape)} here."
            )

    def fill(key_path: KeyPath, leaf: Any) -> Any:
        return jnp.asarray(arrays[_name(key_path)]) if _is_array(leaf) else leaf

    return jax.tree_util.tree_map_with_path(fill, skeleton)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct))


def _name(key_path: KeyPath) -> str:
    return jax.tree_util.keystr(key_path, simple=True, separator=".")


def _named_arrays(tree: Any) -> list[tuple[str, np.ndarray]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(_name(key_path), np.asarray(leaf)) for key_path, leaf in leaves if _is_array(leaf)]


def _digest_of_header(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(str(arrays[name].dtype).encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
