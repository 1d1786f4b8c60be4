"""The pieces of neural potentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.potentials.layers import silu

WIDE = [-1e30, -800.0, -90.0, -80.0, -20.0, -1.278, -1e-3, 0.0, 0.5, 3.0, 20.0, 90.0, 800.0, 1e30]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["single", "double"])
def test_the_activation_and_its_derivatives_are_those_of_jax(dtype):
    x = jnp.asarray(np.r_[np.linspace(-40, 40, 2001), WIDE[1:-1]], dtype)
    # σ is rounded like a number of order one, and multiplied by x.
    bound = 4 * float(jnp.finfo(dtype).eps) * np.maximum(1, np.abs(x))
    mine, other = silu, jax.nn.silu
    for _ in range(3):
        exact = jax.vmap(other)(x.astype(jnp.float64))
        assert (np.abs(np.asarray(jax.vmap(mine)(x), np.float64) - exact) < bound).all()
        mine, other = jax.grad(mine), jax.grad(other)


def test_the_activation_is_finite_everywhere():
    x = jnp.asarray(WIDE, jnp.float32)
    assert jnp.isfinite(silu(x)).all()
    assert jnp.isfinite(jax.vmap(jax.grad(silu))(x)).all()
    assert float(silu(x[-1])) == pytest.approx(1e30)
    assert jnp.isnan(silu(jnp.float32(jnp.nan)))
