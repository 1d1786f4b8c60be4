"""Potential and total energy."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Float

from mdfit.observables.base import Observable
from mdfit.observables.snapshot import Snapshot


@dataclass(frozen=True)
class PotentialEnergy(Observable):
    """Potential energy of the whole structure in eV."""

    unit = "eV"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return snapshot.potential_energy


@dataclass(frozen=True)
class TotalEnergy(Observable):
    """Potential plus kinetic energy of the whole structure in eV."""

    uses_velocities = True

    unit = "eV"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return snapshot.potential_energy + snapshot.kinetic_energy
