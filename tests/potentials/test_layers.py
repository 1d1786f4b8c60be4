"""The pieces of neural potentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.potentials.layers import silu

WIDE = [-1e30, -800.0, -90.0, -80.0, -20.0, -1.278, -1e-3, 0.0, 0.5, 3.0, 20.0, 90.0, 800.0, 1e30]


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 2e-7), (jnp.float64, 4e-16)], ids=["single", "double"])
def test_the_activation_and_its_derivatives_are_those_of_jax(dtype, tolerance):
    x = jnp.asarray(np.r_[np.linspace(-30, 30, 2001), WIDE[1:-1]], dtype)
    mine, other = silu, jax.nn.silu
    for _ in range(3):
        # Sums of terms of order one that cancel: the error is that of the terms.
        np.testing.assert_allclose(jax.vmap(mine)(x), jax.vmap(other)(x), rtol=8 * tolerance, atol=8 * tolerance)
        mine, other = jax.grad(mine), jax.grad(other)


def test_the_activation_is_finite_everywhere():
    x = jnp.asarray(WIDE, jnp.float32)
    assert jnp.isfinite(silu(x)).all()
    assert jnp.isfinite(jax.vmap(jax.grad(silu))(x)).all()
    assert float(silu(x[-1])) == pytest.approx(1e30)
    assert jnp.isnan(silu(jnp.float32(jnp.nan)))
