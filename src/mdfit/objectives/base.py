"""What an objective is: a loss and its gradient, with a state of its own. Objectives add and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.models import Parameters


class Evaluation(eqx.Module):
    """The outcome of one evaluation of an objective.

    Attributes:
        loss: the scalar that is minimised.
        gradient: ∂loss/∂parameters, a tree like the potential's trainable part.
        metrics: named scalars for the log, each with its unit in its name's documentation.
        is_step: whether ``gradient`` is a step in place of a gradient (Newton's, for instance), to be subtracted from the
            parameters as it is; steps are neither added to others nor weighted.
    """

    loss: Float[Array, ""]
    gradient: Any
    metrics: dict[str, Float[Array, ""]]
    is_step: bool = eqx.field(static=True, default=False)


@runtime_checkable
class Objective(Protocol):
    """Anything that gives a loss and a gradient; its state is a tree of arrays and integers.

    It may have more: ``step_fraction(parameters, proposed, state)``, how much of the step to the ``proposed`` trained
    parameters it allows, at most 1, with the state after the evaluation at ``parameters``; and ``takes_steps``, true when
    its evaluations are steps in place of gradients.  :class:`Combinable` gives both, with ``+`` and ``*``.
    """

    steps_per_epoch: int

    def initial_state(self, seed: int, parameters: Parameters) -> Any:
        """The state before the first evaluation, which will be at these parameters."""
        ...

    def evaluate(self, parameters: Parameters, state: Any) -> tuple[Evaluation, Any]:
        """Loss and gradient at these parameters, and the next state."""
        ...


def step_fraction(objective: Objective, parameters: Parameters, proposed: Any, state: Any) -> float:
    """How much of a step an objective allows; all of it when it does not say."""
    allowed = getattr(objective, "step_fraction", None)
    return 1.0 if allowed is None else allowed(parameters, proposed, state)


def takes_steps(objective: Objective) -> bool:
    """Whether the evaluations of an objective are steps in place of gradients."""
    return bool(getattr(objective, "takes_steps", False))


def refuse_step(name: str) -> TrainingError:
    """What to raise where a gradient is needed."""
    return TrainingError(
        f"{name} gives steps in place of gradients, which have no meaning in sums and multiples, nor in turns with "
        "gradients: use it alone, with optax.sgd(1.0) or less, or without its Newton steps."
    )


def weighted_sum(weights: Sequence[float], evaluations: Sequence[Evaluation]) -> tuple[Float[Array, ""], Any]:
    """Σ weight · loss and Σ weight · gradient.

    Raises:
        TrainingError: when one of the evaluations is a step.
    """
    if any(evaluation.is_step for evaluation in evaluations):
        raise refuse_step("An objective of the sum")
    gradient = jax.tree.map(
        lambda *parts: sum(w * part for w, part in zip(weights, parts, strict=True)),
        *(evaluation.gradient for evaluation in evaluations),
    )
    return jnp.sum(jnp.stack([w * e.loss for w, e in zip(weights, evaluations, strict=True)])), gradient


class Combinable:
    """Gives an objective ``+`` and ``*``, and lets it take whole steps.

    Attributes:
        takes_steps: true when evaluations are steps in place of gradients (``Evaluation.is_step``).
    """

    takes_steps: bool = False

    def step_fraction(self, parameters: Parameters, proposed: Any, state: Any) -> float:
        return 1.0

    def __add__(self, other: Objective) -> WeightedSum:
        return WeightedSum.of(self) + other

    def __radd__(self, other: Objective) -> WeightedSum:
        return WeightedSum.of(other) + self

    def __rmul__(self, weight: float) -> WeightedSum:
        return weight * WeightedSum.of(self)


class WeightedSum(Combinable):
    """Σ weight · objective, all evaluated at the same parameters.

    Raises:
        TrainingError: when an objective gives steps in place of gradients, or something else is no objective.
    """

    def __init__(self, terms: tuple[tuple[float, Objective], ...]):
        for _, objective in terms:
            if not isinstance(objective, Objective):
                raise TrainingError(
                    f"{objective!r} is no objective: sums are of objectives, each with steps_per_epoch, initial_state and "
                    "evaluate."
                )
            if takes_steps(objective):
                raise refuse_step(type(objective).__name__)
        self.terms = terms
        # After an epoch there are a record and a checkpoint: as often as the term of the fewest, most costly steps asks.
        self.steps_per_epoch = min(objective.steps_per_epoch for _, objective in terms)

    @classmethod
    def of(cls, objective: Any) -> WeightedSum:
        return objective if isinstance(objective, WeightedSum) else cls(((1.0, objective),))

    def __add__(self, other: Any) -> WeightedSum:
        return WeightedSum(self.terms + WeightedSum.of(other).terms)

    def __rmul__(self, weight: float) -> WeightedSum:
        return WeightedSum(tuple((weight * w, objective) for w, objective in self.terms))

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[Any, ...]:
        return tuple(
            objective.initial_state(seed + index, parameters) for index, (_, objective) in enumerate(self.terms)
        )

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[Any, ...]) -> float:
        return min(step_fraction(o, parameters, proposed, s) for (_, o), s in zip(self.terms, state, strict=True))

    def evaluate(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Evaluation, tuple[Any, ...]]:
        pairs = [o.evaluate(parameters, s) for (_, o), s in zip(self.terms, state, strict=True)]
        weights = [weight for weight, _ in self.terms]
        evaluations = [evaluation for evaluation, _ in pairs]
        loss, gradient = weighted_sum(weights, evaluations)
        metrics = {f"{i}/{name}": value for i, e in enumerate(evaluations) for name, value in e.metrics.items()}
        return Evaluation(loss, gradient, metrics), tuple(next_state for _, next_state in pairs)
