"""Commands in processes of their own, several at a time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mdfit.errors import RecipeError
from mdfit.progress import stop_on_interrupt
from mdfit.storage import remedy

#: Seconds between looks at the processes.
_PAUSE = 0.2


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        name: in messages.
        command: and its arguments.
        log: file to which all that it writes is added.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    log: IO[bytes]
    began: float = field(default_factory=time.monotonic)


def run_jobs(jobs: Sequence[Job], at_once: int, tell: Callable[[str], None]) -> list[Job]:
    """Runs commands, so many at a time; one that fails does not keep the others from running.

    Args:
        jobs: in the order in which they start.
        at_once: number of processes.
        tell: is given a line when a job starts and when it ends.

    Returns:
        Those that failed.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when all that were running have stopped.
        RecipeError: when the log of a job cannot be written.
    """
    waiting, failed = list(jobs), []
    running: list[_Running] = []
    with stop_on_interrupt() as interrupt:
        while waiting or running:
            while waiting and len(running) < at_once and not interrupt.requested:
                running.append(_start(waiting.pop(0)))
                tell(f"{running[-1].job.name}: started, {len(waiting)} waiting")
            time.sleep(_PAUSE)
            if interrupt.requested:
                _stop(running)
                raise KeyboardInterrupt(f"Stopped: {', '.join(one.job.name for one in running)}.")
            for ended in [one for one in running if one.process.poll() is not None]:
                running.remove(ended)
                ended.log.close()
                minutes = (time.monotonic() - ended.began) / 60
                if ended.process.returncode:
                    failed.append(ended.job)
                    tell(f"{ended.job.name}: failed after {minutes:.1f} min, see {ended.job.log}")
                else:
                    tell(f"{ended.job.name}: done in {minutes:.1f} min")
    return failed


def _start(job: Job) -> _Running:
    try:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        log = job.log.open("ab")
    except OSError as error:
        raise RecipeError(f"{job.log} cannot be written ({error.strerror or error}); {remedy(error)}.") from error
    return _Running(job, subprocess.Popen(job.command, stdout=log, stderr=log, start_new_session=True), log)


def _stop(running: Sequence[_Running]) -> None:
    """Lets each write what it resumes from."""
    for one in running:
        one.process.send_signal(signal.SIGTERM)
    for one in running:
        one.process.wait()
        one.log.close()
