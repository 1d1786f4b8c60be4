"""Results of tasks in files: a repeated call reads them instead of doing the tasks again."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from mdfit._version import __version__
from mdfit.errors import FarmError, shown
from mdfit.farm.results import Results
from mdfit.farm.trees import flattened, unflatten
from mdfit.storage import Document, checked, fingerprint, only_writer, read_header, write_tree

log = logging.getLogger(__name__)

FORMAT = 1
#: A name that is a file name everywhere, and is not hidden.
_NAME = re.compile(r"[A-Za-z0-9][\w.+=, -]{0,99}")


class _KeptDocument(Document):
    """The header of a file.

    Attributes:
        format_version: of the file.
        mdfit_version: that wrote it.
        task: its name.
        made_of: digest of the function and its inputs.
        result: a document of :func:`~mdfit.farm.trees.flatten`.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    format_version: Literal[1]
    mdfit_version: str
    task: str
    made_of: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    result: Any


class KeptResults(Results):
    """Results of which each has a file in a directory."""

    def __init__(self, directory: Path, function: Callable[..., Any], made_of: Mapping[str, str]):
        super().__init__(function)
        self._directory, self._made_of = directory, made_of
        self.function = functools.partial(flattened, function)
        self.where = directory
        read = {name: self._read(name) for name in made_of}
        self.before = {name: found[0] for name, found in read.items() if found is not None}

    def keep(self, name: str, result: Any) -> Any:
        document, arrays = result
        header = {
            "format_version": FORMAT,
            "mdfit_version": __version__,
            "task": name,
            "made_of": self._made_of[name],
            "result": document,
        }
        write_tree(self._path(name), arrays, header)
        return unflatten(document, arrays)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.safetensors"

    def _read(self, name: str) -> tuple[Any] | None:
        """The result of a task in a tuple; None, and a word why, when the task has to be done."""
        path = self._path(name)
        if not path.exists():
            return None
        try:
            header, arrays = read_header(path, FarmError, newest=FORMAT)
            kept: _KeptDocument = checked(header, _KeptDocument, path, FarmError)
            if kept.task != name:
                raise FarmError(f"{path} belongs to the task {shown(kept.task, 80)!r}.")
            if kept.made_of == self._made_of[name]:
                return (unflatten(kept.result, [arrays[str(number)] for number in range(len(arrays))]),)
            log.warning("The function or the inputs of %s have changed: it is done again.", name)
        except (FarmError, ValueError, LookupError, RecursionError) as error:
            log.warning("The kept result of %s cannot be used, it is done again: %s", name, shown(str(error), 300))
        return None


@contextlib.contextmanager
def kept_results(
    directory: str | Path, function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]]
) -> Iterator[KeptResults]:
    """The results of tasks in a directory, into which only this process writes for the time of the block.

    Raises:
        FarmError: for a name that is no file name, or two that some file systems take for one.
        OutputError: when another process keeps its results there, or it cannot be written.
    """
    _check_names(tasks)
    made_of = {name: fingerprint((__version__, function, dict(inputs))) for name, inputs in tasks.items()}
    with only_writer(Path(directory) / ".lock", directory):
        yield KeptResults(Path(directory), function, made_of)


def _check_names(names: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name):
            raise FarmError(
                f"The task {shown(name, 80)!r} cannot be kept in a file of its name; take letters, digits and -_+=,."
            )
        if (other := known.setdefault(name.lower(), name)) != name:
            raise FarmError(
                f"The tasks {other} and {name} differ in capitals only, which some disks take for one; rename one of them."
            )
