"""Trees of arrays in files: safetensors plus JSON, no pickle, written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit._version import __version__
from mdfit.errors import CheckpointError, MdfitError, OutputError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it only when the block ends without an error.

    Raises:
        OutputError: when the directory cannot be written or the disk is full; ``path`` is then as it was.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"Could not write {target}: {error.strerror or error}; what was there before is unchanged. "
            "Free some space or choose another output directory."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, document: Any) -> None:
    """A readable JSON file; see :func:`write_text`."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file of a run.

    Raises:
        CheckpointError: when it cannot be read.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}): restore a copy of it, or delete it and `mdfit resume` its run."
        ) from error


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
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise error(f"There is no file {path}; check the path.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["mdfit"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, OSError) as cause:
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


def fill_tree(skeleton: Any, arrays: dict[str, np.ndarray], path: str | Path, error: type[MdfitError]) -> Any:
    """``skeleton`` with its arrays replaced by those of the same name, which must have the same shape.

    Raises:
        error: when an array is missing, left over or of another shape.
    """
    expected = dict(_named_arrays(skeleton))
    if expected.keys() != arrays.keys():
        different = sorted(expected.keys() ^ arrays.keys())
        raise error(f"{path} does not belong to this architecture: the array {different[0]} is in only one of them.")
    wrong = [name for name, leaf in expected.items() if leaf.shape != arrays[name].shape]
    if wrong:
        name = wrong[0]
        raise error(
            f"{path} does not belong to this architecture: {name} has shape {arrays[name].shape} in the file and "
            f"{expected[name].shape} here."
        )

    def fill(key_path, leaf):
        return jnp.asarray(arrays[_name(key_path)]) if _is_array(leaf) else leaf

    return jax.tree_util.tree_map_with_path(fill, skeleton)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray, np.generic))


def _name(key_path) -> str:
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
