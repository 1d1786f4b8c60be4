"""The members of a set, each with data of its own, trained side by side as if each were alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.models import Parameters
from mdfit.objectives import Evaluation, Objective
from mdfit.objectives.base import Metrics, PureLoss, child_seed
from mdfit.uncertainty.stacking import stacked


class SideBySide(Objective):
    """Σ over members of the loss of each on data of its own, evaluated in one compiled call.

    Nothing couples the members; with :func:`for_each_member` around the optimizer each is trained as if it were alone, and
    in validation each is judged by itself.

    Args:
        objectives: one for each member, of one kind and with the same settings, whose batches have the same shapes.

    Raises:
        TrainingError: when they differ in more than data, give steps, or do not draw equal shapes.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.models import ModelSet
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import SideBySide
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> data = [Dataset([LabelledStructure(dimer, energy=energy)]) for energy in (-1.0, -0.8)]
        >>> objective = SideBySide([ForceMatching(one, energy=1.0, forces=0.0) for one in data])
        >>> losses, _ = objective.validate(ModelSet.of([LennardJones(), LennardJones()]))
        >>> losses.round(4).tolist()
        [0.003, 0.0021]
    """

    def __init__(self, objectives: Sequence[Objective]):
        kinds = {type(one).__name__ for one in objectives}
        if len(kinds) != 1 or any(one.takes_steps for one in objectives):
            raise TrainingError(
                f"Members are trained side by side on one kind of objective that has gradients, not on {sorted(kinds)}; "
                "train them one after the other."
            )
        self.objectives = tuple(objectives)
        self.steps_per_epoch = max(one.steps_per_epoch for one in objectives)
        self.validates = all(one.validates for one in objectives)
        self.validation_shape = (len(objectives),)

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[Any, ...]:
        if parameters.combine().number != len(self.objectives):
            raise TrainingError(
                f"{len(self.objectives)} objectives do not belong to {parameters.combine().number} members: one for each."
            )
        members = enumerate(zip(self.objectives, _members(parameters), strict=True))
        return tuple(objective.initial_state(child_seed(seed, index), own) for index, (objective, own) in members)

    def draw(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        members = zip(self.objectives, _members(parameters), state, strict=True)
        batches, states = zip(*(objective.draw(member, own) for objective, member, own in members), strict=True)
        return stacked(batches), states

    def loss(self, model: Any, batch: Any) -> tuple[Float[Array, ""], Metrics]:
        """The sum over members; the means of their metrics."""
        return _sum_of(self.objectives[0].pure_loss, model, batch)

    def evaluate(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Evaluation, tuple[Any, ...]]:
        batch, state = self.draw(parameters, state)
        evaluation = _evaluated(self.objectives[0].pure_loss, parameters.trained, parameters.fixed, batch)
        return eqx.tree_at(lambda e: e.loss, evaluation, evaluation.loss / len(self.objectives)), state

    def validate(self, model: Any) -> tuple[np.ndarray, dict[str, float]]:
        """The loss of each member by its own objective, and the means of their numbers."""
        found = [objective.validate(member) for objective, member in zip(self.objectives, model, strict=True)]
        names = found[0][1]
        means = {name: float(np.mean([numbers[name] for _, numbers in found])) for name in names}
        return np.array([float(loss) for loss, _ in found]), means


def for_each_member(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimizer for every member of a set by itself: norms are clipped, and moments kept, for each alone."""

    def init(parameters: Any) -> Any:
        return jax.vmap(optimizer.init)(parameters)

    def update(gradient: Any, state: Any, parameters: Any = None) -> tuple[Any, Any]:
        return jax.vmap(optimizer.update)(gradient, state, parameters)

    return optax.GradientTransformation(init, update)


@eqx.filter_jit
def _members(parameters: Parameters) -> list[Parameters]:
    """Of a set, those of each member, in one call."""

    def own(tree: Any, index: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, tree.stacked)

    members = range(parameters.fixed.number)
    return [Parameters(own(parameters.trained, index), own(parameters.fixed, index)) for index in members]


def _sum_of(loss: PureLoss, model: Any, batch: Any) -> tuple[Array, Metrics]:
    losses, metrics = eqx.filter_vmap(loss, in_axes=(eqx.if_array(0), eqx.if_array(0)))(model.stacked, batch)
    return jnp.sum(losses), {name: jnp.mean(value) for name, value in metrics.items()}


@eqx.filter_jit
def _evaluated(loss: PureLoss, trained: Any, fixed: Any, batch: Any) -> Evaluation:
    def of_trained(trained: Any) -> tuple[Array, Metrics]:
        return _sum_of(loss, eqx.combine(trained, fixed), batch)

    (value, metrics), gradient = jax.value_and_grad(of_trained, has_aux=True)(trained)
    return Evaluation(value, gradient, metrics)
