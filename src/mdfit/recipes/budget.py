"""Epochs of a recipe that gives a time instead: found once, and kept with the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mdfit.recipes.schema import Training
from mdfit.storage import Document, read_json, write_json
from mdfit.training import Pace

_BUDGET = "budget.json"


class BudgetDocument(Document):
    """``budget.json``: the epochs that fit, and the times in seconds that say so."""

    epochs: int
    seconds_per_update: float
    seconds_per_validation: float


def planned_epochs(run: Path, training: Training) -> int | None:
    """Those of the recipe, or those that were found to fit into its time; None before they are found.

    Raises:
        CheckpointError: when the record is damaged.
    """
    if training.minutes is None:
        return training.epochs
    path = run / _BUDGET
    return read_json(path, BudgetDocument).epochs if path.exists() else None


def plan_epochs(run: Path, training: Training, steps_per_epoch: int, measure: Callable[[], Pace]) -> int:
    """The same, measured when it is not known yet.

    Raises:
        TrainingError: when the time is too short for an epoch.
    """
    known = planned_epochs(run, training)
    if known is not None:
        return known
    assert training.minutes is not None
    pace = measure()
    epochs = pace.epochs_within(60 * training.minutes, steps_per_epoch, training.validate_every)
    document = BudgetDocument(epochs=epochs, seconds_per_update=pace.update, seconds_per_validation=pace.validation)
    write_json(run / _BUDGET, document.model_dump())
    return epochs
