"""Calls on their way to another process, and what comes back; nothing of this is ever kept in a file."""

from __future__ import annotations

import os
import pickle
import sys
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdfit.errors import FarmError, MdfitError, shown

#: Settings on which numbers depend, and what they are where nobody has changed them.
_USUAL = {"jax_enable_x64": False, "jax_default_matmul_precision": None, "jax_default_prng_impl": "threefry2x32"}


@dataclass(frozen=True)
class Call:
    """A function with its arguments.

    Attributes:
        content: both, pickled; functions of the program itself by value, others by their names.
        folders: where the other process looks for modules that are not installed.
        numerics: settings of JAX on which numbers depend; none from a program that has not imported it.
    """

    content: bytes
    folders: tuple[str, ...]
    numerics: dict[str, Any]


def pack(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call:
    """A call that another process can carry out.

    Raises:
        FarmError: for what cannot be pickled, such as an open file.
    """
    return Call(dump((function, args, kwargs)), _own_folders(), _numerics())


def carry_out(call: Call) -> Any:
    """What the function of a call returns; it runs in this process.

    Raises:
        FarmError: when the function cannot be found here.
        BaseException: whatever the function raises, with its traceback as a note.
    """
    sys.path.extend(folder for folder in call.folders if folder not in sys.path)
    _compute_with(call.numerics)
    try:
        function, args, kwargs = pickle.loads(call.content)
    except (ImportError, AttributeError) as error:
        raise FarmError(
            f"The function of the task is not known to its worker ({error}); put its module into a folder that the worker "
            "can read, or install it there."
        ) from error
    try:
        return function(*args, **kwargs)
    except MdfitError:
        # Meant for the user, who does not want to read where it was raised.
        raise
    except Exception as error:
        error.add_note(f"In its worker process:\n{traceback.format_exc()}")
        raise


def dump(thing: Any) -> bytes:
    """A thing as bytes.

    Raises:
        FarmError: for what cannot be pickled.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps(thing)
    except Exception as error:  # objects refuse in many ways
        raise FarmError(
            f"A task or its result cannot be sent between processes ({shown(str(error))}); use arrays, numbers, text and "
            "containers of them."
        ) from error


def _numerics() -> dict[str, Any]:
    """Those of a program that has imported JAX."""
    jax = sys.modules.get("jax")
    if jax is None:
        return {}
    return {name: getattr(jax.config, name) for name in _USUAL}


def _compute_with(numerics: dict[str, Any]) -> None:
    """Makes JAX compute as it does in another process; without a need it is not imported for that."""
    if "jax" not in sys.modules and all(value == _USUAL[name] for name, value in numerics.items()):
        return
    import jax

    for name, value in numerics.items():
        # mdfit switches 64 bits on when it is imported, which is not taken back.
        if name != "jax_enable_x64" or value:
            jax.config.update(name, value)


def _own_folders() -> tuple[str, ...]:
    """Of the folders in which this process looks for modules, those that are not part of its installation."""
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders = (Path(folder or os.curdir).absolute() for folder in sys.path)
    return tuple(
        str(folder)
        for folder in folders
        if folder.is_dir() and not any(folder.is_relative_to(root) for root in installed)
    )
