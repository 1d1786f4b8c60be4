"""Timing of one program on one workload; the result is a line of JSON on standard output. Standard library only."""

import json
import os
import statistics
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


def measure_parts(parts: dict[str, Callable[[], object]], sums: dict[str, tuple[str, ...]]) -> tuple[dict, dict]:
    """Time functions that each do all of a part and return when it is done.

    Args:
        parts: by name; the first two calls of each compile.
        sums: further names, and the parts whose times they add.

    Returns:
        The times to report (`compile_seconds`), and the metrics `<name>_time` with standard errors of the medians.
    """
    repeats, _ = _requested()
    times: dict[str, list[float]] = {}
    compiling = 0.0
    for name, part in parts.items():
        calls = []
        for _ in range(2 + repeats):
            start = time.perf_counter()
            part()
            calls.append(time.perf_counter() - start)
        times[name] = calls[2:]
        compiling += max(0.0, calls[0] + calls[1] - 2 * statistics.median(calls[2:]))
    for name, names in sums.items():
        times[name] = [sum(parts) for parts in zip(*(times[part] for part in names), strict=True)]
    metrics = {
        f"{name}_time": {
            "value": statistics.median(values),
            "standard_error": 1.2533 * statistics.stdev(values) / len(values) ** 0.5,
            "unit": "s",
        }
        for name, values in times.items()
    }
    return {"compile_seconds": compiling}, metrics


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
