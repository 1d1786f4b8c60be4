"""W as a small network: ensembles and chains of which nothing is known exactly but what they should find."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from exact_toy import GRID

from mdfit.models import Model, ModelSet
from mdfit.objectives import Objective
from mdfit.uncertainty import Likelihood

WIDTH = 16


class Network(Model):
    """U(s) = 5 MLP(s) + s⁴/2, with two hidden layers of tanh; weights are multiplied by 1/√(number of inputs).

    All weights have a standard normal prior, from which they are drawn to begin with; biases begin at zero.
    """

    weights: tuple[jax.Array, jax.Array, jax.Array]
    biases: tuple[jax.Array, jax.Array, jax.Array]

    @classmethod
    def random(cls, key: jax.Array) -> Network:
        """With weights from the prior."""
        shapes = ((1, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))
        keys = jax.random.split(key, len(shapes))
        weights = tuple(jax.random.normal(one, shape, jnp.float64) for one, shape in zip(keys, shapes, strict=True))
        return cls(weights, tuple(jnp.zeros(shape[1], jnp.float64) for shape in shapes))

    @classmethod
    def skeleton(cls, settings: dict[str, Any]) -> Network:
        return cls.random(jax.random.key(0))

    def energy(self, s: jax.Array) -> jax.Array:
        """At one place."""
        # The first layer is scaled up, so that the network bends on the scale of the wells.
        hidden = jnp.tanh(2 * s * self.weights[0][0] + self.biases[0])
        hidden = jnp.tanh(hidden @ self.weights[1] / np.sqrt(WIDTH) + self.biases[1])
        return 5 * (hidden @ self.weights[2] / np.sqrt(WIDTH) + self.biases[2])[0] + 0.5 * s**4

    def slopes(self, s: jax.Array) -> jax.Array:
        """U' at several places."""
        return jax.vmap(jax.grad(self.energy))(s)


@jax.jit
def on_grid(models: Network) -> jax.Array:
    """Energies ``(models, grid)`` of stacked networks."""
    return jax.vmap(lambda model: jax.vmap(model.energy)(jnp.asarray(GRID)))(models)


def energies(models: ModelSet) -> np.ndarray:
    """``(models, grid)``."""
    return np.asarray(on_grid(models.stacked))


class SlopeErrors(Objective):
    """Mean squared error of the slopes, all at once: force matching."""

    steps_per_epoch = 50

    def __init__(self, s: np.ndarray, forces: np.ndarray):
        self.s, self.forces = s, forces

    def draw(self, parameters: Any, state: Any) -> tuple[Any, Any]:
        return (self.s, self.forces), state

    def loss(self, model: Network, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        return mean_squared_error(model, batch)

    @property
    def pure_loss(self) -> Any:
        return mean_squared_error

    def validate(self, model: Network) -> tuple[float, dict[str, float]]:
        return float(_validation(model, self.s, self.forces)), {}


@jax.jit
def _validation(model: Network, s: np.ndarray, forces: np.ndarray) -> jax.Array:
    return mean_squared_error(model, (s, forces))[0]


def mean_squared_error(model: Network, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    s, forces = batch
    return jnp.mean((model.slopes(s) - forces) ** 2), {}


class NetworkSlopes(Likelihood):
    """Noisy slopes of the energy; how noisy they are is sampled, too."""

    is_full_batch = True

    def __init__(self, s: np.ndarray, forces: np.ndarray):
        self.s, self.forces, self.number, self.noise = s, forces, len(s), {"forces": 1.0}

    def draw(self, model: Any, state: Any) -> tuple[Any, Any]:
        return (self.s, self.forces), state

    @property
    def pure(self) -> Any:
        return log_likelihood


def log_likelihood(model: Network, noise: dict[str, jax.Array], batch: Any) -> tuple[jax.Array, jax.Array]:
    """Of the slopes in a batch, and how many they are."""
    s, forces = batch
    residuals = (model.slopes(s) - forces) / noise["forces"]
    logarithms = -0.5 * residuals**2 - jnp.log(noise["forces"]) - 0.5 * np.log(2 * np.pi)
    return jnp.sum(logarithms), jnp.asarray(len(forces))


def descent(first: float, last: float, updates: int) -> optax.GradientTransformation:
    """Adam with a rate that falls exponentially."""
    return optax.adam(optax.exponential_decay(first, updates, last / first))
