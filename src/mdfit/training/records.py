"""What a training run leaves on disk: checkpoints, a log, the fitted potentials, and how it was made."""

from __future__ import annotations

import json
import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
from pydantic import ConfigDict, Field, model_validator

from mdfit.errors import CheckpointError, OutputError
from mdfit.models import Model
from mdfit.objectives import Evaluation, Step
from mdfit.provenance import EnvironmentDocument, environment
from mdfit.storage import (
    Document,
    Number,
    Seconds,
    checked,
    fill_tree,
    only_writer,
    read_header,
    read_json,
    remedy,
    remove_leftovers,
    write_text,
    write_tree,
)
from mdfit.training.identity import Identity
from mdfit.training.state import FitState


@dataclass
class EpochMeans:
    """Means of the loss and of the metrics since the last record, each over the updates that gave a number for it."""

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, evaluation: Evaluation | Step) -> None:
        for name, value in {"loss": evaluation.loss, **evaluation.metrics}.items():
            # Root-mean-square errors are averaged as squares; a batch without the label has none.
            is_error = name.endswith("_rmse")
            term = float(value) ** 2 if is_error else float(value)
            if is_error and math.isnan(term):
                continue
            self.sums[name] = self.sums.get(name, 0.0) + term
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        return {name: math.sqrt(v) if name.endswith("_rmse") else v for name, v in means.items()}


