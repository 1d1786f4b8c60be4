"""The Lennard-Jones potential, truncated, shifted or switched."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.potentials.pair import PairPotential
from mdfit.units import quantity


class LennardJones(PairPotential):
    """φ(r) = 4ε[(σ/r)¹² − (σ/r)⁶] between all atoms, whatever their species.

    Args:
        epsilon: depth in eV.
        sigma: in Å.
        cutoff: in Å.
        truncation: ``"switch"`` multiplies by a polynomial that falls from 1 to 0 between ``switch_start`` and the
            cutoff with two vanishing derivatives at both ends; ``"shift"`` subtracts the value at the cutoff;
            ``"cut"`` leaves the energy discontinuous (not for dynamics).
        switch_start: in Å, by default nine tenths of the cutoff.

    Raises:
        PotentialError: for parameters out of range.
        UnitError: for quantities of another dimension.
    """

    cutoff: float = eqx.field(static=True)
    truncation: Literal["switch", "shift", "cut"] = eqx.field(static=True)
    switch_start: float = eqx.field(static=True)
    epsilon: Float[Array, ""]
    sigma: Float[Array, ""]

    def __init__(
        self,
        epsilon: float | str = 1.0,
        sigma: float | str = 1.0,
        cutoff: float | str = 2.5,
        truncation: Literal["switch", "shift", "cut"] = "switch",
        switch_start: float | str | None = None,
    ):
        self.epsilon = jnp.asarray(quantity(epsilon, "eV", "epsilon"), jnp.float64)
        self.sigma = jnp.asarray(quantity(sigma, "Å", "sigma"), jnp.float64)
        self.cutoff = quantity(cutoff, "Å", "cutoff")
        self.truncation = truncation
        self.switch_start = 0.9 * self.cutoff if switch_start is None else quantity(switch_start, "Å", "switch_start")
        if truncation not in ("switch", "shift", "cut"):
            raise PotentialError(f"truncation is 'switch', 'shift' or 'cut', not {truncation!r}.")
        if not 0 < self.switch_start < self.cutoff:
            raise PotentialError(
                f"switch_start ({self.switch_start} Å) must lie between zero and the cutoff ({self.cutoff} Å)."
            )

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    def pair_energy(self, squared_distance, first, second):
        epsilon, sigma = (parameter.astype(squared_distance.dtype) for parameter in (self.epsilon, self.sigma))

        def unshifted(squared):
            attraction = (sigma**2 / squared) ** 3
            return 4 * epsilon * (attraction**2 - attraction)

        energy = unshifted(squared_distance)
        if self.truncation == "switch":
            energy = energy * switch(squared_distance, self.switch_start, self.cutoff)
        elif self.truncation == "shift":
            energy = energy - unshifted(self.cutoff**2)
        return jnp.where(squared_distance < self.cutoff**2, energy, jnp.zeros((), energy.dtype))


def switch(squared_distance: Float[Array, ...], start: float, end: float) -> Float[Array, ...]:
    """1 below ``start``, 0 beyond ``end``, 1 − 10x³ + 15x⁴ − 6x⁵ between: twice continuously differentiable in r."""
    x = jnp.clip((jnp.sqrt(squared_distance) - start) / (end - start), 0, 1)
    return 1 - x**3 * (10 - 15 * x + 6 * x**2)
