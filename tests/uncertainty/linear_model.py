"""A model that is linear in its parameters with normal noise: its posterior is known exactly."""

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.models import Model
from mdfit.uncertainty import Likelihood

NOISE, PRIOR = 0.5, 2.0


class StraightLine(Model):
    """y = Σ_k w_k x^k."""

    weights: jax.Array

    @classmethod
    def zero(cls, number=2):
        return cls(jnp.zeros(number))

    @classmethod
    def skeleton(cls, settings):
        return cls.zero()


class Points(Likelihood):
    """Noisy values, some of them at a time; the noise is known, or sampled with the expected size 1."""

    def __init__(self, features, values, batch_size, sampled=False):
        self.features, self.values, self.batch_size = features, values, batch_size
        self.number, self.is_full_batch = len(values), batch_size == len(values)
        self.noise = {"values": 1.0} if sampled else {}

    def initial_state(self, seed, model):
        return np.asarray([seed, 0])

    def draw(self, model, state):
        if self.is_full_batch:
            return (self.features, self.values), state
        chosen = np.random.default_rng(np.asarray(state)).permutation(self.number)[: self.batch_size]
        return (self.features[chosen], self.values[chosen]), np.asarray(state) + [0, 1]

    @property
    def pure(self):
        return log_likelihood


def log_likelihood(model, noise, batch):
    features, values = batch
    sigma = noise.get("values", NOISE)
    residuals = (values - features @ model.weights) / sigma
    return jnp.sum(-0.5 * residuals**2 - jnp.log(sigma)), len(values)


def killed_at(record):
    """For ``on_record``: ends the process, so to speak, with this record."""
    seen = []

    def stop(one):
        seen.append(one)
        if len(seen) == record:
            raise RuntimeError("killed")

    return stop


def points(number=40):
    random = np.random.default_rng(7)
    x = np.linspace(-1, 1, number)
    features = np.stack([np.ones(number), x], axis=-1)
    return features, features @ [0.7, -0.4] + NOISE * random.standard_normal(number)


def exact(features, values, temperature=1.0):
    """Mean and covariance."""
    precision = features.T @ features / NOISE**2 + np.eye(2) / PRIOR**2
    covariance = np.linalg.inv(precision)
    return covariance @ features.T @ values / NOISE**2, temperature * covariance
