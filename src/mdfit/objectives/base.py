"""What an objective is: it draws on the host and is a pure loss on the device. Objectives add and scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.models import Parameters
from mdfit.potentials import Potential

Metrics = dict[str, Float[Array, ""]]
#: From a model and what was drawn to the loss and metrics.
PureLoss = Callable[[Any, Any], tuple[Float[Array, ""], Metrics]]


class Evaluation(eqx.Module):
    """The outcome of one evaluation of an objective.

    Attributes:
        loss: the scalar that is minimised.
        gradient: ∂loss/∂parameters, a tree like the trained part of the model.
        metrics: named scalars for the log, each with its unit in its name's documentation.

    Example:
        >>> import equinox as eqx
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.models import Parameters, trainable
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> objective = ForceMatching(Dataset([LabelledStructure(dimer, energy=-1.0)]), energy=1.0, forces=0.0)
        >>> parameters = Parameters.of(LennardJones())
        >>> evaluation, state = objective.evaluate(parameters, objective.initial_state(0, parameters))
        >>> round(float(evaluation.loss), 4), round(float(evaluation.gradient.epsilon), 4)
        (0.003, -0.0486)
    """

    loss: Float[Array, ""]
    gradient: Any
    metrics: Metrics

    @property
    def direction(self) -> Any:
        """What the optimiser goes against."""
        return self.gradient


class Step(eqx.Module):
    """An evaluation with a step in place of a gradient: Newton's, for instance; steps are neither added nor weighted.

    Attributes:
        loss: the scalar that is minimised.
        step: to be subtracted from the parameters as it is, a tree like the trained part of the model.
        metrics: named scalars for the log.

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.objectives import Step
        >>> newton = Step(loss=jnp.asarray(0.5), step=jnp.asarray([0.1, 0.2]), metrics={})
        >>> newton.direction.tolist()
        [0.1, 0.2]
    """

    loss: Float[Array, ""]
    step: Any
    metrics: Metrics

    @property
    def direction(self) -> Any:
        """What the optimiser goes against."""
        return self.step


class Objective(ABC):
    """What a training minimises.

    A subclass implements :meth:`draw` and :meth:`loss`; :meth:`evaluate` follows from them.  One whose gradient needs more
    care (or less memory) than that of :meth:`loss` implements :meth:`evaluate` as well.  What it consists of is compared on
    resuming, attribute by attribute; one that keeps caches or counters has a method ``identity()`` that returns what
    defines it.  :func:`mdfit.testing.check_objective` shows whether it is sound.

    Attributes:
        steps_per_epoch: updates between records and validations.
        takes_steps: true when evaluations are steps in place of gradients.
        validates: false when only changes of the loss have a meaning.
        validation_shape: of the loss that :meth:`validate` returns: ``(members,)`` where members of a set are judged by
            themselves.

    Example:
        >>> import equinox as eqx
        >>> from mdfit.models import Parameters, trainable
        >>> from mdfit.objectives import Objective
        >>> from mdfit.potentials import LennardJones
        >>> class Size(Objective):
        ...     def draw(self, parameters, state):
        ...         return 3.4, state + 1
        ...     def loss(self, model, batch):
        ...         return (model.sigma - batch) ** 2, {}
        >>> model = LennardJones(sigma=3.0, cutoff=8.0)
        >>> parameters = Parameters.of(model)
        >>> evaluation, state = Size().evaluate(parameters, Size().initial_state(0, parameters))
        >>> round(float(evaluation.loss), 4), round(float(evaluation.gradient.sigma), 4)
        (0.16, -0.8)
    """

    steps_per_epoch: int = 1
    takes_steps: bool = False
    validates: bool = True
    validation_shape: tuple[int, ...] = ()

    def initial_state(self, seed: int, parameters: Parameters) -> Any:
        """The state before the first evaluation, which will be at these parameters: a tree of arrays, for checkpoints."""
        return np.asarray(0, np.int64)

    @abstractmethod
    def draw(self, parameters: Parameters, state: Any) -> tuple[Any, Any]:
        """On the host: what the next loss depends on (data, frames of simulations), and the next state."""

    @abstractmethod
    def loss(self, model: Any, batch: Any) -> tuple[Float[Array, ""], Metrics]:
        """The loss of a model on what was drawn, and named scalars; pure, to be compiled, mapped and differentiated."""

    @property
    def pure_loss(self) -> PureLoss:
        """:meth:`loss` as a function; objectives for which it is equal share compiled programs."""
        return self.loss

    def evaluate(self, parameters: Parameters, state: Any) -> tuple[Evaluation | Step, Any]:
        """Loss and gradient (or step) at these parameters, and the next state."""
        batch, state = self.draw(parameters, state)
        return evaluated(self.pure_loss, parameters.trained, parameters.fixed, batch), state

    def step_fraction(self, parameters: Parameters, proposed: Any, state: Any) -> float:
        """How much of the step to the ``proposed`` trained parameters is allowed, with the state after ``parameters``."""
        return 1.0

    def on(self, dataset: Dataset) -> Objective | None:
        """The same objective on other labelled structures, for validation; None when it does not learn from labels."""
        return None

    def validate(self, model: Any) -> tuple[Any, dict[str, float]]:
        """The loss of a model over one epoch, a number or one for each member of a set, and numbers for the record."""
        parameters = Parameters(*eqx.partition(model, False))
        state, losses = self.initial_state(0, parameters), []
        for _ in range(self.steps_per_epoch):
            batch, state = self.draw(parameters, state)
            losses.append(float(loss_of(self.pure_loss, model, batch)))
        return float(np.mean(losses)), {}

    def __add__(self, other: Objective) -> WeightedSum:
        return WeightedSum.of(self) + other

    def __rmul__(self, weight: float) -> WeightedSum:
        return weight * WeightedSum.of(self)


@eqx.filter_jit
def evaluated(loss: PureLoss, trained: Any, fixed: Any, batch: Any) -> Evaluation:
    """Loss and gradient; losses that are equal share a compiled program."""

    def of_trained(trained: Any) -> tuple[Array, Metrics]:
        return loss(eqx.combine(trained, fixed), batch)

    (value, metrics), gradient = jax.value_and_grad(of_trained, has_aux=True)(trained)
    return Evaluation(value, gradient, metrics)


@eqx.filter_jit
def loss_of(loss: PureLoss, model: Any, batch: Any) -> Array:
    """The loss alone."""
    return loss(model, batch)[0]


def child_seed(seed: int, index: int) -> int:
    """A seed of its own for a part of an objective."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def point_seed(seed: int, index: int) -> int:
    """Of a state point; that of the first is the seed itself."""
    return child_seed(seed, index) if index else seed


