"""mdfit: how long `import mdfit` and `mdfit --help` take in a fresh process, caches warm."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import report

COMMANDS = {
    "import_time": [sys.executable, "-c", "import mdfit"],
    "help_time": [str(Path(sys.executable).with_name("mdfit")), "--help"],
}


def main(work: str) -> None:
    metrics = {}
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(1 + int(os.environ.get("BENCHMARK_REPEATS", "5"))):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        warm = seconds[1:]
        error = 1.2533 * statistics.stdev(warm) / len(warm) ** 0.5 if len(warm) > 1 else 0.0
        metrics[name] = {"value": statistics.median(warm), "standard_error": error, "unit": "s"}
    report(work, {}, metrics)


if __name__ == "__main__":
    main(sys.argv[1])
