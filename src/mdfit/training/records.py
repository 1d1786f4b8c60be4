"""What a training run leaves on disk: checkpoints, a log, the fitted potentials, and how it was made."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mdfit.errors import CheckpointError, OutputError
from mdfit.objectives import Evaluation
from mdfit.potentials import Potential
from mdfit.provenance import environment
from mdfit.storage import fill_tree, read_header, write_text, write_tree
from mdfit.training.state import FitState


@dataclass
class EpochMeans:
    """Means of the loss and of the metrics since the last record, each over the updates that gave it."""

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, evaluation: Evaluation) -> None:
        for name, value in {"loss": evaluation.loss, **evaluation.metrics}.items():
            # Root-mean-square errors are averaged as squares.
            term = float(value) ** 2 if name.endswith("_rmse") else float(value)
            self.sums[name] = self.sums.get(name, 0.0) + term
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        return {name: math.sqrt(v) if name.endswith("_rmse") else v for name, v in means.items()}


@dataclass
class Progress:
    """Where a run stands: all that a checkpoint holds."""

    state: FitState
    means: EpochMeans
    history: list[dict[str, Any]]


#: In the directory of a run.
_CHECKPOINT = "checkpoint.safetensors"


def has_checkpoint(directory: str | Path) -> bool:
    """Whether a training in this directory can be resumed, for ``fit(..., out=directory, resume=...)``."""
    return (Path(directory) / _CHECKPOINT).exists()


class Records:
    """The directory of a run.

    ``checkpoint.safetensors`` (to resume), ``log.jsonl`` (one record per epoch), ``run.json`` (configuration, seeds,
    versions, hardware), ``best.mdfit`` and ``last.mdfit`` (potentials).

    Args:
        directory: made when missing.
        configuration: written to ``run.json``.
        checkpoint_seconds: wall time between checkpoints within an epoch.
    """

    def __init__(self, directory: str | Path, configuration: dict[str, Any] | None, checkpoint_seconds: float):
        self.directory = Path(directory)
        self.configuration = configuration or {}
        self.checkpoint_seconds = checkpoint_seconds
        self._started = self._last_checkpoint = time.monotonic()
        self._cpu_started = time.process_time()

    def start(self, fresh: Progress, resume: bool) -> Progress:
        """The progress to begin with: ``fresh``, or that of the checkpoint when resuming.

        Raises:
            CheckpointError: when there is nothing to resume, or something that a fresh start would overwrite.
        """
        path = self.directory / _CHECKPOINT
        if not resume:
            if path.exists():
                raise CheckpointError(
                    f"{self.directory} already holds a run; resume it, or choose another directory, or delete it."
                )
            self._write_run("running")
            self._log.unlink(missing_ok=True)
            return fresh
        header, arrays = read_header(path, CheckpointError)
        state = fill_tree(fresh.state, arrays, path, CheckpointError)
        progress = Progress(state, EpochMeans(**header["means"]), header["history"])
        write_text(self._log, "".join(json.dumps(record) + "\n" for record in progress.history))
        self._write_run("running")
        return progress

    @property
    def _log(self) -> Path:
        return self.directory / "log.jsonl"

    def checkpoint(self, progress: Progress) -> None:
        header = {
            "format": "mdfit checkpoint",
            "means": {"counts": progress.means.counts, "sums": progress.means.sums},
            "history": progress.history,
        }
        write_tree(self.directory / _CHECKPOINT, progress.state, header)
        self._last_checkpoint = time.monotonic()

    def checkpoint_when_due(self, progress: Progress) -> None:
        if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
            self.checkpoint(progress)

    def epoch(self, record: dict[str, Any], progress: Progress) -> None:
        """Logs the end of an epoch and writes a checkpoint."""
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
        except OSError as error:
            raise OutputError(
                f"Could not write {self._log}: {error.strerror}; the checkpoint before is intact. Free some space, then "
                "resume."
            ) from error
        self.checkpoint(progress)

    def finish(self, progress: Progress, stopped: str) -> None:
        self.checkpoint(progress)
        self._write_run(stopped)

    def save_potentials(self, best: Potential, last: Potential, step: int) -> None:
        origin = {"step": step, "run": str(self.directory), "configuration": self.configuration}
        best.save(self.directory / "best.mdfit", origin)
        last.save(self.directory / "last.mdfit", origin)

    def _write_run(self, status: str) -> None:
        document = {
            "status": status,
            "seconds": round(time.monotonic() - self._started, 3),
            "cpu_seconds": round(time.process_time() - self._cpu_started, 3),
            "configuration": self.configuration,
            "environment": environment(),
        }
        write_text(self.directory / "run.json", json.dumps(document, indent=2, default=str) + "\n")
