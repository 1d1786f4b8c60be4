"""Workers on this machine: processes, each with its share of the cores."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mdfit.errors import FarmError
from mdfit.farm.process import WorkerDied, WorkerProcess
from mdfit.farm.transport import Call, pack

log = logging.getLogger(__name__)

#: How often a task is begun before it is taken for the cause of the end of its workers.
ATTEMPTS = 3


@dataclass(frozen=True)
class _Submitted:
    call: Call
    future: Future


class LocalExecutor(Executor):
    """Worker processes behind the interface of :mod:`concurrent.futures`; made by :func:`local_executor`.

    A process starts with its first task.  One that is killed costs its own task only, which is begun again in a new one.
    At the end of a ``with`` block all tasks are waited for; after Ctrl-C they are stopped instead.

    Attributes:
        workers: number of processes.
        share: cores of each.

    Example:
        >>> from mdfit.farm import local_executor
        >>> with local_executor(1) as executor:
        ...     future = executor.submit(divmod, 17, 5)
        ...     print(future.result())
        (3, 2)
    """

    def __init__(self, workers: int, share: int):
        self.workers, self.share = workers, share
        self._waiting: queue.SimpleQueue[_Submitted | None] = queue.SimpleQueue()
        self._processes: list[WorkerProcess | None] = [None] * workers
        self._lock = threading.RLock()
        self._closed = self._stopping = False
        self._threads = [threading.Thread(target=self._serve, args=(n,), daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """The future result of a call in one of the workers.

        Raises:
            FarmError: for arguments that cannot be sent to another process.
            RuntimeError: after the end.
        """
        call = pack(fn, *args, **kwargs)
        future: Future = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("These workers have ended; make new ones.")
            self._waiting.put(_Submitted(call, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks; workers end when all are done, those that wait included unless they are cancelled."""
        with self._lock:
            if cancel_futures:
                self._cancel_waiting()
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def stop(self) -> None:
        """Cancels what waits, and stops what runs as Ctrl-C would, so that it can leave what it resumes from."""
        with self._lock:
            self._stopping = True
            for process in self._processes:
                if process is not None:
                    process.terminate()
        self.shutdown(cancel_futures=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.stop()
        else:
            self.shutdown(cancel_futures=error is not None)

    def _cancel_waiting(self) -> None:
        while True:
            try:
                submitted = self._waiting.get_nowait()
            except queue.Empty:
                break
            if submitted is not None:
                submitted.future.cancel()
        if self._closed:
            for _ in self._threads:
                self._waiting.put(None)

    def _serve(self, number: int) -> None:
        """One task after the other in the process ``number``."""
        while (submitted := self._waiting.get()) is not None:
            if not submitted.future.set_running_or_notify_cancel():
                continue
            try:
                good, answer = self._carried_out(number, submitted.call)
            except Exception as error:  # the future would wait for ever otherwise
                good, answer = False, error
            if good:
                submitted.future.set_result(answer)
            else:
                submitted.future.set_exception(answer)
        with self._lock:
            process, self._processes[number] = self._processes[number], None
        if process is not None:
            process.close()

    def _carried_out(self, number: int, call: Call) -> tuple[bool, Any]:
        ends: list[str] = []
        while len(ends) < ATTEMPTS:
            process = self._process(number)
            try:
                return process.answer(call)
            except WorkerDied as death:
                with self._lock:
                    self._processes[number] = None
                if self._stopping:
                    raise FarmError("The task was stopped; do it again.") from None
                ends.append(death.how)
                log.info("A worker %s; its task is begun again.", death.how)
        raise FarmError(
            f"its worker {ends[-1]}, {ATTEMPTS} times; the task may need more memory than there is: make it smaller, or "
            "take fewer workers."
        )

    def _process(self, number: int) -> WorkerProcess:
        """The process of a number, which is started if there is none."""
        with self._lock:
            if self._stopping:
                raise FarmError("The task was stopped; do it again.")
            process = self._processes[number]
            if process is None:
                process = self._processes[number] = WorkerProcess(self.share, self.workers)
        return process


def local_executor(workers: int, cores: int | None = None) -> LocalExecutor:
    """Worker processes on this machine, to be used in a ``with`` block.

    Args:
        workers: number of processes.
        cores: that they share in equal parts, at least one for each; those that this process may use by default.

    Raises:
        FarmError: for numbers below one.
    """
    available = len(os.sched_getaffinity(0)) if cores is None else cores
    for name, number in (("workers", workers), ("cores", available)):
        if number < 1:
            raise FarmError(f"The number of {name} is {number}; give at least 1.")
    if workers > available:
        log.warning("%d workers share %d cores: each is slower than it would be alone.", workers, available)
    return LocalExecutor(workers, max(1, available // workers))
