"""The density that is sampled: likelihood, prior of the parameters and prior of the noise scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.models import Model, ModelSet, Parameters, trainable
from mdfit.objectives.base import Metrics
from mdfit.uncertainty.sampled import Sampled

#: From a model, its noise scales and a batch to Σ log p of the data in the batch, and how many data these are.
LogLikelihood = Callable[[Any, dict[str, Array], Any], tuple[Float[Array, ""], Float[Array, ""]]]


class Likelihood(ABC):
    """How probable the data are under a model: drawn on the host, a pure function on the device.

    Attributes:
        number: of independent data (structures, snapshots, measurements), N.
        noise: the expected size σ₀ of each noise scale that is sampled, by name; empty when all are known.
        is_full_batch: whether every draw is all data.

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.uncertainty import Likelihood
        >>> def normal(model, noise, batch):
        ...     return -0.5 * jnp.sum((batch - model.sigma) ** 2), jnp.asarray(len(batch))
        >>> class Lengths(Likelihood):
        ...     number, is_full_batch, pure = 3, True, staticmethod(normal)
        ...     def draw(self, model, state):
        ...         return jnp.asarray([3.3, 3.4, 3.5]), state
        >>> from mdfit.potentials import LennardJones
        >>> model = LennardJones(sigma=3.4)
        >>> batch, _ = Lengths().draw(model, Lengths().initial_state(0, model))
        >>> round(float(Lengths().pure(model, {}, batch)[0]), 4)
        -0.01
    """

    number: float
    noise: Mapping[str, float] = {}
    is_full_batch: bool = False

    def initial_state(self, seed: int, model: Any) -> Any:
        """The state before the first draw: a tree of arrays, for checkpoints."""
        return jnp.asarray(seed, jnp.int64)

    @abstractmethod
    def draw(self, model: Any, state: Any) -> tuple[Any, Any]:
        """On the host: a batch, always of the same shapes, and the next state; ``model`` is an example of those sampled."""

    def follow(self, models: ModelSet, state: Any) -> tuple[Any, Metrics]:
        """On the host, before each update of chains that stand at ``models``: the next state, and numbers for the record.

        For full-batch likelihoods whose data follow the chains, such as frames of simulations; the chains share one state.
        """
        return state, {}

    @property
    @abstractmethod
    def pure(self) -> LogLikelihood:
        """Sum and number of a batch's log-likelihoods; equal for likelihoods of the same settings, which share programs."""


class NormalPrior(eqx.Module):
    """Independent normal distributions of all parameters.

    Args:
        scale: standard deviation, or a tree of them like the trained parameters.
        centre: a tree like the trained parameters; zero when left out.

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.uncertainty import NormalPrior
        >>> float(NormalPrior(2.0).log_density({"weights": jnp.asarray([2.0, -2.0])}))
        -1.0
    """

    scale: Any = 1.0
    centre: Any = None

    @classmethod
    def around(
        cls, start: Model, relative: float, train_only: Callable[[Any], Any] = trainable, smallest: float = 0.0
    ) -> NormalPrior:
        """Centred at the parameters of a model, with widths in proportion to them.

        Args:
            start: a model.
            relative: standard deviation over the size of the parameter (0.1 for 10 %).
            train_only: see :func:`~mdfit.uncertainty.sample_posterior`; the same as there.
            smallest: standard deviation of parameters that are smaller than that over ``relative``, zero for instance.

        Raises:
            TrainingError: for widths that are not above 0.
        """
        centre = Parameters.of(start, train_only(start)).trained
        if any(not jnp.all(jnp.maximum(relative * jnp.abs(leaf), smallest) > 0) for leaf in jax.tree.leaves(centre)):
            raise TrainingError(
                f"A prior of relative width {relative:g} has no width where a parameter is 0; give a width above 0 and, "
                "for such parameters, smallest=..., a standard deviation."
            )
        return cls(jax.tree.map(lambda leaf: jnp.maximum(relative * jnp.abs(leaf), smallest), centre), centre)

    def __check_init__(self) -> None:
        for scale in jax.tree.leaves(self.scale):
            if not jnp.all(jnp.asarray(scale) > 0):
                raise TrainingError("The standard deviations of a prior must be above 0.")

    def log_density(self, trained: Any) -> Float[Array, ""]:
        """Up to a constant."""
        centre = jax.tree.map(jnp.zeros_like, trained) if self.centre is None else self.centre
        is_number = isinstance(self.scale, (int, float)) or eqx.is_array(self.scale)
        scales = jax.tree.map(lambda _: self.scale, trained) if is_number else self.scale

        def term(value: Array, middle: Array, scale: Array) -> Array:
            return -0.5 * jnp.sum(((value - middle) / scale).astype(jnp.float64) ** 2)

        return sum(jax.tree.leaves(jax.tree.map(term, trained, centre, scales)), start=jnp.zeros((), jnp.float64))


class FlatPrior(eqx.Module):
    """No preference: the posterior is the likelihood, where that can be normalised.

    Example:
        >>> from mdfit.uncertainty import FlatPrior
        >>> float(FlatPrior().log_density({"weights": 1e9}))
        0.0
    """

    def log_density(self, trained: Any) -> Float[Array, ""]:
        return jnp.zeros((), jnp.float64)


class Posterior(eqx.Module):
    """log p(θ, σ | data) up to a constant, estimated from a batch.

    (N/n) Σ log p(datum | θ, σ) + log p(θ) + Σ log p(σ) + log σ, with exponential priors p(σ) = exp(−σ/σ₀)/σ₀ of the noise
    scales; the last term is there because log σ is what is sampled.

    Attributes:
        likelihood: pure, see :class:`Likelihood`.
        number: of independent data, N.
        expected_noise: σ₀ by name.
        prior: of the parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.models import Parameters
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import FlatPrior, Posterior, Sampled
        >>> def normal(model, noise, batch):
        ...     return -0.5 * jnp.sum((batch - model.sigma) ** 2), len(batch)
        >>> parameters = Parameters.of(Sampled.of(LennardJones(sigma=3.0), {}))
        >>> posterior = Posterior(normal, number=10, expected_noise={}, prior=FlatPrior())
        >>> float(posterior.log_density(*parameters, jnp.asarray([4.0, 4.0])))
        -5.0
    """

    likelihood: LogLikelihood
    number: float
    expected_noise: dict[str, float]
    prior: NormalPrior | FlatPrior

    @classmethod
    def of(cls, likelihood: Likelihood, prior: NormalPrior | FlatPrior | None) -> Posterior:
        """With independent normal priors of width 1 unless given."""
        return cls(
            likelihood.pure, likelihood.number, dict(likelihood.noise), NormalPrior() if prior is None else prior
        )

    def log_density(self, trained: Any, fixed: Any, batch: Any) -> Float[Array, ""]:
        """At a :class:`Sampled` model, split into what is sampled and the rest."""
        model: Sampled = eqx.combine(trained, fixed)
        total, count = self.likelihood(model.model, model.noise(self.expected_noise), batch)
        log_noise = [value.astype(jnp.float64) for value in model.log_noise.values()]
        of_noise = sum((u - jnp.exp(u) for u in log_noise), start=jnp.zeros((), jnp.float64))
        return total.astype(jnp.float64) * (self.number / count) + self.prior.log_density(trained.model) + of_noise
