"""mdfit: peak memory of one DiffTRe update against the number of saved frames and of time steps between them.

Each size runs in a process of its own, since a process does not give its peak back.
"""

import importlib.metadata
import resource
import subprocess
import sys
from dataclasses import replace

from timing import report
from workloads import UPDATES

WORK = "difftre_spline_901"
#: Frames and steps between them.
SIZES = ((50, 5), (200, 5), (800, 5), (50, 80))


def peak(frames: int, steps: int) -> float:
    """MiB of a process that does one update with a new trajectory."""
    command = [sys.executable, __file__, str(frames), str(steps)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def update(frames: int, steps: int) -> float:
    """The same in this process."""
    import equinox as eqx

    from mdfit.objectives import Parameters
    from ours_difftre import model, objective

    work = replace(UPDATES[WORK], frames=frames, steps_between=steps)
    potential, flags = model(work)
    aim = objective(work)
    parameters = Parameters(*eqx.partition(potential, flags))
    aim.evaluate(parameters, aim.initial_state(0, parameters))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(name: str) -> None:
    peaks = {size: peak(*size) for size in SIZES}

    def metric(value: float, unit: str) -> dict:
        return {"value": value, "standard_error": 0.0, "unit": unit}

    metrics = {f"peak_memory/{frames}_frames_{steps}_steps": metric(p, "MiB") for (frames, steps), p in peaks.items()}
    metrics["memory_per_frame"] = metric((peaks[800, 5] - peaks[200, 5]) / 600, "MiB")
    metrics["memory_with_16_times_the_steps"] = metric(peaks[50, 80] / peaks[50, 5], "1")
    report(name, {}, metrics, version=importlib.metadata.version("mdfit"), update=WORK)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        sys.stdout.write(f"{update(int(sys.argv[1]), int(sys.argv[2]))}\n")
    else:
        main(sys.argv[1])
