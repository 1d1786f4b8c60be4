"""What an objective is: a loss and its gradient, with a state of its own. Objectives add and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.potentials import Potential


class Evaluation(eqx.Module):
    """The outcome of one evaluation of an objective.

    Attributes:
        loss: the scalar that is minimised.
        gradient: ∂loss/∂parameters, a tree like the potential's trainable part.
        metrics: named scalars for the log, each with its unit in its name's documentation.
    """

    loss: Float[Array, ""]
    gradient: Any
    metrics: dict[str, Float[Array, ""]]


class Parameters(NamedTuple):
    """A potential split into what is trained and the rest."""

    trained: Any
    fixed: Any

    def combine(self) -> Potential:
        return eqx.combine(self.trained, self.fixed)


@runtime_checkable
class Objective(Protocol):
    """Anything that gives a loss and a gradient; its state is a tree of arrays and integers."""

    steps_per_epoch: int

    def initial_state(self, seed: int, parameters: Parameters) -> Any:
        """The state before the first evaluation, which will be at these parameters."""
        ...

    def step_fraction(self, parameters: Parameters, proposed: Any, state: Any) -> float:
        """How much of the step to the ``proposed`` trained parameters this objective allows, at most 1.

        ``state`` is that after the evaluation at ``parameters``.
        """
        ...

    def evaluate(self, parameters: Parameters, state: Any) -> tuple[Evaluation, Any]:
        """Loss and gradient at these parameters, and the next state."""
        ...


def part_of_step(old: Any, new: Any, fraction: float) -> Any:
    """(1 − α) old + α new of every leaf."""
    return jax.tree.map(lambda o, n: o + (n - o) * jnp.asarray(fraction, o.dtype), old, new)


def weighted_sum(weights: Sequence[float], evaluations: Sequence[Evaluation]) -> tuple[Float[Array, ""], Any]:
    """Σ weight · loss and Σ weight · gradient."""
    gradient = jax.tree.map(
        lambda *parts: sum(w * part for w, part in zip(weights, parts, strict=True)),
        *(evaluation.gradient for evaluation in evaluations),
    )
    return jnp.sum(jnp.stack([w * e.loss for w, e in zip(weights, evaluations, strict=True)])), gradient


class Combinable:
    """Gives an objective ``+`` and ``*``, and lets it take whole steps."""

    def step_fraction(self, parameters: Parameters, proposed: Any, state: Any) -> float:
        return 1.0

    def __add__(self, other: Objective) -> WeightedSum:
        return WeightedSum.of(self) + other

    def __rmul__(self, weight: float) -> WeightedSum:
        return weight * WeightedSum.of(self)


class WeightedSum(Combinable):
    """Σ weight · objective, all evaluated at the same parameters."""

    def __init__(self, terms: tuple[tuple[float, Objective], ...]):
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
        return min(o.step_fraction(parameters, proposed, s) for (_, o), s in zip(self.terms, state, strict=True))

    def evaluate(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Evaluation, tuple[Any, ...]]:
        pairs = [o.evaluate(parameters, s) for (_, o), s in zip(self.terms, state, strict=True)]
        weights = [weight for weight, _ in self.terms]
        evaluations = [evaluation for evaluation, _ in pairs]
        loss, gradient = weighted_sum(weights, evaluations)
        metrics = {f"{i}/{name}": value for i, e in enumerate(evaluations) for name, value in e.metrics.items()}
        return Evaluation(loss, gradient, metrics), tuple(next_state for _, next_state in pairs)
