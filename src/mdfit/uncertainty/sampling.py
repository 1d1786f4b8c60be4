"""Samples of a posterior: chains from several starts, one beside the other, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mdfit.errors import TrainingError
from mdfit.models import Model, ModelSet, trainable
from mdfit.training import FitResult, fit
from mdfit.uncertainty.chains import MarkovChains, Plan, Samples
from mdfit.uncertainty.kernels import Kernel
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior
from mdfit.uncertainty.sampled import Sampled
from mdfit.uncertainty.schedules import Schedule, thinned


@dataclass(frozen=True)
class PosteriorSamples:
    """What chains have left.

    Attributes:
        models: one for each sample, those of a chain one after the other.
        noise: ``(chains, samples)`` of each noise scale that was sampled, in its own unit.
        log_density: ``(chains, samples)``, up to a constant and estimated from one batch each.
        weights: ``(chains * samples,)`` of the models, with a sum of 1.
        chains: how many.
        fit: the training that made them.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import PSGLD, ConstantSteps, LabelLikelihood, sample_posterior
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> likelihood = LabelLikelihood(Dataset([LabelledStructure(dimer, energy=-1.0)]), energy="0.1 eV")
        >>> lengths = {"steps": 20, "burn_in": 10, "keep": 5}
        >>> starts = [LennardJones(), LennardJones()]
        >>> samples = sample_posterior(starts, likelihood, PSGLD(), ConstantSteps(1e-4), **lengths, show_progress=False)
        >>> len(samples.models), samples.noise["energy"].shape, samples.log_density.shape
        (10, (2, 5), (2, 5))
    """

    models: ModelSet
    noise: dict[str, np.ndarray]
    log_density: np.ndarray
    weights: np.ndarray
    chains: int
    fit: FitResult

    def of_chain(self, index: int) -> ModelSet:
        """The samples of one chain."""
        each = len(self.models) // self.chains
        own = slice(index * each, (index + 1) * each)
        return ModelSet(each, jax.tree.map(lambda leaf: leaf[own] if eqx.is_array(leaf) else leaf, self.models.stacked))

    def by_chain(self, values: np.ndarray) -> np.ndarray:
        """``(chains, samples, ...)`` of values ``(chains * samples, ...)`` of the models."""
        values = np.asarray(values)
        return values.reshape(self.chains, -1, *values.shape[1:])


def sample_posterior(
    starts: Sequence[Model] | ModelSet,
    likelihood: Likelihood,
    kernel: Kernel,
    schedule: Schedule,
    *,
    steps: int,
    burn_in: int,
    keep: int,
    prior: NormalPrior | FlatPrior | None = None,
    temperature: float = 1.0,
    train_only: Callable[[Any], Any] = trainable,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool | Literal["auto"] = "auto",
    steps_per_update: int = 1,
    show_progress: bool = True,
    configuration: dict[str, Any] | None = None,
    on_record: Callable[[dict[str, Any]], object] = lambda record: None,
) -> PosteriorSamples:
    """Samples exp(log p(θ, σ | data)/T) by one Markov chain from each start.

    The chains are one training (:func:`mdfit.fit`): one display of progress, checkpoints and exact resumption in ``out``.

    Args:
        starts: a model for each chain, of one architecture; best independent ones that fit the data already.
        likelihood: of the data; the noise scales that it names are sampled, too.
        kernel: how chains move, such as ``PSGLD()``.
        schedule: of the step sizes.
        steps: of each chain.
        burn_in: steps at the start from which nothing is kept.
        keep: samples of each chain, drawn from the other steps with probabilities in proportion to the step sizes.
        prior: of the parameters; independent normal distributions of width 1 when left out.
        temperature: T; below 1 the posterior is "cold", and its intervals are not to be believed without a check.
        train_only: from a model to flags like :func:`mdfit.models.trainable`, to leave the rest as it is.
        seed: of all random numbers.
        out: directory of the training.
        resume: see :func:`mdfit.fit`.
        steps_per_update: steps in one compiled call: many where they are cheap.
        show_progress: see :func:`mdfit.fit`.
        configuration: see :func:`mdfit.fit`.
        on_record: see :func:`mdfit.fit`.

    Raises:
        TrainingError: for settings that make no sense, and when a chain runs away.
        KeyboardInterrupt: after Ctrl-C; the same call goes on where ``out`` is given.
        CheckpointError: see :func:`mdfit.fit`.
        OutputError: see :func:`mdfit.fit`.
    """
    if not temperature > 0:
        raise TrainingError(f"The temperature of a posterior is above 0 (1 is Bayes' theorem), not {temperature}.")
    if steps_per_update < 1:
        raise TrainingError(f"steps_per_update is at least 1, not {steps_per_update}.")
    kept = thinned(schedule, steps, burn_in, keep, seed)
    sizes = schedule.sizes(steps)
    if not (np.float32(sizes) > 0).all():
        raise TrainingError(
            "The schedule has steps that are not above 0 in single precision, in which nothing would move."
        )
    plan = Plan(sizes, kept, float(temperature), min(steps_per_update, steps))
    objective = MarkovChains(likelihood, prior, kernel, plan)
    chains = ModelSet.of([Sampled.of(start, likelihood.noise) for start in starts])

    def flags(chains: Any) -> Any:
        return eqx.tree_at(lambda models: models.stacked.model, trainable(chains), train_only(chains.stacked.model))

    result = fit(
        chains,
        objective,
        optimizer=optax.sgd(1.0),
        steps=plan.updates,
        train_only=flags,
        seed=seed,
        out=out,
        resume=resume,
        show_progress=show_progress,
        configuration=configuration,
        on_record=on_record,
    ).unless_interrupted()
    fixed = eqx.partition(result.last, flags(result.last))[1].stacked
    return _collected(result, fixed, likelihood.noise)


def _collected(result: FitResult, fixed: Any, expected: Mapping[str, float]) -> PosteriorSamples:
    samples: Samples = result.objective_state.samples
    kept, chains = samples.log_density.shape

    def in_order(leaf: Any) -> Any:
        """Chain by chain, from ``(samples, chains, ...)``."""
        return jnp.swapaxes(leaf, 0, 1).reshape(chains * kept, *leaf.shape[2:])

    def repeated(leaf: Any) -> Any:
        return jnp.repeat(leaf, kept, axis=0) if eqx.is_array(leaf) else leaf

    every: Sampled = eqx.combine(jax.tree.map(in_order, samples.parameters), jax.tree.map(repeated, fixed))
    noise = {name: np.asarray(scale).reshape(chains, kept) for name, scale in every.noise(expected).items()}
    log_weights = np.asarray(in_order(samples.log_weight))
    weights = np.exp(log_weights - log_weights.max())
    return PosteriorSamples(
        ModelSet(chains * kept, every.model),
        noise,
        np.asarray(samples.log_density).T,
        weights / weights.sum(),
        chains,
        result,
    )
