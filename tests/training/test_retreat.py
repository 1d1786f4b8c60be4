"""Steps that make the dynamics explode are taken back in part."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mdfit.errors import SimulationError
from mdfit.objectives.base import Evaluation, Objective
from mdfit.potentials import LennardJones, trainable
from mdfit.training import fit


class Cliff(Objective):
    """(ε − 3)², but beyond ``edge`` the dynamics explodes; dynamics is at hand while ε is near where it was made."""

    steps_per_epoch = 1

    def __init__(self, edge: float):
        self.edge, self.seen = edge, []

    def initial_state(self, seed, parameters):
        return np.asarray(0, np.int64)

    def draw(self, parameters, state):
        return None, state + 1

    def loss(self, model, batch):
        raise NotImplementedError

    def evaluate(self, parameters, state):
        epsilon = float(parameters.trained.epsilon)
        self.seen.append(epsilon)
        if epsilon > self.edge:
            raise SimulationError("The dynamics explodes.")
        gradient = jax.tree.map(jnp.zeros_like, parameters.trained)
        gradient = eqx.tree_at(lambda tree: tree.epsilon, gradient, jnp.asarray(2 * (epsilon - 3)))
        return Evaluation(jnp.asarray((epsilon - 3) ** 2), gradient, {}), state + 1


def only_epsilon(potential):
    flags = jax.tree.map(lambda _: False, trainable(potential))
    return eqx.tree_at(lambda tree: tree.epsilon, flags, True)


def fitted(objective, steps=1, **settings):
    start = LennardJones(1.0, 1.0, 2.5)
    return fit(start, objective, optimizer=optax.sgd(0.45), steps=steps, train_only=only_epsilon, **settings)


def test_half_of_a_step_is_taken_back():
    objective = Cliff(edge=2.0)
    result = fitted(objective, steps=2)
    # From 1 by 0.45 · 4 to 2.8, which explodes, so that the step is halved: 1.9.
    assert objective.seen == pytest.approx([1.0, 2.8, 1.9])
    assert float(result.last.epsilon) == pytest.approx(1.9 + 0.9 * 1.1)
    assert [record["loss"] for record in result.history] == pytest.approx([4.0, 1.21])


def test_repaired_run_is_resumed_exactly(tmp_path):
    whole = fitted(Cliff(2.0), steps=3)
    fitted(Cliff(2.0), steps=1, out=tmp_path / "run")
    # The checkpoint holds the parameters that explode.
    resumed = fitted(Cliff(2.0), steps=3, out=tmp_path / "run", resume=True)
    assert resumed.history == whole.history
    assert float(resumed.last.epsilon) == float(whole.last.epsilon)


def test_parameters_before_the_step_are_kept_when_nothing_helps(tmp_path):
    objective = Cliff(edge=1.001)
    with pytest.raises(SimulationError, match="explodes"):
        fitted(objective, steps=3, out=tmp_path / "run")
    assert len(objective.seen) == 8
    from mdfit.potentials import load

    assert float(load(tmp_path / "run" / "last.mdfit").epsilon) == 1.0


def test_start_that_explodes_is_not_repaired():
    objective = Cliff(edge=0.5)
    with pytest.raises(SimulationError, match="explodes"):
        fitted(objective)
    assert objective.seen == [1.0]
