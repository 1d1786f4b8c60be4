"""Timing of one program on one workload; the result is a line of JSON on standard output. Standard library only."""

import json
import os
import sys
import time
from collections.abc import Callable


def measure(
    run: Callable[[int], object], steps_per_unit: int = 1, equilibrate: Callable[[], object] = lambda: None
) -> dict:
    """Time `run(n)`, which does n units of `steps_per_unit` steps each and returns when they are done.

    Three calls of one unit separate compilation from the steady state (some programs compile again at the second
    call). `equilibrate` runs after them. Then each repeat does as many units as take the time asked for. A program that
    compiles anew for each n must make n a run-time argument.

    Returns:
        `compile_seconds`, `steps_per_repeat` and `seconds_per_step` (one number per repeat).
    """
    repeats, seconds = _requested()

    def timed(units: int) -> float:
        start = time.perf_counter()
        run(units)
        return time.perf_counter() - start

    first, second, third = timed(1), timed(1), timed(1)
    equilibrate()
    timed(1)
    units, elapsed = 1, timed(1)
    while elapsed < 0.3 * seconds:
        units = max(2 * units, min(16 * units, round(0.5 * seconds / elapsed * units)))
        elapsed = timed(units)
    units = max(1, round(seconds / elapsed * units))
    steps = units * steps_per_unit
    return {
        "compile_seconds": max(0.0, first + second - 2 * third),
        "steps_per_repeat": steps,
        "seconds_per_step": [timed(units) / steps for _ in range(repeats)],
    }


def report(work: str, timings: dict, metrics: dict | None = None, **details: object) -> None:
    """Print the result of a program.

    `metrics` are further results, name to `{value, standard_error, unit}`; `details` record what was done
    (neighbours, cutoffs, versions).
    """
    sys.stdout.flush()
    print(json.dumps({"work": work, **timings, "metrics": metrics or {}, "details": details}), flush=True)


def _requested() -> tuple[int, float]:
    """Repeats and seconds per repeat, which `run.py` passes through the environment."""
    return int(os.environ.get("BENCHMARK_REPEATS", "3")), float(os.environ.get("BENCHMARK_SECONDS", "2"))
