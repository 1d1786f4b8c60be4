"""Repulsion by an inverse power of the distance, the usual prior under a learned coarse-grained potential."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mdfit.errors import PotentialError
from mdfit.potentials.lennard_jones import switch
from mdfit.potentials.pair import PairPotential
from mdfit.units import quantity


class InversePower(PairPotential):
    """φ(r) = ε(σ/r)ⁿ S(r) between all atoms, S falling from 1 to 0 between ``switch_start`` and the cutoff.

    S is twice continuously differentiable, as in :class:`LennardJones`.

    Args:
        epsilon: energy at σ in eV.
        sigma: in Å.
        cutoff: in Å.
        power: n.
        switch_start: in Å, by default nine tenths of the cutoff.

    Raises:
        PotentialError: for parameters out of range.
        UnitError: for quantities of another dimension.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import InversePower, pair_curve
        >>> repulsion = InversePower(epsilon=0.1, sigma="3 Å", cutoff="6 Å")
        >>> pair_curve(repulsion, np.array([2.5, 3.0, 6.0])).round(3).tolist()
        [0.892, 0.1, 0.0]
    """

    cutoff: float = eqx.field(static=True)
    power: int = eqx.field(static=True)
    switch_start: float = eqx.field(static=True)
    epsilon: Float[Array, ""]
    sigma: Float[Array, ""]

    def __init__(
        self,
        epsilon: float | str = 1.0,
        sigma: float | str = 1.0,
        cutoff: float | str = 2.5,
        power: int = 12,
        switch_start: float | str | None = None,
    ):
        self.epsilon = jnp.asarray(quantity(epsilon, "eV", "epsilon"), jnp.float64)
        self.sigma = jnp.asarray(quantity(sigma, "Å", "sigma"), jnp.float64)
        self.cutoff, self.power = quantity(cutoff, "Å", "cutoff"), power
        self.switch_start = 0.9 * self.cutoff if switch_start is None else quantity(switch_start, "Å", "switch_start")
        check_inverse_power(power, self.switch_start, self.cutoff)

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    def pair_energy(
        self, squared_distance: Float[Array, "*pairs"], first: Int[Array, "*#pairs"], second: Int[Array, "*#pairs"]
    ) -> Float[Array, "*pairs"]:
        epsilon, sigma = (parameter.astype(squared_distance.dtype) for parameter in (self.epsilon, self.sigma))
        return inverse_power(squared_distance, epsilon, sigma, self.cutoff, self.power, self.switch_start)


def inverse_power(
    squared_distance: Float[Array, "*pairs"],
    epsilon: Float[Array, "..."],
    sigma: Float[Array, "..."],
    cutoff: float,
    power: int,
    switch_start: float,
) -> Float[Array, "*pairs"]:
    """φ of :class:`InversePower`."""
    energy = epsilon * (sigma / jnp.sqrt(squared_distance)) ** power
    factor, _ = switch(squared_distance, switch_start, cutoff)
    return jnp.where(squared_distance < cutoff**2, energy * factor, jnp.zeros((), energy.dtype))


def check_inverse_power(power: int, switch_start: float, cutoff: float) -> None:
    """Raises PotentialError for a power or a switch out of range."""
    if not 0 < switch_start < cutoff or power < 1:
        raise PotentialError(
            f"An inverse power needs 0 < switch_start < cutoff and a power of at least 1, not {switch_start} Å, "
            f"{cutoff} Å and {power}."
        )
