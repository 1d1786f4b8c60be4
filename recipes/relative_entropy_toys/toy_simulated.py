"""Relative entropy by simulation: the double well from samples, and models that are right for a long time step."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from toy_model import (
    GRID,
    RANGE,
    TEMPERATURE,
    TOGETHER,
    Basis,
    dataset,
    energy,
    mean_force_potential,
    normalised,
    samples,
    spline_on_prior,
    squared_error,
)

from mdfit.objectives import MappedEnsemble, RelativeEntropy
from mdfit.potentials import ExternalPolynomial, Potential, trainable
from mdfit.simulate import Brownian, JaxMD, Langevin
from mdfit.training import fit
from mdfit.units import FEMTOSECOND

#: Inverse time of friction; in overdamped dynamics a particle of mass 1 then has the mobility 1.
FRICTION = 1000 * FEMTOSECOND
CHAINS = 8
#: Overdamped dynamics of a finite step leaves every well steeper than a parabola, so this one is a parabola.
TIMESTEP_PRIOR = "wrong"
UPDATES = 100


def in_fs(time: float) -> float:
    """Of a time in units of Å √(amu/eV)."""
    return time / FEMTOSECOND


def only_spline(potential: Potential):
    """Flags for training: all of the spline, nothing of the prior."""
    flags = trainable(potential)
    prior = jax.tree.map(lambda _: False, flags.terms[1])
    return eqx.tree_at(lambda tree: tree.terms[1], flags, prior)


def from_samples(number: int, seed: int, updates: int = UPDATES) -> float:
    """Squared error of the density of a model that was learned from samples, with simulated averages of its own."""
    reference = MappedEnsemble.of(dataset(*samples(number, seed)), TEMPERATURE)
    objective = RelativeEntropy(
        reference,
        Langevin(in_fs(0.025), friction=2 * FRICTION),
        sample=in_fs(10.0),
        every=in_fs(0.25),
        equilibrate=in_fs(1.0),
        chains=CHAINS,
        start="reference",
    )
    potential = _fitted(spline_on_prior(), objective, updates, seed)
    return squared_error(normalised(energy(potential, GRID)))


def sampled_density(values: np.ndarray, grid: np.ndarray, timestep: float) -> np.ndarray:
    """Stationary density of x → x − h U'(x) + √(2 h) ξ: by the powers of its transition probabilities on a grid."""
    drift = grid - timestep * np.gradient(values, grid)
    step = grid[1] - grid[0]
    transition = np.exp(-((grid[None, :] - drift[:, None]) ** 2) / (4 * timestep))
    transition /= transition.sum(axis=1, keepdims=True)
    # A power of 2⁴⁰ steps: long after every memory of the start is lost.
    for _ in range(40):
        transition = transition @ transition
        transition /= transition.sum(axis=1, keepdims=True)
    return transition[len(grid) // 2] / step


def squared_error_at(potential_values: np.ndarray, timestep: float) -> float:
    """Squared error of the density that overdamped dynamics with this step samples, of energies on ``GRID``."""
    coarse = GRID[::4]
    exact = normalised(mean_force_potential(coarse), coarse)
    found = sampled_density(potential_values[::4], coarse, timestep)
    return float(np.sum((found - exact) ** 2) * (coarse[1] - coarse[0]))


def force_matched_without_noise() -> Potential:
    """The spline whose forces are closest to the exact mean force: force matching at its best."""
    inside = np.linspace(-RANGE, RANGE, 2001)
    weights = np.sqrt(normalised(mean_force_potential(inside), inside) + 1e-3)
    at = Basis.at(inside, TIMESTEP_PRIOR)
    force = -np.gradient(mean_force_potential(inside), inside)
    design, target = -at.slopes * weights[:, None], (force + at.prior_slopes) * weights
    coefficients = np.linalg.lstsq(design, target, rcond=1e-10)[0]
    start = spline_on_prior(TIMESTEP_PRIOR)
    return eqx.tree_at(lambda tree: tree.terms[0].coefficients, start, jnp.asarray(coefficients))


def trained_at(timestep: float, seed: int, updates: int = UPDATES) -> np.ndarray:
    """Energies on ``GRID`` of the force-matched model after relative entropy with dynamics of this time step."""
    reference = MappedEnsemble.of(dataset(*samples(20000, seed)), TEMPERATURE)
    every = timestep * max(1, round(0.05 / timestep))
    objective = RelativeEntropy(
        reference,
        Brownian(in_fs(timestep), friction=FRICTION),
        sample=in_fs(100 * every),
        every=in_fs(every),
        equilibrate=in_fs(20 * every),
        chains=2 * CHAINS,
        start="reference",
        engine=JaxMD(skin="20 Å"),
    )
    return energy(_fitted(force_matched_without_noise(), objective, updates, seed, rate=0.1), GRID)


def harmonic_stiffness(timestep: float, seed: int) -> tuple[float, float]:
    """Stiffness learned from samples of variance 1 with overdamped dynamics, and the variance that it samples."""
    q = np.random.default_rng(seed).normal(size=(400, TOGETHER))
    structures = dataset(q.ravel(), np.zeros(q.size))
    objective = RelativeEntropy(
        MappedEnsemble.of(structures, TEMPERATURE),
        Brownian(in_fs(timestep), friction=FRICTION),
        sample=in_fs(200 * timestep),
        every=in_fs(2 * timestep),
        equilibrate=in_fs(20 * timestep),
        chains=64,
        newton=0.0,
    )

    def only_quadratic(potential):
        return eqx.tree_at(lambda p: p.coefficients, jax.tree.map(lambda _: False, potential), True)

    start = ExternalPolynomial(0, 0.0, [0.0, 0.0, 0.5])
    steps = optax.exponential_decay(0.7, 10, 0.5)
    result = fit(
        start,
        objective,
        optimizer=optax.sgd(steps),
        steps=20,
        seed=seed,
        train_only=only_quadratic,
        show_progress=False,
    )
    k = 2 * float(result.last.coefficients[2])
    return k, 1 / (k * (1 - timestep * k / 2))


def _fitted(start: Potential, objective: RelativeEntropy, updates: int, seed: int, rate: float = 0.5) -> Potential:
    # A short memory of the gradient suits an objective that is sampled anew for each update.
    decaying = optax.exponential_decay(rate, updates, 0.01)
    result = fit(
        start,
        objective,
        optimizer=optax.adam(decaying, 0.1, 0.4),
        steps=updates,
        seed=seed,
        train_only=only_spline,
        show_progress=False,
    )
    return result.last
