"""Statistical weights that make samples of one ensemble stand for another one.

Samples of the reduced energy u_ref give averages in the ensemble of u with the weights

    w_i = exp(-Δu_i) / Σ_j exp(-Δu_j),   Δu_i = u(x_i) - u_ref(x_i)

(R. W. Zwanzig, J. Chem. Phys. 22, 1420 (1954), doi:10.1063/1.1740409).  The reduced energy contains all that differs
between ensembles: the potential, the temperature and the pressure.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import ReweightingError
from mdfit.precision import DOUBLE
from mdfit.units import BAR, BOLTZMANN, quantity


def thermal_energy(temperature: ArrayLike | str) -> Array:
    """k_B T in eV of a temperature in K, or with its unit in a string.

    Raises:
        ReweightingError: the temperature is not positive.
        UnitError: it is not a temperature.
    """
    kelvin = quantity(temperature, "K", "temperature") if isinstance(temperature, str) else temperature
    if not isinstance(kelvin, jax.core.Tracer) and not np.all(np.asarray(kelvin) > 0):
        raise ReweightingError(f"The temperature of an ensemble must be positive, but is {temperature}.")
    return BOLTZMANN * jnp.asarray(kelvin, DOUBLE)


def reduced_energy(
    energy: ArrayLike,
    temperature: ArrayLike | str,
    pressure: ArrayLike | str | None = None,
    volume: ArrayLike | None = None,
) -> Float[Array, "*samples"]:
    """Reduced energies u = (U + p V) / (k_B T), without unit; without a pressure those of the canonical ensemble.

    For ensembles that differ in temperature, U is the potential energy when the quantities to be averaged depend on
    positions alone, and the total energy when they depend on velocities, too.  Differentiable in all arguments.

    Args:
        energy: ``(samples,)`` in eV.
        temperature: in K.
        pressure: in bar, together with ``volume``.
        volume: ``(samples,)`` in Å³.

    Raises:
        ReweightingError: only one of pressure and volume is given, or the temperature is not positive.
        UnitError: a string has another dimension.
    """
    if (pressure is None) != (volume is None):
        raise ReweightingError(
            "A reduced energy at constant pressure needs both the pressure and the volumes; give both."
        )
    total = jnp.asarray(energy, DOUBLE)
    if pressure is not None and volume is not None:
        bar = quantity(pressure, "bar", "pressure") if isinstance(pressure, str) else pressure
        total = total + BAR * jnp.asarray(bar, DOUBLE) * jnp.asarray(volume, DOUBLE)
    return total / thermal_energy(temperature)


def log_weights(change: Float[ArrayLike, " samples"]) -> Float[Array, " samples"]:
    """Normalised ln w of samples whose reduced energy changes by ``change``, u(x) − u_ref(x).

    Pure: it may be compiled, mapped and differentiated; the derivative with respect to the parameters in u is the whole
    point of reweighting, so u_ref must be a constant.  A change of +∞ (a state that the new ensemble forbids) has
    weight zero and derivative zero; NaN stays NaN.  :func:`mdfit.reweighting.require_finite` finds both on the host.

    Raises:
        ReweightingError: ``change`` is not a list of numbers, or empty.
    """
    change = jnp.asarray(change, DOUBLE)
    if change.ndim != 1 or change.size == 0:
        raise ReweightingError(
            f"Weights need one reduced energy per sample, but the array has the shape {change.shape}; "
            "join replicas with reshape(-1), and map over ensembles with jax.vmap."
        )
    return jax.nn.log_softmax(-change)


def average(
    log_weights: Float[Array, " samples"], values: Float[ArrayLike, "samples *shape"]
) -> Float[Array, "*shape"]:
    """Weighted mean Σ w O over the leading axis, in double precision; pure and differentiable in both arguments.

    With ∂w/∂θ from :func:`log_weights` its derivative is <∂O/∂θ> − (<O ∂u/∂θ> − <O><∂u/∂θ>): values that depend on the
    parameters themselves (energies, pressures) have to be computed with the same parameters as the weights.
    """
    return jnp.tensordot(jnp.exp(log_weights), jnp.asarray(values, DOUBLE), axes=1)
