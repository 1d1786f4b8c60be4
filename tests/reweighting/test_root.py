"""Roots of functions whose roots are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.reweighting.root import increasing_root


@pytest.mark.parametrize(
    "function", [lambda z: z, lambda z: jnp.tanh(50 * z), lambda z: z + jnp.sinh(z / 1e4), lambda z: z**3]
)
def test_root_of_increasing_functions(function):
    def root(a):
        return increasing_root(lambda x: function(x - a), jnp.asarray(-1e3), jnp.asarray(1e6))

    assert float(root(0.3)) == pytest.approx(0.3, abs=1e-12)
    assert float(root(-999.0)) == pytest.approx(-999.0, abs=1e-9)
    assert np.isnan(root(np.nan))


def test_derivative_of_a_root():
    def root(a):
        return increasing_root(lambda x: jnp.sinh(x) - a**3, jnp.asarray(-10.0), jnp.asarray(10.0))

    assert float(jax.grad(root)(1.3)) == pytest.approx(3 * 1.3**2 / np.sqrt(1 + 1.3**6), rel=1e-12)
    assert float(jax.grad(jax.grad(root))(1.3)) == pytest.approx(
        6 * 1.3 / np.sqrt(1 + 1.3**6) - 9 * 1.3**7 / (1 + 1.3**6) ** 1.5, rel=1e-12
    )
