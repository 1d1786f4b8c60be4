"""What a run has left on disk so far."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mdfit.errors import CheckpointError
from mdfit.objectives.accuracy import Accuracy
from mdfit.provenance import EnvironmentDocument
from mdfit.recipes.arrays import DELETE, Layout, load_arrays
from mdfit.recipes.budget import planned_epochs
from mdfit.recipes.loading import LoadedRecipe, load_resolved
from mdfit.recipes.metrics import Metrics, read_metrics
from mdfit.recipes.stage_times import StageTimes
from mdfit.storage import LARGEST_LOG, Document, Number, checked, parse_json, read_json, read_text
from mdfit.training.records import RunDocument
from mdfit.uncertainty import LabelSpread

Arrays = dict[str, np.ndarray]

_LOG_MADE_AGAIN = "restore a copy of it, or `mdfit resume` the run, which writes it again."
# Larger numbers no plot can show.
_FINITE, _INDICES = (-1e30, 1e30), (0, 1e7)
_PROPERTIES = {
    name: Layout(("points",), required=False, group="curve", bounds=_FINITE) for name in ("volumes", "energies")
}
_SIMULATION = {
    "times": Layout(("frames",), bounds=_FINITE, increasing=True),
    **{
        name: Layout(("replicas", "frames"), bounds=_FINITE)
        for name in ("potential_energy", "total_energy", "temperature")
    },
    "pressure": Layout(("replicas", "frames"), required=False, bounds=_FINITE),
    "rdf_r": Layout(("distances",), required=False, group="rdf", bounds=_FINITE),
    **{name: Layout(("distances",), required=False, group="rdf") for name in ("rdf", "rdf_error")},
    "rdf_potential_error": Layout(("distances",), required=False),
}
_TEST = {
    "energy": Layout(("energies", 2), may_be_empty=True, bounds=_FINITE),
    "forces": Layout(("forces", 2), may_be_empty=True, bounds=_FINITE),
    "stress": Layout(("stresses", 2), may_be_empty=True, bounds=_FINITE),
    "force_species": Layout(("forces",), "iu", may_be_empty=True, bounds=(1, 118)),
    "energy_frames": Layout(("energies",), "iu", may_be_empty=True, bounds=_INDICES),
    "force_frames": Layout(("forces",), "iu", may_be_empty=True, bounds=_INDICES),
    "stress_frames": Layout(("stresses",), "iu", may_be_empty=True, bounds=_INDICES),
    # NaN where a potential cannot tell.
    "energy_spread": Layout(("energies",), required=False, group="spread", may_be_empty=True),
    "forces_spread": Layout(("forces",), required=False, group="spread", may_be_empty=True),
    "stress_spread": Layout(("stresses",), required=False, group="spread", may_be_empty=True),
    "group_*": Layout(("structures",), "U"),
}


class RunRecord(Document):
    """``run.json`` of a recipe."""

    seconds: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    environment: EnvironmentDocument = Field(default_factory=dict)


@dataclass(frozen=True)
class TestErrors:
    """Labels and predictions of a test set, for every group key the label of each structure, and what an uncertain
    potential predicted of its errors.
    """

    accuracy: Accuracy
    groups: dict[str, np.ndarray]
    spread: LabelSpread | None = None


@dataclass(frozen=True)
class RunFiles:
    """The parts of a run; those that do not exist yet are empty.

    Attributes:
        directory: of the run.
        loaded: the resolved recipe.
        metrics: by name; empty until the run is complete.
        history: the log of the training: one record per epoch, and one of the validation before the first.
        epochs: that the training will have; None while a recipe that gives a time has not measured them.
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
    epochs: int | None
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
    loaded = load_resolved(directory)
    recipe = loaded.recipe
    training, record = directory / "fit" / "run.json", directory / "run.json"
    fit: RunDocument | None = read_json(training, RunDocument) if training.is_file() else None
    whole: RunRecord | None = read_json(record, RunRecord) if record.is_file() else None
    metrics = directory / "metrics.json"
    check = directory / "data_check.txt"
    return RunFiles(
        directory=directory,
        loaded=loaded,
        metrics=read_metrics(metrics) if metrics.is_file() else {},
        history=read_history(directory / "fit" / "log.jsonl"),
        epochs=planned_epochs(directory, recipe.training),
        tests=_read_tests(directory / "tests", recipe.data.test_names),
        simulations=_read_all(directory / "simulations", list(recipe.simulations), _SIMULATION),
        properties=_read_arrays(directory / "properties.npz", _PROPERTIES),
        times=StageTimes.read(directory),
        data_check=read_text(check, errors="replace") if check.is_file() else "",
        environment=next((one.environment for one in (whole, fit) if one is not None and one.environment), {}),
        training_status="" if fit is None else fit.status,
    )


def read_history(path: Path) -> list[dict[str, Any]]:
    """The complete lines of the log; a run that is going on may be writing the last one."""
    if not path.is_file():
        return []
    try:
        lines = read_text(path, LARGEST_LOG).split("\n")[:-1]
        records = [parse_json(line) for line in lines if line.strip()]
        return checked(records, list[dict[str, Number]], path, remedy=_LOG_MADE_AGAIN)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}): {_LOG_MADE_AGAIN}") from error


def _read_arrays(path: Path, layouts: dict[str, Layout]) -> Arrays:
    """The arrays of a file; none when it does not exist yet."""
    return load_arrays(path, layouts) if path.is_file() else {}


def _read_all(directory: Path, names: list[str], layouts: dict[str, Layout]) -> dict[str, Arrays]:
    read = {name: _read_arrays(directory / f"{name}.npz", layouts) for name in names}
    return {name: arrays for name, arrays in read.items() if arrays}


def _read_tests(directory: Path, names: list[str]) -> dict[str, TestErrors]:
    tests = {}
    for name, arrays in _read_all(directory, names, _TEST).items():
        groups = {key.removeprefix("group_"): labels for key, labels in arrays.items() if key.startswith("group_")}
        fields = {field.name for field in dataclasses.fields(Accuracy)} - {"frames"}
        known = {key: arrays[key] for key in fields}
        used = [known[key] for key in ("energy_frames", "force_frames", "stress_frames") if len(known[key])]
        frames = max((int(indices.max()) + 1 for indices in used), default=0)
        if any(len(labels) < frames for labels in groups.values()):
            path = directory / f"{name}.npz"
            raise CheckpointError(f"{path} is damaged (it has labels for too few frames): {DELETE}")
        errors = Accuracy(**known, frames=frames)
        spreads = [arrays[f"{kind}_spread"] for kind in ("energy", "forces", "stress") if f"{kind}_spread" in arrays]
        tests[name] = TestErrors(errors, groups, LabelSpread(errors, *spreads) if spreads else None)
    return tests
