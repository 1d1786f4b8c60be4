"""The No-U-Turn sampler on all data: the reference for samplers that see a part of the data at a time.

M. D. Hoffman, A. Gelman, J. Mach. Learn. Res. 15, 1593 (2014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.models import Model, Parameters, trainable
from mdfit.uncertainty.kernels import Kernel, Target, require_blackjax
from mdfit.uncertainty.posterior import FlatPrior, Likelihood, NormalPrior, Posterior
from mdfit.uncertainty.sampled import Sampled
from mdfit.uncertainty.schedules import ConstantSteps


class NUTS(Kernel):
    """Exact steps of Hamiltonian dynamics that end where they turn back; for likelihoods of all data at once.

    Made by :func:`adapted_nuts` or :func:`~mdfit.uncertainty.laplace_nuts`, which find the mass matrix and the step size.

    Attributes:
        inverse_mass: of all sampled parameters in the order of the tree; its diagonal, or the whole matrix.
        most_doublings: a trajectory has at most 2 to this power steps, each of which costs a gradient.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import NUTS, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), NUTS(jax.numpy.ones(2))
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.5, 1.0)
        >>> position.shape
        (2,)
    """

    inverse_mass: Float[Array, " parameters"] | Float[Array, "parameters parameters"]
    most_doublings: int = 10

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        nuts = require_blackjax().nuts

        def log_density(where: Any) -> Float[Array, ""]:
            return target.log_density(where) / temperature

        kernel = nuts.build_kernel()
        state, _ = kernel(
            key, nuts.init(position, log_density), log_density, size, self.inverse_mass, self.most_doublings
        )
        return state.position, memory


def adapted_nuts(
    start: Model,
    likelihood: Likelihood,
    *,
    prior: NormalPrior | FlatPrior | None = None,
    temperature: float = 1.0,
    steps: int = 1000,
    train_only: Callable[[Any], Any] = trainable,
    seed: int = 0,
) -> tuple[NUTS, ConstantSteps]:
    """The sampler and its steps, adapted to a posterior, for :func:`~mdfit.uncertainty.sample_posterior`.

    Args:
        start: a model that fits the data.
        likelihood: of all data at once (``is_full_batch``).
        prior: of the parameters; independent normal distributions of width 1 when left out.
        temperature: of the posterior.
        steps: of the adaptation (Stan's windows).
        train_only: see :func:`~mdfit.uncertainty.sample_posterior`; the same as there.
        seed: of its random numbers.

    Raises:
        TrainingError: for a likelihood that shows a part of the data at a time.
    """
    if not likelihood.is_full_batch:
        raise TrainingError("NUTS needs all data at once: give a likelihood with is_full_batch, or take SGLD or PSGLD.")
    blackjax = require_blackjax()
    sampled = Sampled.of(start, likelihood.noise)
    flags = eqx.tree_at(lambda one: one.model, trainable(sampled), train_only(start))
    parameters = Parameters.of(sampled, flags)
    posterior = Posterior.of(likelihood, prior)
    batch, _ = likelihood.draw(start, likelihood.initial_state(seed, start))

    def log_density(where: Any) -> Float[Array, ""]:
        return posterior.log_density(where, parameters.fixed, batch) / temperature

    adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
    trained = jax.tree.map(jnp.asarray, parameters.trained)
    (_, found), _ = eqx.filter_jit(adaptation.run)(jax.random.key(seed), trained, num_steps=steps)
    return NUTS(found["inverse_mass_matrix"]), ConstantSteps(float(found["step_size"]))
