"""Progress with the time left, and a clean stop on Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Bar:
    """A progress bar; without a display it does nothing."""

    def __init__(self, display: Any = None, task: Any = None):
        self._display, self._task = display, task

    def advance(self, amount: int = 1, **values: float) -> None:
        """Moves on and shows ``values`` beside the bar."""
        if self._display is not None:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            self._display.update(self._task, advance=amount, values=shown)

    def note(self, record: dict[str, Any]) -> None:
        """A line above the bar."""
        if self._display is not None:
            parts = [f"{n} {v:.4g}" if isinstance(v, float) else f"{n} {v}" for n, v in record.items()]
            self._display.console.print("  ".join(parts), soft_wrap=True, highlight=False)


@contextlib.contextmanager
def progress_bar(title: str, total: int, done: int = 0, show: bool = True) -> Iterator[Bar]:
    """A bar with rate, elapsed time and time left on the standard error stream."""
    if not show:
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=120) as display:
        yield Bar(display, display.add_task(title, total=total, completed=done, values=""))


class Interrupt:
    """Whether the user, or the system, has asked to stop.

    Attributes:
        requested: a signal has come.
        terminated: it was SIGTERM: the process is to end, and not only the present work.
    """

    requested: bool = False
    terminated: bool = False


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Interrupt]:
    """The first Ctrl-C or SIGTERM asks for a clean stop after the current step, the second stops at once."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            # None stands for a handler that was not set from Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.requested = True
        interrupt.terminated = number == signal.SIGTERM
        restore()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield interrupt
    finally:
        restore()
