"""What a run has left on disk so far."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdfit.errors import CheckpointError, RecipeError
from mdfit.recipes.loading import LoadedRecipe, load_resolved
from mdfit.recipes.metrics import Metrics, read_metrics
from mdfit.recipes.stage_times import StageTimes
from mdfit.storage import read_json
from mdfit.training.accuracy import Accuracy

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TestErrors:
    """Labels and predictions of a test set, and for every group key the label of each structure."""

    accuracy: Accuracy
    groups: dict[str, np.ndarray]


@dataclass(frozen=True)
class RunFiles:
    """The parts of a run; those that do not exist yet are empty.

    Attributes:
        directory: of the run.
        loaded: the resolved recipe.
        metrics: by name; empty until the run is complete.
        history: one record per epoch of training.
        tests: errors by test set.
        simulations: arrays by simulation: times (fs), energies (eV/atom), temperature (K), pressure (GPa), RDF.
        properties: ``volumes`` (Å³/atom) and ``energies`` (eV/atom).
        times: wall and CPU time by stage.
        data_check: the text of the data check.
        environment: versions, hardware, date and git commit.
        training_status: as in the training's own record: running, finished, early stopping, interrupted, or "".
    """

    directory: Path
    loaded: LoadedRecipe
    metrics: Metrics
    history: list[dict[str, Any]]
    tests: dict[str, TestErrors]
    simulations: dict[str, Arrays]
    properties: Arrays
    times: StageTimes
    data_check: str
    environment: dict[str, Any]
    training_status: str

    @property
    def complete(self) -> bool:
        return bool(self.metrics)


def read_run(directory: str | Path) -> RunFiles:
    """Reads what there is of a run.

    Raises:
        RecipeError: when the directory holds no run.
        CheckpointError: when one of its files is damaged.
    """
    directory = Path(directory)
    loaded = _read_recipe(directory)
    recipe = loaded.recipe
    training = _read_json(directory / "fit" / "run.json")
    record = _read_json(directory / "run.json")
    metrics = directory / "metrics.json"
    check = directory / "data_check.txt"
    return RunFiles(
        directory=directory,
        loaded=loaded,
        metrics=read_metrics(metrics) if metrics.is_file() else {},
        history=_read_history(directory / "fit" / "log.jsonl"),
        tests=_read_tests(directory / "tests", recipe.data.test_names),
        simulations=_read_all(directory / "simulations", list(recipe.simulations)),
        properties=_read_arrays(directory / "properties.npz"),
        times=StageTimes.read(directory),
        data_check=check.read_text(encoding="utf-8") if check.is_file() else "",
        environment=record.get("environment") or training.get("environment") or {},
        training_status=training.get("status", ""),
    )


def _read_recipe(directory: Path) -> LoadedRecipe:
    try:
        return load_resolved(directory)
    except (ValueError, KeyError) as error:
        raise RecipeError(
            f"The recipe of the run in {directory} cannot be read ({type(error).__name__}): recipe.json is damaged or "
            "of another version of mdfit; run the recipe again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _read_history(path: Path) -> list[dict[str, Any]]:
    """The complete lines of the log; a run that is going on may be writing the last one."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged ({error}): restore a copy of it, or `mdfit resume` the run, which writes it again."
        ) from error


def _read_arrays(path: Path) -> Arrays:
    """The arrays of a file; none when it does not exist or a run that is going on is still writing it."""
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            return {name: file[name] for name in file.files}
    except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile):
        return {}


def _read_all(directory: Path, names: list[str]) -> dict[str, Arrays]:
    read = {name: _read_arrays(directory / f"{name}.npz") for name in names}
    return {name: arrays for name, arrays in read.items() if arrays}


def _read_tests(directory: Path, names: list[str]) -> dict[str, TestErrors]:
    tests = {}
    for name, arrays in _read_all(directory, names).items():
        groups = {key.removeprefix("group_"): labels for key, labels in arrays.items() if key.startswith("group_")}
        fields = {field.name for field in dataclasses.fields(Accuracy)} - {"frames"}
        known = {key: arrays[key] for key in fields}
        used = [known[key] for key in ("energy_frames", "force_frames", "stress_frames") if len(known[key])]
        frames = max((int(indices.max()) + 1 for indices in used), default=0)
        tests[name] = TestErrors(Accuracy(**known, frames=frames), groups)
    return tests
