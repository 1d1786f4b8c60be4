"""Time mdfit and its peers on the same work, on one core, and write `results/<work>.json`.

    python benchmarks/run.py                              everything
    python benchmarks/run.py --only 'lennard_jones*'      some works
    python benchmarks/run.py --programs chemtrain lammps  some programs; prints, writes nothing
    python benchmarks/run.py --device gpu                 mdfit and jax-md on a GPU: `results/<work>_gpu.json`

Every program runs in a process of its own, one after the other, pinned to one core (but for `farm`), in the same
environment variables.
A result is an object: metric name to {value, standard_error, unit}. How it was made (versions, machine, neighbours)
stands in `results/provenance/<work>.json`.
"""

import argparse
import datetime
import fnmatch
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from peers.install import install
from workloads import CHAINS, CRYSTALS, LIQUIDS, SPREADS, TRAINING_SETS, UPDATES

HERE = Path(__file__).parent
RESULTS = HERE / "results"
# Fewer page faults for every program that allocates large arrays; one thread on the one core.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_MMAP_MAX_": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(HERE),
}


@dataclass(frozen=True)
class Program:
    """A script that times one work and prints a line of JSON; `peer` names an environment of its own, or is None."""

    name: str
    script: str
    peer: str | None = None
    arguments: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    pinned: bool = True


# Each peer at its fastest: chemtrain's old jaxlib without its thunk runtime, jax-md with half lists, LAMMPS with OPT.
OLD_RUNTIME = (("XLA_FLAGS", "--xla_cpu_use_thunk_runtime=false"),)
OURS_TRAINING = Program("ours", "ours_force_matching.py")
OURS_DYNAMICS = Program("ours", "ours_dynamics.py")
CHEMTRAIN_TRAINING = Program("chemtrain", "peers/chemtrain_force_matching.py", "chemtrain", (), OLD_RUNTIME)
CHEMTRAIN_DYNAMICS = Program("chemtrain", "peers/chemtrain_dynamics.py", "chemtrain", (), OLD_RUNTIME)
CHEMTRAIN_UPDATES = Program("chemtrain", "peers/chemtrain_difftre.py", "chemtrain", ("1",), OLD_RUNTIME)
JAX_MD = Program("jax_md", "peers/jax_md_lennard_jones.py")
LAMMPS = Program("lammps", "peers/lammps_lennard_jones.py", "lammps")

WORKS: dict[str, tuple[Program, ...]] = {"startup": (Program("ours", "ours_startup.py"),)}
WORKS |= dict.fromkeys(TRAINING_SETS, (OURS_TRAINING, CHEMTRAIN_TRAINING))
WORKS |= dict.fromkeys(LIQUIDS, (OURS_DYNAMICS, JAX_MD, CHEMTRAIN_DYNAMICS, LAMMPS))
WORKS |= dict.fromkeys(CRYSTALS, (OURS_DYNAMICS,))
WORKS |= dict.fromkeys(("dimenet_md_64", "dimenet_md_512"), (OURS_DYNAMICS, CHEMTRAIN_DYNAMICS))

WORKS |= dict.fromkeys(UPDATES, (Program("ours", "ours_difftre.py"), CHEMTRAIN_UPDATES))
WORKS |= dict.fromkeys(
    CHAINS,
    (
        Program("ours", "ours_relative_entropy.py"),
        Program("chemtrain", "peers/chemtrain_relative_entropy.py", "chemtrain", (), OLD_RUNTIME),
    ),
)
WORKS["farm"] = (Program("ours", "ours_farm.py", pinned=False),)
WORKS |= dict.fromkeys(SPREADS, (Program("ours", "ours_last_layer.py"),))
WORKS["propagation"] = (Program("ours", "ours_propagation.py"),)
WORKS["difftre_memory"] = (Program("ours", "ours_difftre_memory.py"),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--programs", nargs="+", choices=["ours", "jax_md", "chemtrain", "lammps"])
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--core", type=int, default=0, help="the core that every program is pinned to")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a repeat")
    arguments = parser.parse_args()
    works = [work for work in WORKS if any(fnmatch.fnmatch(work, pattern) for pattern in arguments.only)]
    if not works:
        parser.error(f"no work matches {arguments.only}; there are {', '.join(WORKS)}")
    done: dict[str, dict] = {}
    for work in works:
        done[work] = run_work(work, arguments, done)


