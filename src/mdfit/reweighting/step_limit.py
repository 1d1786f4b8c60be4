"""The longest step of the parameters after which the samples at hand are still worth enough."""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mdfit.errors import ReweightingError
from mdfit.precision import DOUBLE

#: Steps are never shortened below this fraction.
SMALLEST_FRACTION = 1e-5
#: The fraction is found to this precision.
PRECISION = 1e-7


class StepLimit(eqx.Module):
    """How much of a proposed step may be taken.

    Attributes:
        fraction: α, between 1e-5 and 1.
        ratio: effective size after the fraction of the step over that before, the smallest of all state points.
        satisfied: False when even the smallest fraction lowers the effective size too much.
    """

    fraction: Float[Array, ""]
    ratio: Float[Array, ""]
    satisfied: Bool[Array, ""]


def limit_step(effective_size_at: Callable[[Array], Array], smallest_ratio: float, points: int = 10) -> StepLimit:
    """The largest fraction α of a step with N_eff((1−α)θ + αθ') ≥ ``smallest_ratio`` · N_eff(θ).

    The whole step is taken when it satisfies the condition; otherwise the interval up to the first violation is divided
    again and again until α is known to 1e-7; the α returned has been tested.  Where N_eff is not finite the condition is
    violated.  S. Fuchs et al., Comput. Phys. Commun. 310, 109512 (2025), doi:10.1016/j.cpc.2025.109512.

    Args:
        effective_size_at: effective size after the fraction α of the step, one number or one for each state point; for
            instance ``lambda a: effective_size(log_weights(u(theta + a * step) - u_ref))``.  Pure; it is mapped over α.
        smallest_ratio: between 0 and 1.
        points: evaluated at once in each division.  1 is bisection, the least work where nothing runs in parallel.

    Raises:
        ReweightingError: ``smallest_ratio`` or ``points`` is out of range.
    """
    if not 0 < smallest_ratio <= 1:
        raise ReweightingError(f"The smallest ratio of effective sizes must be in (0, 1], but is {smallest_ratio}.")
    if points < 1:
        raise ReweightingError(f"Each division of a step needs at least one point, but has {points}.")
    before = effective_size_at(jnp.asarray(0.0, DOUBLE))

    def ratio_at(fraction):
        return jnp.min(effective_size_at(fraction) / before).astype(DOUBLE)

    def accepted(ratio):
        # A comparison with NaN is false.
        return ratio >= smallest_ratio

    def divide(_, state):
        low, high, ratio = state
        fractions = low + (high - low) * jnp.arange(1, points + 1) / (points + 1)
        ratios = jax.vmap(ratio_at)(fractions)
        violated = ~accepted(ratios)
        first = jnp.where(violated.any(), jnp.argmax(violated), points)
        edges = jnp.concatenate([low[None], fractions, high[None]])
        return edges[first], edges[first + 1], jnp.concatenate([ratio[None], ratios])[first]

    whole, shortest = jnp.asarray(1.0, DOUBLE), jnp.asarray(SMALLEST_FRACTION, DOUBLE)
    divisions = math.ceil(-math.log(PRECISION) / math.log(points + 1))

    def search(ratio):
        fraction, _, ratio = jax.lax.fori_loop(0, divisions, divide, (shortest, whole, ratio))
        return fraction, ratio

    def shorten(_):
        ratio = ratio_at(shortest)
        return jax.lax.cond(accepted(ratio), search, lambda ratio: (shortest, ratio), ratio)

    ratio_of_whole = ratio_at(whole)
    fraction, ratio = jax.lax.cond(accepted(ratio_of_whole), lambda ratio: (whole, ratio), shorten, ratio_of_whole)
    return StepLimit(fraction, ratio, accepted(ratio))


def tightest(limits: Sequence[StepLimit]) -> StepLimit:
    """Of limits found for several state points, the one with the smallest fraction.

    It is satisfied when all are.

    Raises:
        ReweightingError: there are none.
    """
    if not limits:
        raise ReweightingError("The tightest of no limits was asked for; give at least one.")
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *limits)
    chosen = jnp.argmin(stacked.fraction)
    return StepLimit(stacked.fraction[chosen], stacked.ratio[chosen], stacked.satisfied.all())
