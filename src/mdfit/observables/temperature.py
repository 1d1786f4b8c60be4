"""Temperature."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Float

from mdfit.observables.base import Observable
from mdfit.observables.snapshot import Snapshot
from mdfit.units import BOLTZMANN


@dataclass(frozen=True)
class Temperature(Observable):
    """Kinetic temperature T = 2K / (f k_B) with the kinetic energy K of f degrees of freedom, in K.

    Example:
        >>> from mdfit.observables import Temperature
        >>> Temperature().unit, Temperature().uses_velocities
        ('K', True)
    """

    uses_velocities = True

    unit = "K"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return 2 * snapshot.kinetic_energy / (snapshot.degrees_of_freedom * BOLTZMANN)
