"""The root of an increasing function, differentiable in whatever the function depends on."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

#: Bisection alone needs 1100 steps for any interval of double-precision numbers, and about 60 for those of energies.
_MOST_STEPS = 1200
_PRECISION = 4 * jnp.finfo(jnp.float64).eps
#: The last step, the one before, the bracket, the point and the number of steps.
_State = tuple[Array, Array, Array, Array, Array, Array]


def increasing_root(
    function: Callable[[Array], Array], low: Float[Array, ""], high: Float[Array, ""]
) -> Float[Array, ""]:
    """Where ``function`` is zero between ``low`` and ``high``, to the last digits of double precision.

    Newton's method, with bisection wherever a step leaves the interval or does not shorten.  Pure: it may be compiled and
    mapped.  The derivative follows from the implicit function theorem, dx = −∂f/∂θ / (∂f/∂x), so it costs one evaluation.
    NaN when the function is NaN.

    Args:
        function: of one number, increasing, with ``function(low) <= 0 <= function(high)``.
        low: below the root; not differentiated.
        high: above the root; not differentiated.
    """
    low, high = jax.lax.stop_gradient((low, high))

    def solve(function: Callable[[Array], Array], start: Array) -> Array:
        return _newton_in_bracket(function, low, high, start)

    def solve_tangent(linear: Callable[[Array], Array], right_side: Array) -> Array:
        return right_side / linear(jnp.ones_like(right_side))

    return jax.lax.custom_root(function, (low + high) / 2, solve, solve_tangent)


def _newton_in_bracket(function: Callable[[Array], Array], low: Array, high: Array, start: Array) -> Array:
    with_slope = jax.value_and_grad(function)

    def unfinished(state: _State) -> Bool[Array, ""]:
        step, _, _, _, _, steps = state
        return ~(jnp.abs(step) <= _PRECISION * jnp.maximum(jnp.abs(state[4]), 1e-3)) & (steps < _MOST_STEPS)

    def improve(state: _State) -> _State:
        step, step_before, low, high, point, steps = state
        value, slope = with_slope(point)
        low, high = jnp.where(value < 0, point, low), jnp.where(value > 0, point, high)
        newton = -value / slope
        inside = (point + newton > low) & (point + newton < high)
        shortens = jnp.abs(newton) < 0.5 * jnp.abs(step_before)
        middle = low + (high - low) / 2 - point
        chosen = jnp.where(value == 0, 0.0, jnp.where(inside & shortens, newton, middle))
        return chosen, step, low, high, jnp.where(jnp.isnan(value), value, point + chosen), steps + 1

    width = high - low
    state = (width, width, low, high, start, jnp.asarray(0))
    return jax.lax.while_loop(unfinished, improve, state)[4]
