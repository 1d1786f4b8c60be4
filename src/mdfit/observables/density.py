"""Mass density."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.observables.base import Observable, require_periodic
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import GRAM_PER_CUBIC_CENTIMETRE


@dataclass(frozen=True)
class Density(Observable):
    """Mass over volume in g/cm³.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Density, per_frame
        >>> from mdfit.simulate import Trajectory
        >>> silicon = bulk("Si", cubic=True)
        >>> frames = Frames(silicon.numbers, silicon.get_masses(), [silicon.positions], silicon.cell, silicon.pbc)
        >>> per_frame(Density(), Trajectory.of_frames(frames, temperature=300.0)).round(3).tolist()
        [[2.33]]
    """

    unit = "g/cm^3"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return jnp.sum(snapshot.masses) / snapshot.volume / GRAM_PER_CUBIC_CENTIMETRE

    def check(self, trajectory: Trajectory) -> None:
        require_periodic(self.name, trajectory)
