"""What Ctrl-C leaves, and how to go on."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def run_interruptible(directory: Path) -> Iterator[None]:
    """Tells after Ctrl-C how the run of a recipe goes on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        from mdfit.recipes.run_directory import begun

        command = f"mdfit resume {shlex.quote(str(directory))}"
        nothing = "nothing has been written yet: run the same command again."
        remedy = f"resume with: {command}" if begun(directory) else nothing
        raise KeyboardInterrupt(f"Interrupted; {remedy}") from stop


@contextlib.contextmanager
def simulation_interruptible(out: Path) -> Iterator[None]:
    """Tells after Ctrl-C how ``mdfit simulate`` goes on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        from mdfit.simulate import can_resume

        remedy = "the same command goes on from there." if can_resume(out) else "nothing can be resumed."
        raise KeyboardInterrupt(f"Interrupted; {remedy}") from stop