def require_potential(name: str, model: Any) -> Potential:
    """The model, where it is a potential.

    Raises:
        TrainingError: for another one.
    """
    if isinstance(model, Potential):
        return model
    raise TrainingError(
        f"{name} learns a potential, not a {type(model).__name__}; train the members of a set one by one, or write an "
        "objective for it."
    )


def refuse_step(name: str) -> TrainingError:
    """What to raise where a gradient is needed."""
    return TrainingError(
        f"{name} gives steps in place of gradients, which have no meaning in sums and multiples, nor in turns with "
        "gradients: use it alone, with optax.sgd(1.0) or less, or without its Newton steps."
    )


def weighted_sum(weights: Sequence[float], evaluations: Sequence[Evaluation | Step]) -> tuple[Float[Array, ""], Any]:
    """Σ weight · loss and Σ weight · gradient.

    Raises:
        TrainingError: when one of the evaluations is a step.
    """
    gradients = []
    for weight, evaluation in zip(weights, evaluations, strict=True):
        if isinstance(evaluation, Step):
            raise refuse_step("An objective of the sum")
        gradients.append(jax.tree.map(lambda leaf, w=weight: w * leaf, evaluation.gradient))
    loss = jnp.sum(jnp.stack([w * e.loss for w, e in zip(weights, evaluations, strict=True)]))
    return loss, jax.tree.map(lambda *parts: sum(parts[1:], start=parts[0]), *gradients)


