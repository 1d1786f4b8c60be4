"""The directory of a run: new ones are empty, one process writes, and what was begun is only gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mdfit.errors import OutputError, RecipeError, UntrustedError
from mdfit.provenance import environment, git_commit
from mdfit.storage import only_writer, open_regular, read_json, remove_leftovers, write_json

#: The record of a run of a recipe in YAML (see :mod:`mdfit.recipes.loading`), and of one in Python.
RESOLVED, REQUEST = "recipe.json", "request.json"

_LOCK = ".run.lock"
_COMMITS = "commits.json"
_STAGE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9 ._-]*")
#: Parts of a recipe's folder on which its runs do not depend.
_NOT_PARTS = ("results", "__pycache__", "README.md")


@contextlib.contextmanager
def run_directory(out: Path, record: str, resume: bool) -> Iterator[bool]:
    """Holds the directory of a run, which is made when missing.

    The caller writes the ``record`` of a new run before anything else, so that a run without one has not begun.

    Args:
        out: the directory.
        record: the name of the record of such runs, :data:`RESOLVED` or :data:`REQUEST`.
        resume: whether to go on where there is one.

    Yields:
        Whether the run goes on; its record is there.

    Raises:
        OutputError: a new run in a directory that holds something, a run of another kind, or another process that writes
            there.
    """
    # A run that was killed before its record was there has left at most these.
    remove_leftovers(out)
    _check_ours(out, record, resume)
    with only_writer(out / _LOCK, out):
        _check_ours(out, record, resume)
        for folder in (out, *(path for path in out.iterdir() if path.is_dir())):
            remove_leftovers(folder)
        yield (out / record).exists()


def _check_ours(out: Path, record: str, resume: bool) -> None:
    if not (resume and [name for name in (RESOLVED, REQUEST) if (out / name).exists()] == [record]):
        _check_new(out)


def note_commit(out: Path) -> None:
    """Keeps which commits of mdfit have worked on a run."""
    before = commits_of(out)
    commit = git_commit() or "unknown"
    if before[-1:] != [commit]:
        write_json(out / _COMMITS, [*before, commit])


def commits_of(out: Path) -> list[str]:
    """The commits of mdfit that have worked on a run, which should be one."""
    return read_json(out / _COMMITS, list[str]) if (out / _COMMITS).is_file() else []


def environment_of(out: Path) -> dict[str, Any]:
    """Versions, hardware, date, and the commits that have worked on a run, which should be one."""
    return {**environment(), "git_commit": ", then ".join(commits_of(out))}


def begun(out: Path) -> bool:
    """Whether a directory holds a run, finished or not."""
    return any((out / record).exists() for record in (RESOLVED, REQUEST))


def _check_new(out: Path) -> None:
    if not out.is_dir():
        return
    content = sorted(path.name for path in out.iterdir() if path.name != _LOCK or path.is_symlink())
    if RESOLVED in content or REQUEST in content:
        command = f"mdfit resume {shlex.quote(str(out))}"
        raise OutputError(f"{out} already holds a run; `{command}`, or choose another directory.")
    if content:
        raise OutputError(
            f"{out} is not empty (it holds {content[0]}) and no run of mdfit; choose a new or an empty directory."
        )


def check_links(out: Path, remedy: str | None = None) -> None:
    """A run directory may come from somebody else; what its links lead to is not overwritten.

    Args:
        out: the directory.
        remedy: the end of the message; by default how to resume all the same.

    Raises:
        UntrustedError: a link leads out of the directory, or something in it is neither a file nor a folder.
    """
    remedy = remedy or f"If you trust it: mdfit resume {shlex.quote(str(out))} --trust"
    # Unlike Path.resolve, it takes links that lead in circles, which nobody can write through.
    inside = Path(os.path.realpath(out))
    for path in sorted(out.rglob("*")):
        target = Path(os.path.realpath(path)) if path.is_symlink() else inside
        if not target.is_relative_to(inside):
            raise UntrustedError(f"{path} is a link to {target}, outside {out}; going on may write there. {remedy}")
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UntrustedError(f"{path} is neither a file nor a folder; going on may wait for it forever. {remedy}")


def stage_path(folder: Path, name: str) -> Path:
    """The path of a stage in the directory of a run.

    Raises:
        RecipeError: for a name that would lead elsewhere.
    """
    if not _STAGE.fullmatch(name):
        raise RecipeError(
            f"The stage {name!r} becomes the name of a file: use letters, digits, spaces, '.', '_' and '-', and begin with "
            "no '.'."
        )
    return folder / name


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        RecipeError: when it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error


def sources(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a recipe's folder but its results, by its path in the folder.

    Raises:
        RecipeError: when one cannot be read.
    """
    try:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_part(path.relative_to(folder))]
    except OSError as error:
        raise RecipeError(f"{folder} cannot be read ({error.strerror or error}); check its permissions.") from error
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def _is_part(path: Path) -> bool:
    return path.parts[0] not in _NOT_PARTS and not any(
        part.startswith(".") or part == "__pycache__" for part in path.parts
    )
