"""Free energies as functions of collective variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.distribution import Distribution, JointDistribution
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN


@dataclass(frozen=True)
class FreeEnergyProfile(Observable):
    """Free energy F = −k_B T ln p of collective variables in eV, T being the temperature of the thermostat.

    Bins that no frame has visited are NaN: their free energy is not known, only that it is high.  To train, take the
    distribution itself, which is defined everywhere.

    Args:
        distribution: p, of one variable or two.
        zero: ``"minimum"`` sets the lowest value to zero; ``"density"`` leaves the one where p is 1 in its unit.

    Raises:
        ObservableError: for another kind of distribution or of zero.

    Example:
        >>> from mdfit.observables import Dihedral, Distribution, FreeEnergyProfile
        >>> profile = FreeEnergyProfile(Distribution(Dihedral(4, 6, 8, 14), bins=60))
        >>> profile.shape, profile.unit, profile.grid_unit
        ((60,), 'eV', 'rad')
    """

    distribution: Distribution | JointDistribution
    zero: Literal["minimum", "density"] = "minimum"

    unit = "eV"

    def __post_init__(self) -> None:
        if not isinstance(self.distribution, (Distribution, JointDistribution)):
            raise ObservableError("A free-energy profile is of a distribution: FreeEnergyProfile(Distribution(...)).")
        if self.zero not in ("minimum", "density"):
            raise ObservableError(f"zero is 'minimum' or 'density', not {self.zero!r}.")

    @property
    def name(self) -> str:
        return self.distribution.name.replace("Distribution", "FreeEnergyProfile", 1)

    @property
    def grid_unit(self) -> str:  # type: ignore[override]
        return self.distribution.grid_unit

    @property
    def grid(self) -> np.ndarray | None:
        return self.distribution.grid

    @property
    def shape(self) -> tuple[int, ...]:
        return self.distribution.shape

    def check(self, trajectory: Trajectory) -> None:
        self.distribution.check(trajectory)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " numbers"]:
        """The density of every bin, then k_B T."""
        density = self.distribution.per_snapshot(snapshot).ravel()
        return jnp.append(density, BOLTZMANN * snapshot.temperature)

    def combine(self, averages: Float[Array, " numbers"]) -> Float[Array, "..."]:
        density, thermal = averages[:-1], averages[-1]
        visited = density > 0
        energy = jnp.where(visited, -thermal * jnp.log(jnp.where(visited, density, 1)), jnp.nan)
        if self.zero == "minimum":
            energy = energy - jnp.nanmin(energy)
        return energy.reshape(self.shape)