class WeightedSum(Objective):
    """Σ weight · objective, all evaluated at the same parameters.

    Raises:
        TrainingError: when an objective gives steps in place of gradients, or something else is no objective.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import ForceMatching
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 3.8]], species=18)
        >>> data = Dataset([LabelledStructure(dimer, energy=-0.01)])
        >>> both = 0.5 * ForceMatching(data, forces=0.0) + ForceMatching(data, forces=0.0, loss="huber")
        >>> type(both).__name__, [weight for weight, _ in both.terms]
        ('WeightedSum', [0.5, 1.0])
    """

    def __init__(self, terms: tuple[tuple[float, Objective], ...]):
        for _, objective in terms:
            if not isinstance(objective, Objective):
                raise TrainingError(f"{objective!r} is no objective: sums are of objectives, derived from Objective.")
            if objective.takes_steps:
                raise refuse_step(type(objective).__name__)
        self.terms = terms
        # After an epoch there are a record and a checkpoint: as often as the term of the fewest, most costly steps asks.
        self.steps_per_epoch = min(objective.steps_per_epoch for _, objective in terms)
        self.validates = all(objective.validates for _, objective in terms)

    @classmethod
    def of(cls, objective: Any) -> WeightedSum:
        return objective if isinstance(objective, WeightedSum) else cls(((1.0, objective),))

    def __add__(self, other: Any) -> WeightedSum:
        return WeightedSum(self.terms + WeightedSum.of(other).terms)

    def __rmul__(self, weight: float) -> WeightedSum:
        return WeightedSum(tuple((weight * w, objective) for w, objective in self.terms))

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[Any, ...]:
        return tuple(
            objective.initial_state(child_seed(seed, index), parameters)
            for index, (_, objective) in enumerate(self.terms)
        )

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[Any, ...]) -> float:
        return min(o.step_fraction(parameters, proposed, s) for (_, o), s in zip(self.terms, state, strict=True))

    def draw(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        pairs = [o.draw(parameters, s) for (_, o), s in zip(self.terms, state, strict=True)]
        batches, states = zip(*pairs, strict=True)
        return batches, states

    def loss(self, model: Any, batch: tuple[Any, ...]) -> tuple[Float[Array, ""], Metrics]:
        parts = [objective.loss(model, own) for (_, objective), own in zip(self.terms, batch, strict=True)]
        losses = [weight * loss for (weight, _), (loss, _) in zip(self.terms, parts, strict=True)]
        return jnp.sum(jnp.stack(losses)), _numbered([metrics for _, metrics in parts])

    def evaluate(self, parameters: Parameters, state: tuple[Any, ...]) -> tuple[Evaluation, tuple[Any, ...]]:
        """Term by term, each in its own way."""
        pairs = [o.evaluate(parameters, s) for (_, o), s in zip(self.terms, state, strict=True)]
        evaluations = [evaluation for evaluation, _ in pairs]
        loss, gradient = weighted_sum([weight for weight, _ in self.terms], evaluations)
        metrics = _numbered([evaluation.metrics for evaluation in evaluations])
        return Evaluation(loss, gradient, metrics), tuple(next_state for _, next_state in pairs)

    def validate(self, model: Any) -> tuple[float, dict[str, float]]:
        """Σ weight · validation loss, each over an epoch of its own; numbers under the number of the term."""
        found = [objective.validate(model) for _, objective in self.terms]
        loss = sum(weight * own for (weight, _), (own, _) in zip(self.terms, found, strict=True))
        return loss, {f"{index}/{name}": value for index, (_, own) in enumerate(found) for name, value in own.items()}

    def on(self, dataset: Dataset) -> Objective | None:
        """The sum of the terms that learn from labels, with their weights; a single one by itself."""
        found = [(weight, objective.on(dataset)) for weight, objective in self.terms]
        kept = tuple((weight, one) for weight, one in found if one is not None)
        return WeightedSum(kept) if len(kept) > 1 else next((one for _, one in kept), None)


def _numbered(metrics: Sequence[Metrics]) -> Metrics:
    """Metrics under the number of the term that they are of."""
    return {f"{index}/{name}": value for index, own in enumerate(metrics) for name, value in own.items()}
