"""Relative entropy by simulation: the double well from samples, and models that are right for a long time step."""

from __future__ import annotations

import numpy as np
from toy_model import (
    GRID,
    RANGE,
    TEMPERATURE,
    TOGETHER,
    Basis,
    beads,
    mean_force_potential,
    normalised,
    samples,
    spline_on_prior,
    squared_error,
    with_coefficients,
)

from mdfit.potentials import ExternalPolynomial, Sum, field_curve
from mdfit.recipes.methods import Descent, Entropy
from mdfit.recipes.request import Sampling
from mdfit.recipes.script import Request
from mdfit.simulate import Brownian, Langevin
from mdfit.units import FEMTOSECOND

#: Inverse time of friction; in overdamped dynamics a particle of mass 1 then has the mobility 1.
FRICTION = 1000 * FEMTOSECOND
CHAINS = 8
#: Overdamped dynamics of a finite step leaves every well steeper than a parabola, so this one is a parabola.
TIMESTEP_PRIOR = "wrong"


def sampling(duration: float, equilibrate: float, every: float) -> Sampling:
    """Of times in units of Å √(amu/eV)."""
    return Sampling(duration / FEMTOSECOND, equilibrate / FEMTOSECOND, every / FEMTOSECOND)


def from_samples(request: Request, name: str, number: int, seed: int, updates: int) -> float:
    """Squared error of the density of a model that was learned from samples, with simulated averages of its own.

    A particle crosses the barrier once in some hundred units of time, which is what all updates take together: chains go on
    where the last ones ended, and there are many of them, so that the wells have the populations of the model.
    """
    newton = Descent(updates, (0.5, 0.05), damping=0.01)
    method = Entropy(newton, sampling(10, 1, 0.25), chains=8 * CHAINS)
    reference, langevin = beads(samples(number, seed)[0]), Langevin(0.025 / FEMTOSECOND, friction=2 * FRICTION)
    learned = method.train(request, name, spline_on_prior(), reference, TEMPERATURE, langevin, fixed=[1]).last
    return squared_error(normalised(field_curve(learned, GRID)))


def sampled_density(values: np.ndarray, grid: np.ndarray, timestep: float) -> np.ndarray:
    """Stationary density of x → x − h U'(x) + √(2 h) ξ: by the powers of its transition probabilities on a grid."""
    drift = grid - timestep * np.gradient(values, grid)
    transition = np.exp(-((grid[None, :] - drift[:, None]) ** 2) / (4 * timestep))
    transition /= transition.sum(axis=1, keepdims=True)
    # A power of 2⁴⁰ steps: long after every memory of the start is lost.
    for _ in range(40):
        transition = transition @ transition
        transition /= transition.sum(axis=1, keepdims=True)
    return transition[len(grid) // 2] / (grid[1] - grid[0])


def squared_error_at(potential: Sum, timestep: float) -> float:
    """Squared error of the density that overdamped dynamics with this step samples."""
    coarse = GRID[::4]
    return squared_error(sampled_density(field_curve(potential, coarse), coarse, timestep), coarse)


def force_matched_without_noise() -> Sum:
    """The spline whose forces are closest to the exact mean force: force matching at its best."""
    inside = np.linspace(-RANGE, RANGE, 2001)
    weights = np.sqrt(normalised(mean_force_potential(inside), inside) + 1e-3)
    at = Basis.at(inside, TIMESTEP_PRIOR)
    force = -np.gradient(mean_force_potential(inside), inside)
    design, target = -at.slopes * weights[:, None], (force + at.prior_slopes) * weights
    return with_coefficients(spline_on_prior(TIMESTEP_PRIOR), np.linalg.lstsq(design, target, rcond=1e-10)[0])


def trained_at(request: Request, timestep: float, updates: int) -> Sum:
    """The force-matched model after relative entropy with dynamics of this time step."""
    every = timestep * max(1, round(0.05 / timestep))
    lengths = sampling(100 * every, 20 * every, every)
    method = Entropy(Descent(updates, (0.1, 0.001)), lengths, chains=2 * CHAINS, start="reference", skin="20 Å")
    reference, brownian = beads(samples(20000, request.seed)[0]), Brownian(timestep / FEMTOSECOND, friction=FRICTION)
    start = force_matched_without_noise()
    return method.train(request, f"step_{timestep:g}", start, reference, TEMPERATURE, brownian, fixed=[1]).last


def harmonic_stiffness(request: Request, timestep: float) -> tuple[float, float]:
    """Stiffness learned from samples of variance 1 with overdamped dynamics, and the variance that it samples."""
    reference = beads(np.random.default_rng(request.seed).normal(size=400 * TOGETHER))
    lengths = sampling(200 * timestep, 20 * timestep, 2 * timestep)
    method = Entropy(Descent(20, (0.7, 0.175), damping=0.0), lengths, chains=64)
    start, brownian = ExternalPolynomial(0, 0.0, [0.0, 0.0, 0.5]), Brownian(timestep / FEMTOSECOND, friction=FRICTION)
    learned = method.train(request, "harmonic", start, reference, TEMPERATURE, brownian, fixed=()).last
    k = 2 * float(learned.coefficients[2])
    return k, 1 / (k * (1 - timestep * k / 2))
