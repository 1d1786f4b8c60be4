"""mdfit: sixteen independent trainings on one worker and on two, a core each, and what a task costs that does nothing.

Workers are started, and programs compiled, before the time is taken: a task of real work is far longer than either.
"""

import importlib.metadata
import os
import statistics
import sys
import tempfile
import time

from mdfit.farm import local_executor, run_tasks
from timing import report

TRAININGS, STEPS, EMPTY = 16, 60, 200


def train(seed: int) -> float:
    """The last loss of a small network that is trained from a start of its own."""
    import jax
    import optax

    from mdfit.objectives import ForceMatching
    from mdfit.potentials import PaiNN
    from mdfit.training import fit
    from ours_force_matching import dataset
    from workloads import TRAINING_SETS

    data = TRAINING_SETS["force_matching_molecules"]()
    frames = dataset(data)
    start = PaiNN(frames.species, data.cutoff, channels=32, layers=2, key=jax.random.key(seed))
    aim = ForceMatching(frames, energy=1.0, forces=10.0, batch_size=data.batch)
    found = fit(start, aim, optimizer=optax.adam(1e-3), steps=STEPS, seed=seed, show_progress=False)
    return float(found.history[-1]["loss"])


def nothing(seed: int) -> int:
    return seed


def seconds(workers: int, function, number: int) -> float:
    """The time of so many tasks on workers that have done one each before."""
    tasks = {str(seed): {"seed": seed} for seed in range(number)}
    with local_executor(workers, cores=workers) as executor:
        for warm in [executor.submit(function, number + worker) for worker in range(workers)]:
            warm.result()
        start = time.perf_counter()
        found = run_tasks(function, tasks, executor, show_progress=False)
        elapsed = time.perf_counter() - start
    assert len(found) == number
    return elapsed


def main(work: str) -> None:
    repeats = int(os.environ.get("BENCHMARK_REPEATS", "3"))
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
        one, two = ([seconds(workers, train, TRAININGS) for _ in range(repeats)] for workers in (1, 2))
    empty = [seconds(1, nothing, EMPTY) / EMPTY for _ in range(repeats)]

    def metric(values: list[float], unit: str) -> dict:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        error = 1.2533 * spread / len(values) ** 0.5
        return {"value": statistics.median(values), "standard_error": error, "unit": unit}

    metrics = {
        "one_worker_time": metric(one, "s"),
        "two_workers_time": metric(two, "s"),
        "speedup_of_two_workers": metric([a / b for a, b in zip(one, two, strict=True)], "1"),
        "overhead_per_task": metric([1e3 * value for value in empty], "ms"),
    }
    cores = len(os.sched_getaffinity(0))
    report(
        work, {}, metrics, version=importlib.metadata.version("mdfit"), trainings=TRAININGS, steps=STEPS, cores=cores
    )


if __name__ == "__main__":
    main(sys.argv[1])
