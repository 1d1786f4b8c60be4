"""How long updates and validations take, and how many epochs fit into a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import optax

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.models import Model
from mdfit.objectives import Objective
from mdfit.training.loop import _Run

#: Updates that take so many times as long as the median have compiled something.
_COMPILES = 3.0
_FEWEST_UPDATES = 8


class Pace(NamedTuple):
    """Seconds that the parts of a training take.

    Attributes:
        update: one of the parameters.
        validation: one.
        first: what is added once, for compilation.
        measuring: spent on finding this out.

    Example:
        >>> from mdfit.training import Pace
        >>> pace = Pace(update=0.1, validation=1.0, first=20.0, measuring=30.0)
        >>> pace.epochs_within(600.0, steps_per_epoch=50, validate_every=5)
        105
    """

    update: float
    validation: float
    first: float
    measuring: float

    def epochs_within(self, seconds: float, steps_per_epoch: int, validate_every: int = 1) -> int:
        """As many as fit into ``seconds``, from which the measurement is taken, too.

        Raises:
            TrainingError: when not even one does.
        """
        of_epoch = steps_per_epoch * self.update + self.validation / validate_every
        # One validation before the first update and one after the last.
        left = seconds - self.measuring - self.first - 2 * self.validation
        epochs = int(left / of_epoch)
        if epochs < 1:
            least = math.ceil(seconds - left + of_epoch) / 60
            raise TrainingError(
                f"{seconds / 60:.3g} minutes are too short for one epoch of this training; give at least {least:.3f}, or "
                "choose a smaller model."
            )
        return epochs


def measure_pace(
    model: Model,
    objective: Objective,
    *,
    optimizer: optax.GradientTransformation,
    validate_on: Dataset | Objective | None = None,
    average: float | None = None,
    most_seconds: float = 30.0,
) -> Pace:
    """Trains for a few updates, of which nothing is kept, and takes their time.

    For objectives whose updates all take the same time, such as :class:`mdfit.objectives.ForceMatching`: where only some
    of them simulate, their share changes along a training.

    Args:
        model: as for :func:`mdfit.fit`, like the other arguments.
        objective: what will be minimised.
        optimizer: of the same kind as that of the training; its schedule does not matter.
        validate_on: what will be validated on.
        average: decay of the moving average.
        most_seconds: of the measurement, which is shorter where an epoch is; compilation comes on top.

    Raises:
        TrainingError: when the first updates are not finite.
    """
    begin = time.perf_counter()
    run = _Run(model, objective, optimizer, validate_on, 1, average, None, None, 0)
    validations = [_seconds(run.judge_start), _seconds(lambda: run.close_epoch(last=True))] if run.validation else [0.0]
    updates: list[float] = []
    # Batches of other shapes are compiled anew, so that all shapes should have come once.
    while len(updates) < max(_FEWEST_UPDATES, min(2 * objective.steps_per_epoch, 1000)):
        updates.append(_seconds(run.advance))
        if len(updates) >= _FEWEST_UPDATES and _warm(updates).sum() > most_seconds:
            break
    warm = _warm(updates)
    compiling = sum(updates) - len(updates) * warm.mean() + max(validations[0] - validations[-1], 0.0)
    return Pace(float(warm.mean()), validations[-1], float(compiling), time.perf_counter() - begin)


def _warm(updates: list[float]) -> np.ndarray:
    """Those that did not compile."""
    seconds = np.array(updates)
    return seconds[seconds <= _COMPILES * np.median(seconds)]


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
