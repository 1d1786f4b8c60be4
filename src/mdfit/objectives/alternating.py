"""Objectives that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.models import Parameters
from mdfit.objectives.base import Evaluation, Metrics, Objective, Step, child_seed, refuse_step


class OfTurn(eqx.Module):
    """What the objective drew whose turn it is."""

    turn: int = eqx.field(static=True)
    batch: Any


class Alternating(Objective):
    """Some updates with one objective, some with the next, and so on, again and again.

    ``Alternating([(1, DiffTRe(...)), (20, ForceMatching(...))])`` learns from labels in 20 of 21 updates, at a small
    part of the cost of a trajectory for each. All share the optimiser, so that they should be weighted to similar sizes
    of the gradient where its memory is long.

    Args:
        turns: updates and objective of each turn.

    Raises:
        TrainingError: without turns, for a turn of less than one update, or when some objectives give steps and others
            gradients.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import Alternating, ForceMatching
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 3.8]], species=18)
        >>> data = Dataset([LabelledStructure(dimer, energy=-0.01, forces=[[0, 0, 0], [0, 0, 0]])])
        >>> turns = Alternating([(1, ForceMatching(data, energy=1.0, forces=0.0)), (20, ForceMatching(data))])
        >>> turns.steps_per_epoch, turns.takes_steps
        (21, False)
    """

    def __init__(self, turns: Sequence[tuple[int, Objective]]):
        if not turns or any(number < 1 for number, _ in turns):
            raise TrainingError("Alternating needs turns of at least one update, like [(1, first), (20, second)].")
        self._objectives = tuple(objective for _, objective in turns)
        steps = [objective.takes_steps for objective in self._objectives]
        if any(steps) and not all(steps):
            raise refuse_step(type(self._objectives[steps.index(True)]).__name__)
        self.takes_steps = all(steps)
        self.validates = all(objective.validates for objective in self._objectives)
        self._ends = np.cumsum([number for number, _ in turns])
        # A record and a checkpoint after each round.
        self.steps_per_epoch = int(self._ends[-1])

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[Any, ...]:
        """The number of evaluations, then the state of each objective."""
        states = (o.initial_state(child_seed(seed, index), parameters) for index, o in enumerate(self._objectives))
        return (np.asarray(0, np.int64), *states)

    def draw(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[OfTurn, tuple[Any, ...]]:
        turn, states = self._turn(state[0]), list(state[1:])
        batch, states[turn] = self._objectives[turn].draw(parameters, states[turn])
        return OfTurn(turn, batch), (state[0] + 1, *states)

    def loss(self, model: Any, batch: OfTurn) -> tuple[Float[Array, ""], Metrics]:
        loss, metrics = self._objectives[batch.turn].loss(model, batch.batch)
        return loss, {f"{batch.turn}/{name}": value for name, value in {"loss": loss, **metrics}.items()}

    def evaluate(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Evaluation | Step, tuple[Any, ...]]:
        """Loss and gradient of the objective whose turn it is; its metrics are named after its place."""
        turn, states = self._turn(state[0]), list(state[1:])
        evaluation, states[turn] = self._objectives[turn].evaluate(parameters, states[turn])
        named = {f"{turn}/{name}": value for name, value in {"loss": evaluation.loss, **evaluation.metrics}.items()}
        return replace(evaluation, metrics=named), (state[0] + 1, *states)

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[Any, ...]) -> float:
        turn = self._turn(state[0] - 1)
        return self._objectives[turn].step_fraction(parameters, proposed, state[1 + turn])

    def _turn(self, evaluations: np.ndarray) -> int:
        return int(np.searchsorted(self._ends, int(evaluations) % self._ends[-1], side="right"))

    def validate(self, model: Any) -> tuple[float, dict[str, float]]:
        """The validation losses of the objectives, each by its share of the updates."""
        found = [objective.validate(model) for objective in self._objectives]
        loss = float(np.average([own for own, _ in found], weights=np.diff(self._ends, prepend=0)))
        return loss, {f"{index}/{name}": value for index, (_, own) in enumerate(found) for name, value in own.items()}

    def on(self, dataset: Dataset) -> Objective | None:
        """That of the first objective that learns from labels."""
        found = (objective.on(dataset) for objective in self._objectives)
        return next((one for one in found if one is not None), None)
