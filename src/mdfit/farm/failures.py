"""What is said about tasks that failed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from mdfit.errors import FarmError, MdfitError, shown


class TasksFailed(FarmError):
    """Some tasks failed, after all others were done.

    Attributes:
        results: of the others, by name.
        failures: the errors, by name of the task.
    """

    def __init__(self, message: str, results: dict[str, Any], failures: dict[str, BaseException]):
        super().__init__(message)
        self.results, self.failures = results, failures


def tasks_failed(
    tasks: Mapping[str, Mapping[str, Any]],
    results: dict[str, Any],
    failures: dict[str, BaseException],
    where: Path | None,
) -> TasksFailed:
    """An error that names every task that failed, with its inputs; equal errors are told once.

    Args:
        tasks: inputs by name.
        results: of those that succeeded.
        failures: errors of those that did not.
        where: results are kept.
    """
    alike: dict[str, list[str]] = {}
    for name, error in failures.items():
        alike.setdefault(_words(error), []).append(name)
    told = [f"{_names(names)} ({_described(tasks[names[0]])}): {words}" for words, names in alike.items()]
    kept = "" if where is None else f", kept in {where}"
    first = f"{len(failures)} of {len(tasks)} tasks failed; done: {len(results)}{kept}."
    message = f"{first} {told[0]}" if len(told) == 1 else "\n".join([first, *told])
    return TasksFailed(message, results, failures)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shown(name, 60) for name in names[:5]) + more


def _words(error: BaseException) -> str:
    if isinstance(error, CancelledError):
        return "its worker or the cluster was lost; the same call does it again."
    if type(error).__name__ == "KilledWorker":  # of distributed, which may not be there
        return (
            "all workers to which Dask gave it died; the task may need more memory than there is: make it smaller, or give "
            "the workers more."
        )
    return shown(str(error), 600) if isinstance(error, MdfitError) else shown(f"{type(error).__name__}: {error}", 600)


def _described(inputs: Mapping[str, Any]) -> str:
    """Inputs in a few words: numbers and text as they are, arrays by type and shape."""
    return shown(", ".join(f"{name}={_value(value)}" for name, value in inputs.items()) or "no inputs", 240)


def _value(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape:
        return f"{value.dtype}{list(value.shape)}"
    if value is None or isinstance(value, (bool, int, float, str)) or hasattr(value, "dtype"):
        return shown(str(value), 60)
    if isinstance(value, (list, tuple, dict)):
        text = repr(value)
        return text if len(text) <= 40 else f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
