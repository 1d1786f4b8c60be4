"""The log-likelihood of what was measured at one state point, from frames of several simulations; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.measurements import Measurement
from mdfit.observables import Observable
from mdfit.potentials import Potential
from mdfit.reweighting import Mixture, PooledFrames, average, kish_effective_size
from mdfit.reweighting.frame_values import FrameTree

#: Where frames are worth less than they must be, the density falls by a standard deviation for every tenth less.
STEEPNESS = 0.1


class Measured(eqx.Module):
    """One measurement, as numbers.

    Attributes:
        observable: what was measured.
        value: ``(components,)`` in its unit.
        sigma: ``(components,)`` standard uncertainty.
        share: of its log-likelihood that counts, since its components are not all independent.
        inefficiency: ``(components,)``, how many successive frames are worth one.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Measurement, StatePoint, Structure
        >>> from mdfit.observables import Pressure
        >>> from mdfit.uncertainty.measured_point import Measured
        >>> at = StatePoint(Structure.from_ase(bulk("Ar", cubic=True)), "90 K")
        >>> measured = Measured.of(Measurement(Pressure(), "1 bar", at, sigma="50 bar"), 1.0, [2.0])
        >>> round(float(measured.log_density(1.0, 0.0)), 2)  # −ln(50) − ln(2π)/2
        -4.83
    """

    observable: Observable = eqx.field(static=True)
    value: Float[Array, " components"]
    sigma: Float[Array, " components"]
    share: float
    inefficiency: Float[Array, " components"]

    @classmethod
    def of(cls, measurement: Measurement, share: float, inefficiency: Any) -> Measured:
        """From a measurement with an uncertainty."""
        value, sigma = (jnp.asarray(array).reshape(-1) for array in (measurement.value, measurement.sigma))
        assert isinstance(measurement.observable, Observable)
        return cls(measurement.observable, value, sigma, share, jnp.asarray(inefficiency))

    def log_density(self, found: Float[Array, "..."], variance: Float[Array, "..."]) -> Float[Array, ""]:
        """Log-likelihood of a prediction whose statistical error has this ``variance``."""
        total = self.sigma**2 + variance
        return self.share * jnp.sum(-0.5 * (found - self.value) ** 2 / total - 0.5 * jnp.log(2 * jnp.pi * total))


class MeasuredPoint(eqx.Module):
    """Frames of one state point, and what was measured there.

    Attributes:
        frames: with the observables that follow the potential.
        unchanging: ``(samples, *shape)``, values of the other ones.
        follow: which is which.
        mixture: what the frames are samples of.
        beta: 1/(k_B T) in 1/eV.
        measured: in the order of the observables.
        least: frames of equal weight that the frames must be worth for a prediction to be believed.
    """

    frames: FrameTree
    unchanging: tuple[Array, ...]
    follow: tuple[bool, ...] = eqx.field(static=True)
    mixture: Mixture
    beta: float
    measured: tuple[Measured, ...]
    least: float

    @classmethod
    def of(
        cls,
        pooled: PooledFrames,
        beta: float,
        measurements: Sequence[Measurement],
        shares: Sequence[float],
        least: float,
    ) -> MeasuredPoint:
        """From the frames of a pool whose observables are those of the measurements."""
        tree, follow = pooled.frames.tree(), pooled.frames.follow
        following = tuple(one for one, follows in zip(tree.observables, follow, strict=True) if follows)
        return cls(
            FrameTree(tree.batches, tree.numbers, tree.template, following),
            tuple(jnp.asarray(value) for value in pooled.unchanging),
            follow,
            pooled.mixture,
            beta,
            tuple(map(Measured.of, measurements, shares, pooled.inefficiencies)),
            least,
        )

    def predictions(self, model: Potential) -> tuple[Array, list[tuple[Array, Array]]]:
        """Log weights of the frames, and of each measurement the predictions ``(components,)`` and their variances."""
        energies, *following = self.frames.values(model)
        log_weights = self.mixture.log_weights(self.beta * energies)
        changing, constant = iter(following), iter(self.unchanging)
        values = [next(changing if follows else constant) for follows in self.follow]
        found = [self._prediction(one, log_weights, value) for one, value in zip(self.measured, values, strict=True)]
        return log_weights, found

    def _prediction(self, measured: Measured, log_weights: Array, values: Array) -> tuple[Array, Array]:
        combine, mean = measured.observable.combine, average(log_weights, values)
        effects = self.mixture.effects(log_weights, values)
        if not measured.observable.is_plain_average:
            effects = jax.vmap(lambda effect: jax.jvp(combine, (mean,), (effect,))[1])(effects)
        variance = measured.inefficiency * jnp.sum(effects.reshape(len(effects), -1) ** 2, axis=0)
        return jnp.asarray(combine(mean)).reshape(-1), variance

    def log_density(self, model: Potential) -> Float[Array, ""]:
        """Of all measurements; it falls steeply where the frames are worth too few of equal weight."""
        log_weights, found = self.predictions(model)
        total = sum((one.log_density(*pair) for one, pair in zip(self.measured, found, strict=True)), jnp.zeros(()))
        lacking = jnp.log(self.least) - jnp.log(kish_effective_size(log_weights))
        return total - 0.5 * (jnp.maximum(lacking, 0.0) / STEEPNESS) ** 2

    def effective_size(self, model: Potential) -> Float[Array, ""]:
        """Frames of equal weight that the frames are worth, by Kish's formula; correlations in time apart."""
        frames = FrameTree(self.frames.batches, self.frames.numbers, self.frames.template, ())
        return kish_effective_size(self.mixture.log_weights(self.beta * frames.values(model)[0]))


@eqx.filter_jit
def effective_size_of(point: MeasuredPoint, model: Potential) -> Float[Array, ""]:
    """:meth:`MeasuredPoint.effective_size`, compiled."""
    return point.effective_size(model)


def log_likelihood(
    model: Potential, noise: dict[str, Array], points: tuple[MeasuredPoint, ...]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Of all state points, and 1, since it is of all data."""
    total = sum((point.log_density(model) for point in points), jnp.zeros(()))
    return total, jnp.ones((), np.float64)