def run_work(work: str, arguments: argparse.Namespace, done: dict[str, dict]) -> dict[str, dict]:
    """Time every program on one work, print the metrics, and write them unless the run was partial.

    `done` holds the results of the works before, by work and program; returned are those of this one.
    """
    on_gpu = arguments.device == "gpu"
    programs = [
        program
        for program in WORKS[work]
        if (not arguments.programs or program.name in arguments.programs) and not (on_gpu and program.peer)
    ]
    results = {}
    for program in programs:
        print(f"{work}: {program.name} ...", file=sys.stderr, flush=True)
        results[program.name] = run_program(work, program, arguments)
    name = f"{work}_gpu" if on_gpu else work
    metrics = summarise(name, results) | growth(work, name, results, done)
    for metric, entry in metrics.items():
        print(f"{metric:55s} {entry['value']:12.5g} ± {entry['standard_error']:<10.2g} {entry['unit']}", flush=True)
    if not arguments.programs:
        write_json(RESULTS / f"{name}.json", metrics)
        write_json(RESULTS / "provenance" / f"{name}.json", provenance(results, arguments))
    return results


def run_program(work: str, program: Program, arguments: argparse.Namespace) -> dict:
    """The JSON that one program prints, with the peak of its resident memory in MiB."""
    python = str(install(program.peer)) if program.peer else sys.executable
    environment = os.environ | ENVIRONMENT | dict(program.variables)
    environment |= {"BENCHMARK_REPEATS": str(arguments.repeats), "BENCHMARK_SECONDS": str(arguments.seconds)}

    def pin() -> None:
        if arguments.device == "cpu" and program.pinned:
            os.sched_setaffinity(0, {arguments.core})

    command = [python, str(HERE / program.script), work, *program.arguments]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, preexec_fn=pin)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()[-3000:]}")
        result = json.loads(output.read().strip().splitlines()[-1])
    return result | {"peak_memory": usage.ru_maxrss / 1024}


def summarise(work: str, results: dict[str, dict]) -> dict[str, dict]:
    """Metrics of one work: speeds, compile times, memory, and the ratios of our speed to each peer's."""
    metrics: dict[str, dict] = {}

    def add(name: str, value: float, standard_error: float, unit: str) -> None:
        metrics[f"{work}/{name}"] = {"value": value, "standard_error": standard_error, "unit": unit}

    speeds = {}
    for program, result in results.items():
        prefix = "" if program == "ours" else f"{program}/"
        if "seconds_per_step" in result:
            speeds[program] = _median([1 / seconds for seconds in result["seconds_per_step"]])
            add(f"{prefix}steps_per_second", *speeds[program], "1/s")
            add(f"{prefix}compile_time", result["compile_seconds"], 0.0, "s")
        add(f"{prefix}peak_memory", result["peak_memory"], 0.0, "MiB")
        metrics |= {f"{work}/{prefix}{name}": entry for name, entry in result["metrics"].items()}
    if "ours" in speeds:
        ours, our_error = speeds["ours"]
        for peer, (speed, error) in speeds.items():
            if peer != "ours":
                ratio = ours / speed
                add(f"ratio_to_{peer}", ratio, ratio * math.hypot(our_error / ours, error / speed), "1")
    for peer in results.keys() - {"ours"}:
        for name in results[peer]["metrics"].keys() & results.get("ours", {"metrics": {}})["metrics"].keys():
            if name.endswith("_time"):
                theirs, ours_ = (results[program]["metrics"][name] for program in (peer, "ours"))
                ratio = theirs["value"] / ours_["value"]
                error = math.hypot(*(entry["standard_error"] / entry["value"] for entry in (theirs, ours_)))
                add(f"{name}/ratio_to_{peer}", ratio, ratio * error, "1")
    return metrics


def growth(work: str, name: str, results: dict[str, dict], done: dict[str, dict]) -> dict[str, dict]:
    """How the time per atom and step of a large system compares with that of 512 atoms in the same run."""
    family, _, atoms = work.rpartition("_")
    reference = done.get(f"{family}_512", {}).get("ours")
    if reference is None or "ours" not in results:
        return {}
    time, error = _median([seconds / int(atoms) for seconds in results["ours"]["seconds_per_step"]])
    before, before_error = _median([seconds / 512 for seconds in reference["seconds_per_step"]])
    value = time / before
    entry = {"value": value, "standard_error": value * math.hypot(error / time, before_error / before), "unit": "1"}
    return {f"{name}/time_per_atom_relative_to_512": entry}


def _median(values: list[float]) -> tuple[float, float]:
    """Median and its standard error, which for normal scatter is 1.253 times that of the mean."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.median(values), 1.2533 * spread / math.sqrt(len(values))


def provenance(results: dict[str, dict], arguments: argparse.Namespace) -> dict:
    """What was run, where and when."""
    return {
        "command": ["python", "benchmarks/run.py", *sys.argv[1:]],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "pinned_to_core": arguments.core if arguments.device == "cpu" else None,
        "environment": {key: value for key, value in ENVIRONMENT.items() if key != "PYTHONPATH"},
        "programs": {
            name: {key: value for key, value in result.items() if key != "metrics"} for name, result in results.items()
        },
    }


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()


def machine() -> dict:
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
