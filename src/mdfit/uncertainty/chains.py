"""Markov chains as an objective of the training loop, which gives them checkpoints, exact resumption and progress."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import TrainingError
from mdfit.models import ModelSet, Parameters
from mdfit.objectives import Objective, Step
from mdfit.objectives.base import Metrics, child_seed
from mdfit.uncertainty.kernels import Kernel, Target
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior, Posterior
from mdfit.uncertainty.stacking import stacked

#: No parameter is larger than this, but of a chain that runs away.
LARGEST = 1e15
#: Chains of models with more parameters move one after the other on a CPU.
LARGE = 1000


class Plan(NamedTuple):
    """What a chain does.

    Attributes:
        sizes: step size of each step.
        kept: numbers of the steps whose states are samples, in order.
        temperature: T; exp(log-density/T) is sampled.
        steps_per_update: steps of the chain for each update of the training loop.

    Example:
        >>> import numpy as np
        >>> from mdfit.uncertainty import Plan
        >>> Plan(np.full(10, 1e-3), kept=np.asarray([6, 9]), temperature=1.0, steps_per_update=4).updates
        3
    """

    sizes: np.ndarray
    kept: np.ndarray
    temperature: float
    steps_per_update: int

    @property
    def updates(self) -> int:
        return -(-len(self.sizes) // self.steps_per_update)


class Samples(NamedTuple):
    """What has been kept of the chains; arrays have axes of samples and of chains in front.

    Attributes:
        parameters: a tree like the trained part of one model.
        log_density: ``(samples, chains)``, estimated from the batch of the step.
        log_weight: ``(samples, chains)``.
    """

    parameters: Any
    log_density: Float[Array, "samples chains"]
    log_weight: Float[Array, "samples chains"]


class ChainsState(NamedTuple):
    """Where chains stand.

    Attributes:
        draws: state of the likelihood of each chain; of full-batch likelihoods one that all chains share.
        memory: of the kernel, with an axis of chains in front.
        step: steps done.
        seed: of the random numbers.
        samples: kept so far; zero where not yet.
    """

    draws: tuple[Any, ...]
    memory: Any
    step: Int[Array, ""]
    seed: Int[Array, ""]
    samples: Samples


class MarkovChains(Objective):
    """Chains that sample a posterior; their steps are the updates of a training, with ``optax.sgd(1.0)``.

    The model is a :class:`~mdfit.models.ModelSet` of :class:`~mdfit.uncertainty.Sampled` models, one for each chain.
    :func:`mdfit.uncertainty.sample_posterior` puts all of it together.

    Args:
        likelihood: of the data.
        prior: of the parameters; independent normal distributions of width 1 for None.
        kernel: how chains move.
        plan: step sizes, samples, temperature.

    Example:
        >>> import numpy as np
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.models import ModelSet, Parameters
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import PSGLD, LabelLikelihood, MarkovChains, NormalPrior, Plan, Sampled
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> likelihood = LabelLikelihood(Dataset([LabelledStructure(dimer, energy=-1.0)]), energy="0.1 eV", sampled=False)
        >>> plan = Plan(np.full(10, 1e-3), kept=np.asarray([6, 9]), temperature=1.0, steps_per_update=5)
        >>> chains = MarkovChains(likelihood, NormalPrior(), PSGLD(), plan)
        >>> parameters = Parameters.of(ModelSet.of([Sampled.of(LennardJones(), {})]))
        >>> step, state = chains.evaluate(parameters, chains.initial_state(0, parameters))
        >>> int(state.step), step.step.stacked.model.sigma.shape
        (5, (1,))
    """

    takes_steps = True
    validates = False

    def __init__(self, likelihood: Likelihood, prior: NormalPrior | FlatPrior | None, kernel: Kernel, plan: Plan):
        self.likelihood, self.prior, self.kernel, self.plan = likelihood, prior, kernel, plan

    @property
    def posterior(self) -> Posterior:
        return Posterior.of(self.likelihood, self.prior)

    def initial_state(self, seed: int, parameters: Parameters) -> ChainsState:
        trained = parameters.trained.stacked
        chains, example = parameters.combine().number, parameters.combine()[0].model
        keys = jax.random.split(jax.random.key(child_seed(seed, 1)), chains)
        kept = len(self.plan.kept)
        zeros = jnp.zeros((kept, chains), jnp.float64)
        states = 1 if self.likelihood.is_full_batch else chains
        return ChainsState(
            tuple(self.likelihood.initial_state(child_seed(seed, 2 + chain), example) for chain in range(states)),
            jax.vmap(self.kernel.start)(keys, trained),
            jnp.asarray(0, jnp.int64),
            jnp.asarray(child_seed(seed, 0), jnp.int64),
            Samples(jax.tree.map(lambda leaf: jnp.zeros((kept, *leaf.shape), leaf.dtype), trained), zeros, zeros),
        )

    def draw(self, parameters: Parameters, state: ChainsState) -> tuple[Any, ChainsState]:
        """Batches with axes of steps and chains in front; of full-batch likelihoods one batch without."""
        batches, state, _ = self._drawn(parameters, state)
        return batches, state

    def _drawn(self, parameters: Parameters, state: ChainsState) -> tuple[Any, ChainsState, Metrics]:
        chains = parameters.combine()
        example = chains[0].model
        if self.likelihood.is_full_batch:
            followed, metrics = self.likelihood.follow(ModelSet(len(chains), chains.stacked.model), state.draws[0])
            batch, own = self.likelihood.draw(example, followed)
            return batch, state._replace(draws=(own,)), metrics
        draws, batches = list(state.draws), []
        for _ in range(self.plan.steps_per_update):
            for chain, own in enumerate(draws):
                batch, draws[chain] = self.likelihood.draw(example, own)
                batches.append(batch)
        shape = (self.plan.steps_per_update, len(draws))
        together = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), stacked(batches))
        return together, state._replace(draws=tuple(draws)), {}

    def loss(self, model: Any, batch: Any) -> tuple[Float[Array, ""], Metrics]:
        """−log-density of the chains' models on the first batches, the mean of all chains."""
        axis = None if self.likelihood.is_full_batch else 0
        first = batch if axis is None else jax.tree.map(lambda leaf: leaf[0], batch)
        density = jax.vmap(lambda one, data: self.posterior.log_density(one, None, data), in_axes=(0, axis))
        return -jnp.mean(density(model.stacked, first)), {}

    def evaluate(self, parameters: Parameters, state: ChainsState) -> tuple[Step, ChainsState]:
        """So many steps of all chains.

        Raises:
            TrainingError: when a chain runs away.
        """
        batches, state, metrics = self._drawn(parameters, state)
        trained, fixed = parameters.trained.stacked, parameters.fixed.stacked
        moves = _Moves(self.posterior, self.kernel, self.plan.temperature, self.likelihood.is_full_batch)
        start = int(state.step)
        sizes = np.zeros(self.plan.steps_per_update, np.float32)
        left = self.plan.sizes[start : start + len(sizes)]
        sizes[: len(left)] = left
        carry = (trained, state.memory, state.step, state.samples)
        (new, memory, step, samples), densities = _advance(
            moves, carry, fixed, batches, jnp.asarray(sizes), jnp.asarray(self.plan.kept), state.seed
        )
        densities = densities[: len(left)]
        finite = jnp.all(jnp.stack([_finite_chains(leaf) for leaf in jax.tree.leaves(new)]), axis=0)
        self._refuse_runaways(np.concatenate([densities, np.where(finite, 0.0, np.nan)[None]]), start)
        change = jax.tree.map(lambda old, moved: old - moved, trained, new)
        done = state._replace(memory=memory, step=step, samples=samples)
        tree = eqx.tree_at(lambda models: models.stacked, parameters.trained, change, is_leaf=lambda node: node is None)
        return Step(-jnp.mean(densities), tree, metrics), done

    def _refuse_runaways(self, densities: np.ndarray, start: int) -> None:
        bad = ~np.isfinite(densities)
        if bad.any():
            row, chain = (int(index[0]) for index in np.nonzero(bad))
            step = min(start + row, len(self.plan.sizes) - 1)
            raise TrainingError(
                f"Chain {chain} runs away: at step {step} its log-density is not finite; take smaller steps (they are "
                f"{self.plan.sizes[step]:.3g} there), or start from a model that fits the data."
            )


