"""The gradient of the double well's loss by reverse-mode differentiation through the dynamics, for comparison.

The same potential, integrator (BAOAB) and density as in training, in plain JAX and along x only, which favours it.  The
steps between two frames are rematerialised, so that only one state per frame is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from double_well import (
    FRICTION,
    GRID,
    SAMPLER,
    SMEARING,
    STEPS_BETWEEN_FRAMES,
    TIMESTEP,
    Scale,
    exact_density,
    method,
    target,
)

from mdfit.objectives import DiffTRe, Parameters
from mdfit.potentials import Potential, field_curve, trainable_except
from mdfit.recipes.metrics import Metric, Metrics


def split(potential: Potential) -> Parameters:
    """What is trained, and the rest."""
    return Parameters(*eqx.partition(potential, trainable_except(potential, [1])))


def simulated_density(potential: Potential, x, momenta, key, frames: int):
    """Mean density ``(101,)`` over ``frames`` frames of a simulation from ``x`` and ``momenta`` ``(particles,)``."""
    half, friction = jnp.asarray(TIMESTEP / 2, x.dtype), jnp.exp(jnp.asarray(-FRICTION * TIMESTEP, x.dtype))
    species = jnp.ones(len(x), jnp.int32)

    def total_energy(x):
        return sum(jnp.sum(term.field_energy(x[:, None], species)) for term in potential.terms)

    slope = jax.grad(total_energy)

    def step(state, key):
        x, momenta, force = state
        momenta = momenta + half * force
        x = x + half * momenta
        noise = jax.random.normal(key, x.shape, x.dtype)
        momenta = friction * momenta + jnp.sqrt(1 - friction**2) * noise
        x = x + half * momenta
        force = -slope(x)
        return (x, momenta + half * force, force), None

    @jax.checkpoint
    def frame(state, key):
        state, _ = jax.lax.scan(step, state, jax.random.split(key, STEPS_BETWEEN_FRAMES))
        kernels = jnp.exp(-0.5 * ((state[0][:, None] - jnp.asarray(GRID, x.dtype)) / SMEARING) ** 2)
        return state, jnp.mean(kernels, axis=0) / (np.sqrt(2 * np.pi) * SMEARING)

    _, densities = jax.lax.scan(frame, (x, momenta, -slope(x)), jax.random.split(key, frames))
    return jnp.mean(densities, axis=0)


def gradient_function(parameters: Parameters, frames: int):
    """A function of trained parameters, positions, momenta and key: gradient through ``frames`` frames of dynamics."""
    target = jnp.asarray(exact_density())

    def loss(trained, x, momenta, key):
        density = simulated_density(parameters._replace(trained=trained).combine(), x, momenta, key, frames)
        return jnp.mean((density - target) ** 2)

    return jax.grad(loss)


def equilibrated(potential: Potential, particles: int, dtype, seed: int = 0):
    """Positions and momenta at equilibrium, from the exact Boltzmann density of the potential."""
    random = np.random.default_rng(seed)
    x = np.linspace(-0.2, 1.2, 2801)
    weights = np.exp(-field_curve(potential, x))
    places = random.choice(x, size=particles, p=weights / weights.sum())
    return jnp.asarray(places, dtype), jnp.asarray(random.normal(size=particles), dtype)


def reweighting(particles: int, frames: int, reuse: float = 0.9) -> DiffTRe:
    """The objective of the training, for trajectories of any length."""
    scale = Scale(particles, frames)
    return method(scale, reuse, fewest_samples=0.0).objective(target(scale), SAMPLER)


def gradient_norms(potential: Potential, lengths: tuple[int, ...], particles: int = 200) -> Metrics:
    """Norms of both gradients for trajectories of so many frames, in double precision through the simulation."""
    parameters = split(potential)
    x, momenta = equilibrated(potential, particles, jnp.float64)
    norms: Metrics = {}
    for frames in lengths:
        through = jax.jit(gradient_function(parameters, frames))(parameters.trained, x, momenta, jax.random.key(frames))
        aim = reweighting(particles, frames)
        evaluation, _ = aim.evaluate(parameters, aim.initial_state(frames, parameters))
        for kind, gradient in (("through_simulation", through), ("reweighting", evaluation.gradient)):
            norms[f"{kind}/{frames}"] = Metric(float(optax.tree.norm(gradient)), None, "1")
    return norms


def seconds_per_gradient(potential: Potential, frames: int = 160, particles: int = 200, repeats: int = 5) -> Metrics:
    """Median seconds of one gradient after compilation, both in single precision, and temporary memory.

    ``reweighting`` is one evaluation of the objective on a trajectory at hand; ``fresh_trajectory_and_reweighting``
    simulates a new one first, with frames of equilibration that the gradient through the simulation spares.
    """
    parameters = split(potential)
    x, momenta = equilibrated(potential, particles, jnp.float32)
    arguments = (parameters.trained, x, momenta, jax.random.key(0))
    compiled = jax.jit(gradient_function(parameters, frames)).lower(*arguments).compile()
    through = _median(lambda: compiled(*arguments), repeats)
    again, anew = (reweighting(particles, frames, reuse) for reuse in (1e-9, 1.0))
    _, state = again.evaluate(parameters, again.initial_state(0, parameters))
    # Frames are worth less under any other parameters.
    moved = parameters._replace(trained=jax.tree.map(lambda leaf: 1.01 * leaf, parameters.trained))
    at_hand = _median(lambda: again.evaluate(parameters, state)[0].gradient, repeats)
    fresh = _median(lambda: anew.evaluate(moved, state)[0].gradient, repeats)
    return {
        "speedup_over_backpropagation": Metric(through / at_hand, None, "1"),
        "speedup_over_backpropagation_with_fresh_trajectory": Metric(through / fresh, None, "1"),
        "fresh_trajectory_and_reweighting": Metric(fresh, None, "s"),
        "through_simulation": Metric(through, None, "s"),
        "reweighting": Metric(at_hand, None, "s"),
        "memory_through_simulation": Metric(compiled.memory_analysis().temp_size_in_bytes / 2**20, None, "MiB"),
    }


def _median(function: Callable[[], object], repeats: int) -> float:
    """Seconds, after one call that does not count."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - before)
    return float(np.median(times))