class Spent(NamedTuple):
    """Time that a training has taken, over all its sessions.

    Attributes:
        seconds: of the clock.
        cpu_seconds: of all threads of the process.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class TrainingProgress:
    """Where a run stands: all that a checkpoint holds.

    Attributes:
        state: parameters, optimiser, objective.
        means: since the last record.
        history: one record per epoch.
        before: record of the validation before the first update; empty without one.
        marks: of ``before``, where there is one, and of the history: Unix time, and what was spent up to it.
        spent: up to the checkpoint that this was read from.
        stopped: ``"finished"`` or ``"early stopping"``; None before.
    """

    state: FitState
    means: EpochMeans
    history: list[dict[str, Any]]
    before: dict[str, Any] = field(default_factory=dict)
    marks: list[list[float]] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    stopped: str | None = None

    def log(self) -> str:
        """All lines of the log."""
        records = [self.before] * bool(self.before) + self.history
        # Checkpoints of earlier versions have no marks.
        marks = [None] * (len(records) - len(self.marks)) + self.marks
        return "".join(map(_line, records, marks))


#: What a line of the log says of times: when it was written, in seconds since 1970, and what was spent up to it.
MARKS = ("time", "seconds", "cpu_seconds")


def _line(record: dict[str, Any], mark: list[float] | None) -> str:
    return json.dumps(record | dict(zip(MARKS, mark or (), strict=False))) + "\n"


#: In the directory of a run.
_CHECKPOINT = "checkpoint.safetensors"
_OTHERS = ("log.jsonl", "run.json", "best.mdfit", "last.mdfit")
#: Of checkpoints; those of version 1 do not tell what they belong to.
FORMAT_VERSION = 2


class MeansDocument(Document):
    """:class:`EpochMeans` in a checkpoint."""

    model_config = ConfigDict(allow_inf_nan=True)

    counts: dict[str, Annotated[int, Field(ge=1)]]
    sums: dict[str, float]

    @model_validator(mode="after")
    def _of_squares(self) -> MeansDocument:
        if self.counts.keys() != self.sums.keys():
            raise ValueError("there are sums without numbers of terms, or the other way round")
        if any(total < 0 for name, total in self.sums.items() if name.endswith("_rmse")):
            raise ValueError("a sum of squares is negative")
        return self


class CheckpointHeader(Document):
    """What a checkpoint says beside its arrays."""

    model_config = ConfigDict(allow_inf_nan=True)

    format: Literal["mdfit checkpoint"]
    format_version: int = 1
    means: MeansDocument
    history: list[dict[str, Number]]
    before: dict[str, Number] = Field(default_factory=dict)
    marks: list[Annotated[list[Seconds], Field(min_length=3, max_length=3)]] = Field(default_factory=list)
    spent: Annotated[list[Seconds], Field(min_length=2, max_length=2)] = Field(default_factory=lambda: [0.0, 0.0])
    identity: Identity | None = None
    stopped: Literal["finished", "early stopping"] | None = None

    @property
    def steps(self) -> int:
        """Updates: those up to the last record, and those that it has been followed by."""
        recorded = self.history[-1].get("step", -1) if self.history else 0
        return int(recorded) + self.means.counts.get("loss", 0)


class RunDocument(Document):
    """``run.json`` of a training."""

    status: Literal["running", "finished", "early stopping", "interrupted", "failed"]
    seconds: float | None = None
    cpu_seconds: float | None = None
    configuration: dict[str, Any] = Field(default_factory=dict)
    environment: EnvironmentDocument = Field(default_factory=dict)


def _impossible(state: FitState, known: CheckpointHeader) -> str:
    """What no training leaves in a checkpoint; empty when there is nothing."""
    for name in ("parameters", "average", "best", "before"):
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(getattr(state, name))]
        if not all(np.isfinite(leaf).all() for leaf in leaves if leaf.dtype.kind == "f"):
            return f"{name} are not finite"
    if any(np.isnan(loss).any() for loss in (state.best_loss, state.lowest, state.smoothed)):
        return "a loss is no number"
    if int(state.step) != known.steps or int(state.step) < 0:
        return f"{int(state.step)} updates, but records of {known.steps}"
    return "" if int(state.stale) >= 0 else "a negative number of validations"


def has_checkpoint(directory: str | Path) -> bool:
    """Whether a training in this directory can be resumed, for ``fit(..., out=directory, resume=...)``."""
    return (Path(directory) / _CHECKPOINT).exists()


class Records:
    """The directory of a run.

    ``checkpoint.safetensors`` (to resume), ``log.jsonl`` (one record per epoch), ``run.json`` (configuration,
    versions, hardware, times), ``best.mdfit`` and ``last.mdfit`` (models).

    Args:
        directory: made when missing.
        identity: of the run; another one is not taken up.
        configuration: written to ``run.json``.
        checkpoint_seconds: wall time between checkpoints within an epoch.
    """

    def __init__(
        self,
        directory: str | Path,
        identity: Identity,
        configuration: dict[str, Any] | None,
        checkpoint_seconds: float,
    ):
        self.directory, self.identity = Path(directory), identity
        self.configuration = configuration or {}
        self.checkpoint_seconds = checkpoint_seconds
        self._started = Spent(time.monotonic(), time.process_time())
        self._last_checkpoint = time.monotonic()

    def writing(self) -> AbstractContextManager[None]:
        """Holds the lock of the directory; see :func:`mdfit.storage.only_writer`."""
        return only_writer(self.directory / ".training.lock", self.directory)

    def start(self, fresh: TrainingProgress, resume: bool | Literal["auto"]) -> TrainingProgress:
        """The progress to begin with: ``fresh``, or that of the checkpoint when resuming.

        Raises:
            CheckpointError: when there is nothing to resume, it belongs to another run, or a fresh start would overwrite
                it.
            OutputError: when a fresh start would overwrite other files.
        """
        remove_leftovers(self.directory)
        if resume is True or (resume == "auto" and has_checkpoint(self.directory)):
            return self._resumed(fresh)
        if has_checkpoint(self.directory):
            raise CheckpointError(
                f"{self.directory} already holds a run; resume it, or choose another directory, or delete it."
            )
        for name in _OTHERS:
            if (self.directory / name).exists():
                raise OutputError(
                    f"{self.directory / name} is there already; choose another directory. If it is of a training whose "
                    "checkpoint is lost, delete it to train again from the start."
                )
        return fresh

    def _resumed(self, fresh: TrainingProgress) -> TrainingProgress:
        path = self.directory / _CHECKPOINT
        header, arrays = read_header(path, CheckpointError, FORMAT_VERSION)
        if header.get("format") != "mdfit checkpoint":
            raise CheckpointError(f"{path} is not a checkpoint of mdfit; train again in another directory.")
        known = checked(header, CheckpointHeader, path)
        if known.identity is None:
            raise CheckpointError(
                f"{path} was written by an earlier version of mdfit, which did not note its data and settings, so that a "
                "change would not be seen; train again in another directory."
            )
        different = self.identity.differences(known.identity)
        if different:
            raise CheckpointError(
                f"{self.directory} was trained with {', '.join(different)}; resume it as it was begun, or train in another "
                "directory."
            )
        state = fill_tree(fresh.state, arrays, path, CheckpointError)
        if problem := _impossible(state, known):
            raise CheckpointError(f"{path} is damaged ({problem}): use an earlier copy.")
        if (self.directory / "run.json").exists():
            read_json(self.directory / "run.json", RunDocument)
        progress = TrainingProgress(
            state,
            EpochMeans(known.means.counts, known.means.sums),
            known.history,
            known.before,
            known.marks,
            Spent(*known.spent),
            known.stopped,
        )
        write_text(self._log, progress.log())
        return progress

    @property
    def complete(self) -> bool:
        """Whether all files of a finished training are there."""
        return all((self.directory / name).exists() for name in _OTHERS)

    def begin(self, progress: TrainingProgress) -> None:
        """Notes that the training is going on; from here on it can be resumed."""
        progress.stopped = None
        self.checkpoint(progress)
        self._write_run("running", progress)

    @property
    def _log(self) -> Path:
        return self.directory / "log.jsonl"

    def checkpoint(self, progress: TrainingProgress) -> None:
        """Writes all that the run needs to go on."""
        header = {
            "format": "mdfit checkpoint",
            "format_version": FORMAT_VERSION,
            "means": {"counts": progress.means.counts, "sums": progress.means.sums},
            "history": progress.history,
            "before": progress.before,
            "marks": progress.marks,
            "spent": self._spent(progress),
            "identity": self.identity.model_dump(),
            "stopped": progress.stopped,
        }
        write_tree(self.directory / _CHECKPOINT, progress.state, header)
        self._last_checkpoint = time.monotonic()

    def checkpoint_when_due(self, progress: TrainingProgress) -> None:
        if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
            self.checkpoint(progress)

    def _spent(self, progress: TrainingProgress) -> Spent:
        seconds, cpu_seconds = time.monotonic() - self._started.seconds, time.process_time() - self._started.cpu_seconds
        before = progress.spent
        return Spent(round(before.seconds + seconds, 3), round(before.cpu_seconds + cpu_seconds, 3))

    def note(self, record: dict[str, Any], progress: TrainingProgress) -> None:
        """Logs the record of an epoch, or of the validation before the first, and writes a checkpoint."""
        mark = [round(time.time(), 3), *self._spent(progress)]
        progress.marks.append(mark)
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(_line(record, mark))
        except OSError as error:
            raise OutputError(
                f"Could not write {self._log}: {error.strerror}; the checkpoint before is intact. To go on, "
                f"{remedy(error)}, then resume."
            ) from error
        self.checkpoint(progress)

    def finish(self, progress: TrainingProgress, stopped: str) -> None:
        """Notes how the training ended; one that was interrupted, or failed, can still go on."""
        progress.stopped = None if stopped in ("interrupted", "failed") else stopped
        self.checkpoint(progress)
        self._write_run(stopped, progress)

    def save_models(self, best: Model, last: Model, step: int) -> None:
        origin = {"step": step, "run": str(self.directory), "configuration": self.configuration}
        best.save(self.directory / "best.mdfit", origin)
        last.save(self.directory / "last.mdfit", origin)

    def _write_run(self, status: str, progress: TrainingProgress) -> None:
        document = {
            "status": status,
            **self._spent(progress)._asdict(),
            "configuration": self.configuration,
            "environment": environment(),
        }
        write_text(self.directory / "run.json", json.dumps(document, indent=2, default=str) + "\n")
