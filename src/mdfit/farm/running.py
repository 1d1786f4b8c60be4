"""Running tasks that do not depend on each other, wherever the workers are."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

from mdfit.farm.failures import tasks_failed
from mdfit.farm.results import Results
from mdfit.progress import progress_bar, stop_on_interrupt

#: Seconds between looks whether Ctrl-C was pressed.
_PAUSE = 0.2


def run_tasks(
    function: Callable[..., Any],
    tasks: Mapping[str, Mapping[str, Any]],
    executor: Executor | None = None,
    *,
    keep: str | Path | None = None,
    title: str = "Tasks",
    show_progress: bool = True,
    on_result: Callable[[str, Any], object] = lambda name, result: None,
) -> dict[str, Any]:
    """What a function returns for each of several inputs; one that fails does not keep the others from being done.

    Args:
        function: a pure function: what it returns follows from its inputs alone, random keys among them.  With ``keep`` it
            returns a tree of arrays, numbers, text and flags, which comes back with arrays of numpy.
        tasks: by name, the keyword arguments of each.
        executor: :func:`local_executor`, :func:`cluster_executor` or any other; None for this process, one after the other.
        keep: directory in which each result is kept as soon as it is there.  A repeated call reads them, does what is
            missing, and what has another function, other inputs or another version of mdfit once more.
        title: of the progress bar.
        show_progress: whether to draw it, with the time left.
        on_result: is called in this process with the name and result of each task when it is done, in the order of their
            ends; not for those that were kept before.

    Returns:
        Results by name, in the order of ``tasks``.

    Raises:
        TasksFailed: when some failed, after all others are done; it names them with their inputs, and has all results.
        FarmError: for inputs that cannot be sent to workers, or names that are no file names where results are kept.
        OutputError: when results cannot be kept, or another process keeps its results there.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; what is done is kept, what waits is cancelled, the same call goes on.

    Example:
        >>> from mdfit.farm import local_executor, run_tasks
        >>> def power(base, exponent):
        ...     return base**exponent
        >>> with local_executor(1) as executor:
        ...     run_tasks(power, {"square": {"base": 3, "exponent": 2}}, executor, show_progress=False)
        {'square': 9}
    """
    with _store(keep, function, tasks) as store:
        found, failures = dict(store.before), dict[str, BaseException]()
        waiting = {name: inputs for name, inputs in tasks.items() if name not in found}
        with (
            progress_bar(title, len(tasks), len(found), show_progress) as bar,
            contextlib.closing(_ends(store.function, waiting, executor)) as ends,
        ):
            try:
                for name, future in ends:
                    try:
                        result = future.result()
                    except (Exception, CancelledError) as error:
                        failures[name] = error
                        bar.note({name: "failed, the rest goes on"})
                    else:
                        found[name] = store.keep(name, result)
                        on_result(name, found[name])
                    bar.advance()
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(_stopped(len(found), len(tasks), store.where)) from stop
    results = {name: found[name] for name in tasks if name in found}
    if failures:
        failures = {name: failures[name] for name in tasks if name in failures}
        raise tasks_failed(tasks, results, failures, store.where) from next(iter(failures.values()))
    return results


def _stopped(done: int, number: int, where: Path | None) -> str:
    # Tasks may keep themselves what they have done, as runs of recipes do.
    kept = "." if where is None else f", kept in {where}; the same call goes on."
    return f"Stopped: {done} of {number} tasks are done{kept}"


@contextlib.contextmanager
def _store(
    keep: str | Path | None, function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]]
) -> Iterator[Results]:
    if keep is None:
        yield Results(function)
        return
    # JAX comes along, which workers of light tasks do not need.
    from mdfit.farm.kept import kept_results

    with kept_results(keep, function, tasks) as store:
        yield store


def _ends(
    function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]], executor: Executor | None
) -> Generator[tuple[str, Future], None, None]:
    """Names and futures of tasks as they end; what is left is cancelled when the caller stops."""
    if executor is None:
        for name, inputs in tasks.items():
            yield name, _here(function, inputs)
        return
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    futures: dict[str, Future] = {}
    with stop_on_interrupt() as interrupt:
        try:
            for name, inputs in tasks.items():
                futures[name] = executor.submit(function, **inputs)
                futures[name].add_done_callback(lambda _, name=name: ended.put(name))
            while futures and not interrupt.requested:
                with contextlib.suppress(queue.Empty):
                    name = ended.get(timeout=_PAUSE)
                    yield name, futures.pop(name)
        finally:
            for future in futures.values():
                future.cancel()
        if interrupt.requested:
            for name, future in futures.items():
                if future.done() and not future.cancelled():
                    yield name, future
            raise KeyboardInterrupt


def _here(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Future:
    future: Future = Future()
    try:
        future.set_result(function(**inputs))
    except Exception as error:
        future.set_exception(error)
    return future
