"""Errors on 3BPA after 3, 10 and 30 CPU minutes of training, by mdfit and by what a user may choose instead.

    python benchmarks/accuracy.py                        goes on where it was stopped; about ten hours on two cores
    python benchmarks/accuracy.py --only PaiNN MACE --budgets 3
    python benchmarks/accuracy.py --summary              results/accuracy_3bpa.json and the plot, from the runs so far

Every program learns from the same 450 configurations, validates on the same 50, and runs on one core of its own. Learning
rate, then batch size, are chosen by the errors of forces on the validation set after the shortest budget, over the same
values for all; test sets are looked at by the final runs only. The number of epochs follows from the CPU time of two short
trainings, so that start-up and compilation count. All runs are kept in results/accuracy_3bpa/runs.jsonl.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from peers.install import install
from run import ENVIRONMENT, HERE, RESULTS, Program, commit, machine, write_json

BUDGETS = (3, 10, 30)
SEEDS = (0, 1, 2)
SEARCH_SEED = 100
RATES = (5e-4, 1.5e-3, 5e-3, 1.5e-2)
BATCH_SIZES = (5, 2, 10)
TESTS = ("300K", "600K")
RECIPE = HERE.parent / "recipes" / "three_bpa" / "data"
RUNS = RESULTS / "accuracy_3bpa" / "runs.jsonl"

OURS = Program("ours", "ours_accuracy.py")
MODELS = {
    "PaiNN": OURS,
    "DimeNetPP": OURS,
    "ViSNet": Program("mlip", "peers/mlip_accuracy.py", "mlip"),
    "MACE": Program("mace", "peers/mace_accuracy.py", "mace"),
}


@dataclass(frozen=True)
class Training:
    """A training to be made: budgets in CPU minutes, or a number of epochs."""

    model: str
    batch_size: int
    learning_rate: float
    seed: int
    minutes: float | None = None
    epochs: int | None = None


class Runs:
    """What was run, kept in a file line by line."""

    def __init__(self, data: Path):
        self.data = data
        self._lock = threading.Lock()
        self._done: dict[Training, dict] = {}
        if RUNS.exists():
            for line in RUNS.read_text().splitlines():
                entry = json.loads(line)
                self._done[Training(**entry["training"])] = entry
        self._cores: queue.SimpleQueue[int] = queue.SimpleQueue()

    def of(self, model: str) -> list[dict]:
        return [entry for training, entry in self._done.items() if training.model == model]

    def all(self, trainings: list[Training], cores: list[int]) -> None:
        """Each on a core of its own; those that were made before are not made again."""
        for core in cores:
            self._cores.put(core)
        with ThreadPoolExecutor(len(cores)) as pool:
            list(pool.map(self._on_some_core, trainings))
        while not self._cores.empty():
            self._cores.get()

    def _on_some_core(self, training: Training) -> dict:
        core = self._cores.get()
        try:
            return self.run(training, core)
        finally:
            self._cores.put(core)

    def run(self, training: Training, core: int) -> dict:
        if training in self._done:
            return self._done[training]
        epochs = training.epochs or self._epochs(training, core)
        if epochs < 1:
            return self._keep(training, {"epochs": 0, "cpu_seconds": 0.0, "errors": {}})
        return self._keep(training, self._train(training, epochs, core))

    def _epochs(self, training: Training, core: int) -> int:
        """As many as fit into the budget, by two short trainings, whose time does not depend on the learning rate."""
        short = [
            self.run(Training(training.model, training.batch_size, RATES[0], SEARCH_SEED, epochs=n), core)
            for n in (1, 3)
        ]
        first, third = (one["cpu_seconds"] for one in short)
        each = max((third - first) / 2, 1e-3)
        return int((60 * training.minutes - (first - each)) / each)

    def _train(self, training: Training, epochs: int, core: int) -> dict:
        program = MODELS[training.model]
        python = str(install(program.peer)) if program.peer else sys.executable
        final = training.minutes is not None and training.seed != SEARCH_SEED
        sets = ("validation", *TESTS) if final else ("validation",)
        print(f"core {core}: {training}, {epochs} epochs", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as out:
            job = Path(out) / "job.json"
            content = {"data": str(self.data), "out": out, "epochs": epochs, "sets": sets}
            content |= {name: getattr(training, name) for name in ("model", "batch_size", "learning_rate", "seed")}
            job.write_text(json.dumps(content))
            environment = os.environ | ENVIRONMENT | dict(program.variables)
            done = subprocess.run(
                ["taskset", "-c", str(core), python, str(HERE / program.script), str(job)],
                env=environment,
                cwd=out,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(f"{training} failed:\n{done.stderr[-3000:]}")
            report = json.loads((Path(out) / "report.json").read_text())
            errors = {name: self._errors(name, Path(out)) for name in sets}
        return {"epochs": epochs, "errors": errors} | report

    def _errors(self, name: str, out: Path) -> dict[str, float]:
        """Root-mean-square errors of forces (meV/Å), and of energies (meV) after their mean error is taken away."""
        truth, found = np.load(self.data / f"{name}.npz"), np.load(out / f"{name}.npz")
        if found["forces"].shape != truth["forces"].shape:
            sys.exit(f"{name}: predictions of another shape than the labels")
        energies = found["energies"] - truth["energies"]
        forces = float(np.sqrt(np.mean((found["forces"] - truth["forces"]) ** 2)))
        return {"forces": 1e3 * forces, "energies": 1e3 * float(np.std(energies))}

    def _keep(self, training: Training, result: dict) -> dict:
        entry = {"training": asdict(training), **result}
        with self._lock:
            self._done[training] = entry
            RUNS.parent.mkdir(parents=True, exist_ok=True)
            with RUNS.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        return entry


def prepare(directory: Path) -> None:
    """Configurations as every program reads them, and their labels as arrays."""
    import ase.io

    learned = ase.io.read(RECIPE / "3bpa_train_300K.extxyz.gz", ":")
    order = np.random.default_rng(0).permutation(len(learned))
    sets = {"train": [learned[i] for i in order[50:]], "validation": [learned[i] for i in order[:50]]}
    sets["300K"] = ase.io.read(RECIPE / "3bpa_test_300K.extxyz.gz", ":")
    sets["600K"] = ase.io.read(RECIPE / "3bpa_test_600K_dev.extxyz.gz", ":")
    for name, frames in sets.items():
        energies, forces = [one.get_potential_energy() for one in frames], [one.get_forces() for one in frames]
        for frame, energy, force in zip(frames, energies, forces, strict=True):
            # Under names of its own, too, for programs that do not read those of ASE.
            frame.info["REF_energy"], frame.arrays["REF_forces"] = energy, force
        ase.io.write(directory / f"{name}.xyz", frames, format="extxyz")
        np.savez(directory / f"{name}.npz", energies=energies, forces=forces)


def search(runs: Runs, models: list[str], cores: list[int]) -> dict[str, tuple[int, float]]:
    """Batch size and learning rate of each model, by the validation set after the shortest budget."""

    def best(model: str) -> tuple[int, float]:
        tried = [
            entry
            for entry in runs.of(model)
            if entry["training"]["seed"] == SEARCH_SEED and entry["training"]["minutes"] is not None and entry["errors"]
        ]
        # A training that diverges has no number.
        one = min(tried, key=lambda entry: np.nan_to_num(entry["errors"]["validation"]["forces"], nan=np.inf))
        return one["training"]["batch_size"], one["training"]["learning_rate"]

    first, *others = BATCH_SIZES
    runs.all([Training(m, first, rate, SEARCH_SEED, BUDGETS[0]) for m in models for rate in RATES], cores)
    rates = {model: best(model)[1] for model in models}
    runs.all([Training(m, size, rates[m], SEARCH_SEED, BUDGETS[0]) for m in models for size in others], cores)
    return {model: best(model) for model in models}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS), choices=BUDGETS)
    parser.add_argument("--cores", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--summary", action="store_true", help="only sum up the runs so far")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        runs = Runs(Path(directory))
        if not arguments.summary:
            prepare(Path(directory))
            chosen = search(runs, arguments.only, arguments.cores)
            for minutes in arguments.budgets:
                trainings = [Training(m, *chosen[m], seed, minutes) for seed in SEEDS for m in arguments.only]
                runs.all(trainings, arguments.cores)
        summarise(runs)


def summarise(runs: Runs) -> None:
    """Mean and standard error over the seeds, as `results/accuracy_3bpa.json` and as a plot."""
    metrics, chosen = {}, {}
    for model in MODELS:
        final = [
            e for e in runs.of(model) if e["training"]["minutes"] and e["training"]["seed"] in SEEDS and e["errors"]
        ]
        for minutes in BUDGETS:
            mine = [entry for entry in final if entry["training"]["minutes"] == minutes]
            for name in TESTS if mine else ():
                for label, unit in (("forces", "meV/Å"), ("energies", "meV")):
                    values = np.array([entry["errors"][name][label] for entry in mine])
                    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
                    metric = f"accuracy_3bpa/{model}/{minutes}_minutes/{name}/{label}_rmse"
                    metrics[metric] = {"value": float(values.mean()), "standard_error": error, "unit": unit}
                    print(f"{metric:60s} {values.mean():8.1f} ± {error:.1f} {unit}", flush=True)
        if final:
            chosen[model] = {name: final[0]["training"][name] for name in ("batch_size", "learning_rate")}
            chosen[model] |= {name: final[0][name] for name in ("parameters", "versions")}
    write_json(RESULTS / "accuracy_3bpa.json", metrics)
    write_json(
        RESULTS / "provenance" / "accuracy_3bpa.json", {"commit": commit(), "machine": machine(), "models": chosen}
    )
    draw(metrics)


def draw(metrics: dict[str, dict]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(TESTS), figsize=(9, 3.6), layout="constrained")
    for axis, name in zip(axes, TESTS, strict=True):
        for model in MODELS:
            keys = {minutes: f"accuracy_3bpa/{model}/{minutes}_minutes/{name}/forces_rmse" for minutes in BUDGETS}
            found = {minutes: metrics[key] for minutes, key in keys.items() if key in metrics}
            values = [one["value"] for one in found.values()]
            errors = [one["standard_error"] for one in found.values()]
            axis.errorbar(list(found), values, yerr=errors, marker="o", capsize=3, label=model)
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="CPU minutes of training",
            ylabel="force RMSE (meV/Å)",
            title=f"3BPA, {name}",
        )
        axis.set_xticks(BUDGETS, [str(minutes) for minutes in BUDGETS])
    axes[0].legend()
    figure.savefig(HERE.parent / "docs" / "images" / "accuracy_3bpa.png", dpi=120)


if __name__ == "__main__":
    main()
