"""W as a sum of Chebyshev polynomials with normal priors and known noise: the posterior is known exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from exact_toy import GRID, LIMIT, NOISE
from numpy.polynomial import chebyshev

from mdfit.models import Model
from mdfit.uncertainty import Likelihood

#: Standard deviation of the prior of each coefficient.
PRIOR = 30.0
ALL = (1, 2, 3, 4, 5, 6, 7, 8)


def values(s: np.ndarray, orders: tuple[int, ...] = ALL) -> np.ndarray:
    """T_j(s/2.2), ``(points, orders)``."""
    return np.stack([chebyshev.chebval(s / LIMIT, np.eye(9)[order]) for order in orders], axis=-1)


def slopes(s: np.ndarray, orders: tuple[int, ...] = ALL) -> np.ndarray:
    """Their derivatives with respect to s."""
    derivatives = [chebyshev.chebval(s / LIMIT, chebyshev.chebder(np.eye(9)[order])) for order in orders]
    return np.stack(derivatives, axis=-1) / LIMIT


class ExactPosterior(NamedTuple):
    """Normal, with this mean and covariance."""

    mean: np.ndarray
    covariance: np.ndarray
    log_evidence: float

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))

    def draw(self, number: int, random: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
        """``(number, coefficients)``; at another temperature the covariance is multiplied by it."""
        return random.multivariate_normal(self.mean, temperature * self.covariance, number)


def exact_posterior(s: np.ndarray, forces: np.ndarray, orders: tuple[int, ...] = ALL) -> ExactPosterior:
    """Of the coefficients of some orders."""
    features = slopes(s, orders)
    precision = features.T @ features / NOISE**2 + np.eye(len(orders)) / PRIOR**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ features.T @ forces / NOISE**2
    misfit = np.sum((forces - features @ mean) ** 2) / NOISE**2 + np.sum(mean**2) / PRIOR**2
    volume = len(orders) * np.log(PRIOR**2) + np.linalg.slogdet(precision)[1]
    constant = len(s) * np.log(2 * np.pi * NOISE**2)
    return ExactPosterior(mean, covariance, float(-0.5 * (misfit + volume + constant)))


def energies(coefficients: np.ndarray, orders: tuple[int, ...] = ALL) -> np.ndarray:
    """On the grid, ``(..., grid)`` from ``(..., orders)``."""
    return coefficients @ values(GRID, orders).T


class Expansion(Model):
    """The coefficients of all eight polynomials."""

    coefficients: jax.Array

    @classmethod
    def skeleton(cls, settings: dict[str, Any]) -> Expansion:
        return cls(jnp.zeros(len(ALL)))


class Slopes(Likelihood):
    """Noisy slopes of the energy, some of them at a time; their noise is known."""

    def __init__(self, s: np.ndarray, forces: np.ndarray, batch_size: int):
        self.features, self.forces, self.batch_size = slopes(s), forces, batch_size
        self.number = len(s)
        self.is_full_batch = batch_size == len(s)

    def initial_state(self, seed: int, model: Any) -> np.ndarray:
        return np.asarray([seed, 0])

    def draw(self, model: Any, state: np.ndarray) -> tuple[Any, np.ndarray]:
        if self.is_full_batch:
            return (self.features, self.forces), state
        chosen = np.random.default_rng(np.asarray(state)).permutation(self.number)[: self.batch_size]
        return (self.features[chosen], self.forces[chosen]), np.asarray(state) + [0, 1]

    @property
    def pure(self) -> Any:
        return log_likelihood


def log_likelihood(model: Expansion, noise: dict[str, jax.Array], batch: Any) -> tuple[jax.Array, jax.Array]:
    """Of the slopes in a batch, and how many they are."""
    features, forces = batch
    residuals = (forces - features @ model.coefficients) / NOISE
    return jnp.sum(-0.5 * residuals**2 - 0.5 * np.log(2 * np.pi * NOISE**2)), jnp.asarray(len(forces))
