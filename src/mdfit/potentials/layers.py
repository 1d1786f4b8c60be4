"""Pieces that the neural potentials share."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Dense(eqx.Module):
    """x ↦ x W + b on the last axis."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"] | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        key: jax.Array,
        *,
        bias: bool = True,
        gain: float = 1.0,
        orthogonal: bool = False,
    ):
        """Glorot-uniform weights, or random orthogonal ones of variance 1/(inputs + outputs); zero bias."""
        if orthogonal:
            weight = jax.random.orthogonal(key, max(inputs, outputs), dtype=jnp.float32)[:inputs, :outputs]
            weight = weight / jnp.maximum(jnp.std(weight), 1e-12) / np.sqrt(inputs + outputs, dtype=np.float32)
        else:
            limit = np.sqrt(6.0 / (inputs + outputs))
            weight = jax.random.uniform(key, (inputs, outputs), jnp.float32, -limit, limit)
        self.weight = weight * jnp.float32(gain)
        self.bias = jnp.zeros(outputs, jnp.float32) if bias else None

    def __call__(self, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
        # As one matrix: XLA's products with several leading axes copy their operands for the weight gradient.
        y = (x.reshape(-1, x.shape[-1]) @ self.weight).reshape(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


class SpeciesTable(eqx.Module):
    """Turns atomic numbers into positions in the list of known species (0 for padding)."""

    species: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, numbers: Int[Array, " atoms"]) -> Int[Array, " atoms"]:
        table = np.zeros(max(self.species) + 1, np.int32)
        table[list(self.species)] = np.arange(len(self.species))
        return jnp.asarray(table)[numbers]


def polynomial_envelope(x: Float[Array, ...], exponent: int = 6) -> Float[Array, ...]:
    """A factor that falls from 1 at x = 0 to 0 at x = 1 with three vanishing derivatives there but for the last.

    1 − (p+1)(p+2)/2 xᵖ + p(p+2) xᵖ⁺¹ − p(p+1)/2 xᵖ⁺² (Gasteiger et al., arXiv:2003.03123, eq. 8); value, first and
    second derivative vanish at the cutoff, so that energies are twice differentiable.
    """
    p = exponent
    value = 1 - x**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x**2)
    return jnp.where(x < 1, value, jnp.zeros((), x.dtype))


def bessel_basis(
    distances: Float[Array, ...], cutoff: float, frequencies: Float[Array, " functions"]
) -> Float[Array, "... functions"]:
    """√(2/c) sin(f d/c)/d for each frequency f (start: nπ), without the envelope (arXiv:2003.03123, eq. 7)."""
    scaled = distances[..., None] / cutoff
    amplitude = np.sqrt(2.0 / cutoff).astype(np.float32) if distances.dtype == jnp.float32 else np.sqrt(2.0 / cutoff)
    return amplitude * jnp.sin(frequencies.astype(distances.dtype) * scaled) / distances[..., None]


def bessel_frequencies(functions: int) -> Float[Array, " functions"]:
    """The starting frequencies π, 2π, and so on."""
    return jnp.pi * jnp.arange(1, functions + 1, dtype=jnp.float32)


def silu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The sigmoid linear unit, x σ(x) with σ(x) = 1/(1 + exp(−x)).

    S. Elfwing, E. Uchibe, K. Doya, Neural Netw. 107, 3 (2018), doi:10.1016/j.neunet.2017.12.012.
    """
    return x * _sigmoid(x)


@jax.custom_jvp
def _sigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # Without the bound, which changes nothing, the loop over channels is so short that XLA's compiler for CPUs unrolls it
    # and goes through the rows with strides: jax.nn.sigmoid takes 6 times as long for (640, 9, 32) numbers.
    return 0.5 + 0.5 * jnp.tanh(0.5 * jnp.minimum(x, 80.0))


@_sigmoid.defjvp
def _sigmoid_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = _sigmoid(primals[0])
    return value, tangents[0] * (value * (1 - value))
