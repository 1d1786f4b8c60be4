"""The state of a training run, and the step that advances it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from mdfit.models import part_of_step
from mdfit.objectives import Evaluation, Step


class FitState(eqx.Module):
    """Everything that a training run needs to go on; all of it is in a checkpoint.

    Attributes:
        parameters: the trained part of the model.
        average: exponential moving average of the parameters (the parameters themselves without averaging).
        optimizer: state of the optax optimiser.
        objective: state of the objective.
        best: the averaged parameters of the best validation so far.
        best_loss: the loss of ``best``; ``(members,)`` where each member of a set is judged by itself.
        step: updates done.
        stale: validations since the best one.
        lowest: the lowest smoothed training loss so far, and the smoothed loss.
        smoothed: exponential mean of the training loss.
        before: parameters and average before the last update, to which a step is taken back that cannot be evaluated.
    """

    parameters: Any
    average: Any
    optimizer: Any
    objective: Any
    best: Any
    best_loss: Float[Array, " *members"]
    step: Int[Array, ""]
    stale: Int[Array, ""]
    lowest: Float[Array, ""]
    smoothed: Float[Array, ""]
    before: tuple[Any, Any]

    def retreated(self) -> "FitState":
        """After half of the last step; the optimiser's memory is that of the whole step."""
        old = self.before
        half = (part_of_step(old[0], self.parameters, 0.5), part_of_step(old[1], self.average, 0.5))
        return eqx.tree_at(lambda state: (state.parameters, state.average), self, half)

    def without_last_step(self) -> "FitState":
        """At the parameters before the last update."""
        return eqx.tree_at(lambda state: (state.parameters, state.average), self, self.before)

    def judged(self, loss: np.ndarray) -> "FitState":
        """After a validation: averaged parameters become the best ones where they are, or the run is staler by one."""
        losses = jnp.asarray(loss, jnp.float64)
        better = losses < self.best_loss
        if not bool(jnp.any(better)):
            return eqx.tree_at(lambda state: state.stale, self, self.stale + 1)

        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)

        best = jax.tree.map(chosen, self.average, self.best)
        new = (best, jnp.minimum(losses, self.best_loss), jnp.zeros_like(self.stale))
        return eqx.tree_at(lambda state: (state.best, state.best_loss, state.stale), self, new)


def initial_state(
    parameters: Any, optimizer: optax.GradientTransformation, objective_state: Any, judged: tuple[int, ...] = ()
) -> FitState:
    """The state before the first update; ``judged`` is the shape of what a validation gives."""
    infinity = jnp.array(jnp.inf, jnp.float64)
    zero = jnp.array(0, jnp.int32)
    return FitState(
        parameters=parameters,
        average=parameters,
        optimizer=optimizer.init(parameters),
        objective=objective_state,
        best=parameters,
        best_loss=jnp.full(judged, jnp.inf, jnp.float64),
        step=zero,
        stale=zero,
        lowest=infinity,
        smoothed=infinity,
        before=(parameters, parameters),
    )


class Update(eqx.Module):
    """The outcome of one optimiser step; ``finite`` is false when loss or gradient were not, and it must not be used."""

    parameters: Any
    average: Any
    optimizer: Any
    smoothed: Float[Array, ""]
    lowest: Float[Array, ""]
    finite: Bool[Array, ""]

    def shortened(self, state: FitState, fraction: float, decay: float | None) -> "Update":
        """The same with a part of the step; the optimiser's memory is that of the whole step."""
        if fraction == 1.0:
            return self
        parameters = part_of_step(state.parameters, self.parameters, fraction)
        average = parameters if decay is None else _averaged(state, parameters, decay)
        return eqx.tree_at(lambda u: (u.parameters, u.average), self, (parameters, average))

    def apply_to(self, state: FitState, objective_state: Any) -> FitState:
        """The state after this step."""
        return FitState(
            parameters=self.parameters,
            average=self.average,
            optimizer=self.optimizer,
            objective=objective_state,
            best=state.best,
            best_loss=state.best_loss,
            step=state.step + 1,
            stale=state.stale,
            lowest=self.lowest,
            smoothed=self.smoothed,
            before=(state.parameters, state.average),
        )


@eqx.filter_jit
def update(
    state: FitState, evaluation: Evaluation | Step, optimizer: optax.GradientTransformation, decay: float | None
) -> Update:
    """One optimiser step, to be used where loss and gradient are finite."""
    changes, optimizer_state = optimizer.update(evaluation.direction, state.optimizer, state.parameters)
    parameters = optax.apply_updates(state.parameters, changes)
    average = parameters if decay is None else _averaged(state, parameters, decay)
    smoothed = jnp.where(jnp.isinf(state.smoothed), evaluation.loss, 0.99 * state.smoothed + 0.01 * evaluation.loss)
    return Update(
        parameters=parameters,
        average=average,
        optimizer=optimizer_state,
        smoothed=smoothed,
        lowest=jnp.minimum(state.lowest, smoothed),
        finite=jnp.isfinite(evaluation.loss) & jnp.isfinite(optax.tree.norm(evaluation.direction)),
    )


def _averaged(state: FitState, parameters: Any, decay: float) -> Any:
    # The early average follows quickly, so that it does not remember the random start.
    effective = jnp.minimum(decay, (1 + state.step) / (10 + state.step))

    def mix(mean: Array, new: Array) -> Array:
        weight = effective.astype(new.dtype)
        return weight * mean + (1 - weight) * new

    return jax.tree.map(mix, state.average, parameters)
