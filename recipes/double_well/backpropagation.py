"""The gradient of the double well's loss by reverse-mode differentiation through the dynamics, for comparison.

The same potential, integrator (BAOAB) and density as in training, in plain JAX and along x only, which favours it.  The
steps between two frames are rematerialised, so that only one state per frame is kept.

    python backpropagation.py TRAINED_POTENTIAL.mdfit
"""

import json
import sys
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from double_well import (
    FRICTION,
    GRID,
    SMEARING,
    STEPS_BETWEEN_FRAMES,
    TIMESTEP,
    Scale,
    energy,
    exact_density,
    objective,
    only_spline,
)

from mdfit.objectives import Parameters
from mdfit.potentials import Potential, load


def split(potential: Potential) -> Parameters:
    """What is trained, and the rest."""
    return Parameters(*eqx.partition(potential, only_spline(potential)))


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
    weights = np.exp(-energy(potential, x))
    places = random.choice(x, size=particles, p=weights / weights.sum())
    return jnp.asarray(places, dtype), jnp.asarray(random.normal(size=particles), dtype)


def gradient_norms(potential: Potential, lengths: tuple[int, ...], particles: int = 200) -> dict[str, list[float]]:
    """Norms of both gradients for trajectories of so many frames, in double precision through the simulation."""
    parameters = split(potential)
    x, momenta = equilibrated(potential, particles, jnp.float64)
    norms: dict[str, list[float]] = {"frames": list(lengths), "through_simulation": [], "reweighting": []}
    for frames in lengths:
        through = jax.jit(gradient_function(parameters, frames))(parameters.trained, x, momenta, jax.random.key(frames))
        norms["through_simulation"].append(float(optax.tree.norm(through)))
        aim = objective(Scale(particles, frames), fewest_samples=0.0)
        evaluation, _ = aim.evaluate(parameters, aim.initial_state(frames, parameters))
        norms["reweighting"].append(float(optax.tree.norm(evaluation.gradient)))
    return norms


def seconds_per_gradient(
    potential: Potential, frames: int = 160, particles: int = 200, repeats: int = 5
) -> dict[str, Any]:
    """Median seconds of one gradient after compilation, both in single precision, and bytes of temporary memory.

    ``reweighting`` is one evaluation of the objective on a trajectory at hand; ``trajectory`` is what a new one takes
    (equilibration included), which must be added whenever it is not used again.
    """
    parameters = split(potential)
    x, momenta = equilibrated(potential, particles, jnp.float32)
    compiled = (
        jax.jit(gradient_function(parameters, frames))
        .lower(parameters.trained, x, momenta, jax.random.key(0))
        .compile()
    )
    through = _median(lambda: compiled(parameters.trained, x, momenta, jax.random.key(1)), repeats)
    aim = objective(Scale(particles, frames), reuse=1e-9, fewest_samples=0.0)
    _, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    reweighting = _median(lambda: aim.evaluate(parameters, state)[0].gradient, repeats)
    (reference,) = state
    empty = (reference._replace(generation=reference.generation * 0),)
    renewed = _median(lambda: aim.evaluate(parameters, empty)[0].gradient, 1)
    return {
        "frames": frames,
        "particles": particles,
        "through_simulation": through,
        "reweighting": reweighting,
        "first_trajectory_and_reweighting": renewed,
        "speedup": through / reweighting,
        "bytes_through_simulation": compiled.memory_analysis().temp_size_in_bytes,
    }


def _median(function, repeats: int) -> float:
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - before)
    return float(np.median(times))


if __name__ == "__main__":
    trained = load(sys.argv[1])
    report = {"seconds": seconds_per_gradient(trained), "norms": gradient_norms(trained, (5, 10, 20, 40, 80, 160, 320))}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
