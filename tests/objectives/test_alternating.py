"""Objectives that take turns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mdfit.errors import TrainingError
from mdfit.objectives import Alternating, Parameters
from mdfit.objectives.base import Evaluation, Objective
from mdfit.potentials import LennardJones, trainable
from mdfit.training import fit


class Spring(Objective):
    """½ (ε − center)²; counts its evaluations, and allows a part of each step."""

    steps_per_epoch = 5

    def __init__(self, center: float, allowed: float = 1.0):
        self.center, self.allowed = center, allowed

    def initial_state(self, seed, parameters):
        return np.asarray(100 * seed, np.int64)

    def step_fraction(self, parameters, proposed, state):
        return self.allowed

    def draw(self, parameters, state):
        return None, state + 1

    def loss(self, model, batch):
        raise NotImplementedError

    def evaluate(self, parameters, state):
        gradient = jax.tree.map(jnp.zeros_like, parameters.trained)
        distance = parameters.trained.epsilon - self.center
        gradient = eqx.tree_at(lambda tree: tree.epsilon, gradient, distance)
        return Evaluation(0.5 * distance**2, gradient, {"count": jnp.asarray(int(state))}), state + 1


def split() -> Parameters:
    model = LennardJones(1.0, 1.0, 2.5)
    return Parameters(*eqx.partition(model, trainable(model)))


def test_turns_follow_one_another():
    objective = Alternating([(2, Spring(0.0)), (1, Spring(5.0))])
    parameters, seen = split(), []
    state = start = objective.initial_state(0, parameters)
    for _ in range(7):
        evaluation, state = objective.evaluate(parameters, state)
        seen.append(next(name for name in evaluation.metrics if name.endswith("count"))[0])
    assert "".join(seen) == "0010010"
    # Each objective keeps a state of its own.
    assert [int(now) - int(before) for now, before in zip(state, start, strict=True)] == [7, 5, 2]
    assert start[1] != start[2]
    assert objective.steps_per_epoch == 3


def test_only_the_objective_whose_turn_it_was_limits_the_step():
    objective = Alternating([(1, Spring(0.0, allowed=0.25)), (1, Spring(0.0, allowed=0.5))])
    parameters = split()
    state = objective.initial_state(0, parameters)
    allowed = []
    for _ in range(3):
        _, state = objective.evaluate(parameters, state)
        allowed.append(objective.step_fraction(parameters, parameters.trained, state))
    assert allowed == [0.25, 0.5, 0.25]


def test_resumed_in_the_middle_of_a_round_it_goes_on_exactly(tmp_path):
    def fitted(steps, **settings):
        return fit(
            LennardJones(1.0, 1.0, 2.5),
            Alternating([(2, Spring(0.0)), (1, Spring(5.0))]),
            optimizer=optax.adam(0.1),
            steps=steps,
            show_progress=False,
            **settings,
        )

    whole = fitted(8)
    fitted(4, out=tmp_path / "run")
    resumed = fitted(8, out=tmp_path / "run", resume=True)
    assert float(resumed.last.epsilon) == float(whole.last.epsilon)
    assert float(whole.last.epsilon) != 1.0
    # The metric of an objective is its mean over its own turns.
    _, first, second = Alternating([(2, Spring(0.0)), (1, Spring(5.0))]).initial_state(0, split())
    assert whole.history[0]["0/count"] == int(first) + 0.5
    assert whole.history[0]["1/count"] == int(second)


def test_turns_without_updates_are_refused():
    for turns in ([], [(0, Spring(0.0))]):
        with pytest.raises(TrainingError, match="at least one update"):
            Alternating(turns)