def _finite_chains(leaf: Array) -> Array:
    """Whether all numbers of each chain, ``(chains, ...)``, are finite, and their squares will be."""
    return jnp.all((jnp.abs(leaf) < LARGEST).reshape(leaf.shape[0], -1), axis=1)


class _Moves(eqx.Module):
    """What decides on a step; equal for equal settings, which share a compiled program."""

    posterior: Posterior
    kernel: Kernel
    temperature: float
    is_full_batch: bool


@eqx.filter_jit
def _advance(
    moves: _Moves, carry: Any, fixed: Any, batches: Any, sizes: Array, kept: Array, seed: Array
) -> tuple[Any, Float[Array, "steps chains"]]:
    """Steps of all chains; the log-densities are those before each step."""

    def one_chain(
        key: Array, position: Any, memory: Any, rest: Any, batch: Any, size: Array
    ) -> tuple[Any, Any, Array, Array]:
        def log_density(where: Any) -> Array:
            return moves.posterior.log_density(where, rest, batch)

        value, gradient = jax.value_and_grad(log_density)(position)
        # Most kernels ask for the gradient at the present position alone, which is at hand.
        target = Target(log_density, lambda where: gradient if where is position else jax.grad(log_density)(where))
        new, memory = moves.kernel.move(key, position, memory, target, size, moves.temperature)
        new = jax.tree.map(lambda moved, old: moved.astype(old.dtype), new, position)
        return new, memory, value, moves.kernel.log_weight(memory)

    axis = None if moves.is_full_batch else eqx.if_array(0)
    side_by_side = eqx.filter_vmap(one_chain, in_axes=(0, 0, 0, eqx.if_array(0), axis, None))
    arrays, static = eqx.partition(fixed, eqx.is_array)

    def one_by_one(keys: Array, position: Any, memory: Any, rest: Any, data: Any, size: Array) -> Any:
        def chain(own: Any) -> tuple[Any, Any, Array, Array]:
            key, place, remembered, parts, batch = own
            batch = data if moves.is_full_batch else batch
            return one_chain(key, place, remembered, eqx.combine(parts, static), batch, size)

        return jax.lax.map(chain, (keys, position, memory, arrays, None if moves.is_full_batch else data))

    densities = eqx.filter_vmap(moves.posterior.log_density, in_axes=(0, eqx.if_array(0), axis))
    numbers = sum(leaf[0].size for leaf in jax.tree.leaves(carry[0]))
    # Products of batches are slower than one after the other on a CPU, but for small models.
    large = jax.default_backend() == "cpu" and numbers > LARGE
    all_chains = one_by_one if large else side_by_side

    def step(carry: Any, inputs: tuple[Array, Any]) -> tuple[Any, Array]:
        position, memory, number, samples = carry
        size, batch = inputs
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), jax.tree.leaves(position)[0].shape[0])
        data = batches if moves.is_full_batch else batch
        new, remembered, value, weight = all_chains(keys, position, memory, fixed, data, size)
        # Beyond the end, where the last update is not full, nothing moves.
        moving = size > 0
        new, remembered = jax.tree.map(lambda a, b: jnp.where(moving, a, b), (new, remembered), (position, memory))
        index = jnp.searchsorted(kept, number)
        is_kept = moving & (kept[jnp.minimum(index, len(kept) - 1)] == number)

        # The value at hand is that before the step.
        value_there = jax.lax.cond(is_kept, lambda: densities(new, fixed, data), lambda: value)

        def put(store: Array, own: Array) -> Array:
            return store.at[jnp.where(is_kept, index, len(kept))].set(own, mode="drop")

        samples = jax.tree.map(put, samples, Samples(new, value_there, weight))
        return (new, remembered, number + moving, samples), value

    return jax.lax.scan(step, carry, (sizes, None if moves.is_full_batch else batches))
