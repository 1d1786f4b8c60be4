"""What a run of a recipe that is a program has left so far: its artefacts, and nothing of the program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdfit.errors import RecipeError
from mdfit.models.files import provenance as read_potential_header
from mdfit.provenance import EnvironmentDocument
from mdfit.recipes.figures import FOLDER, Figure, read_figure
from mdfit.recipes.metrics import Metrics, metrics_of, read_metrics
from mdfit.recipes.request import read_stage
from mdfit.recipes.run_directory import REQUEST, RESOLVED
from mdfit.recipes.script import RequestDocument, read_request
from mdfit.recipes.stage_times import StageTimes
from mdfit.report.results import PROVENANCE
from mdfit.report.run_files import read_history
from mdfit.storage import read_json
from mdfit.training.records import RunDocument

#: In bytes; larger pictures are left out of the page that would hold them.
LARGEST_PICTURE = 2**24


@dataclass(frozen=True)
class Training:
    """One training of a run: why it ended, or that it is running, and a record for each epoch."""

    status: str
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class ScriptFiles:
    """The artefacts of a run, or of its committed results; those that do not exist yet are empty.

    Attributes:
        directory: of the run.
        request: what was asked; None for committed results, which do not tell.
        complete: whether the metrics are those of the whole run.
        metrics: by name; those of the finished stages while the run is not complete.
        figures: by name.
        pictures: PNG files, by name, that are no drawings of these figures.
        trainings: by the name of their stage.
        models: headers of the saved potentials by name.
        times: wall and CPU time by stage.
        record: title, command, seeds, versions and hardware; empty while the run is not complete.
    """

    directory: Path
    request: RequestDocument | None
    complete: bool
    metrics: Metrics
    figures: dict[str, Figure]
    pictures: dict[str, Path]
    trainings: dict[str, Training]
    models: dict[str, dict[str, Any]]
    times: StageTimes
    record: dict[str, Any]


def is_script_run(directory: str | Path) -> bool:
    """Whether a directory holds a run of a recipe in Python, or the committed results of any recipe."""
    directory = Path(directory)
    results = (directory / PROVENANCE).is_file() and not (directory / RESOLVED).exists()
    return (directory / REQUEST).exists() or results


def read_script_run(directory: str | Path) -> ScriptFiles:
    """Reads what there is of a run.

    Raises:
        RecipeError: when the directory holds no run.
        CheckpointError: when one of its files is damaged.
        ModelFileError: when a potential is damaged.
    """
    directory = Path(directory)
    if not is_script_run(directory):
        raise RecipeError(f"{directory} is not the directory of a run: it has no {REQUEST}; check the path.")
    metrics, record = directory / "metrics.json", directory / PROVENANCE
    figures = {path.stem: read_figure(path) for path in _own(directory / FOLDER, "*.json")}
    request = read_request(directory) if (directory / REQUEST).exists() else None
    kept: dict[str, Any] = read_json(record, EnvironmentDocument) if record.is_file() else {}
    return ScriptFiles(
        directory=directory,
        request=request,
        complete=metrics.is_file(),
        metrics=read_metrics(metrics) if metrics.is_file() else _of_stages(directory),
        figures=figures,
        pictures={path.stem: path for path in _own(directory, "*.png", LARGEST_PICTURE) if path.stem not in figures},
        trainings={path.parent.name: _training(path) for path in _own(directory, "*/run.json")},
        models={path.stem: read_potential_header(path) for path in _own(directory, "*.mdfit")},
        times=_times(directory, kept),
        record=kept,
    )


def _own(folder: Path, pattern: str, largest: float = math.inf) -> Iterator[Path]:
    """Files of at most so many bytes, but no links, which could lead to what nobody wants to show."""
    files = (path for path in sorted(folder.glob(pattern)) if path.is_file() and not path.is_symlink())
    yield from (path for path in files if path.stat().st_size <= largest)


def _of_stages(directory: Path) -> Metrics:
    metrics: Metrics = {}
    for path in _own(directory / "stages", "*.json"):
        metrics |= {f"{path.stem}: {name}": metric for name, metric in metrics_of(read_stage(path).metrics).items()}
    return metrics


def _training(record: Path) -> Training:
    document: RunDocument = read_json(record, RunDocument)
    return Training(document.status, read_history(record.parent / "log.jsonl"))


def _times(directory: Path, record: dict[str, Any]) -> StageTimes:
    times = StageTimes.read(directory)
    known = record.get("seconds", {})
    return times if times.wall else StageTimes.of(known, directory / PROVENANCE)
