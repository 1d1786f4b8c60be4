"""Coordination number."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.pairs import GAUSSIAN_REACH, check_range, species_choice, sum_over_pairs, with_species
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import quantity


def within(distances: Float[Array, "*shape"], cutoff: float, width: float) -> Float[Array, "*shape"]:
    """1 below ``cutoff``, 0 beyond; a Gaussian cumulative distribution function of ``width`` (Å) unless that is 0."""
    if width == 0:
        return jnp.where(distances < cutoff, jnp.ones((), distances.dtype), 0)
    return jax.scipy.special.ndtr((cutoff - distances) / width)


@dataclass(frozen=True)
class CoordinationNumber(Observable):
    """Average number of neighbours of species B within a cutoff around atoms of species A.

    Args:
        cutoff: in Å, usually the first minimum of g(r).
        pair: the central and the neighbouring species as chemical symbols or numbers; None takes all atoms.
        width: in Å, over which a neighbour stops to count (differentiable); 0 counts whole neighbours.

    Raises:
        ObservableError: for parameters out of range.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import CoordinationNumber, per_frame
        >>> from mdfit.simulate import Trajectory
        >>> silicon = bulk("Si", cubic=True)
        >>> frames = Frames(silicon.numbers, silicon.get_masses(), [silicon.positions], silicon.cell, silicon.pbc)
        >>> trajectory = Trajectory.of_frames(frames, temperature=300.0)
        >>> per_frame(CoordinationNumber(cutoff="2.6 Å"), trajectory).round(3).tolist()
        [[4.0]]
    """

    cutoff: float | str
    pair: tuple[str | int, str | int] | None = None
    width: float | str = 0.0

    unit = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoff", quantity(self.cutoff, "Å", "cutoff"))
        object.__setattr__(self, "width", quantity(self.width, "Å", "width"))
        object.__setattr__(self, "pair", species_choice("pair", self.pair, ("Si", "O")))
        if not (self.cutoff > 0 and self.width >= 0):  # type: ignore[operator]
            raise ObservableError("A coordination number needs a positive cutoff and a width that is not negative.")

    @property
    def name(self) -> str:
        return with_species("CoordinationNumber", self._species)

    @property
    def _species(self) -> tuple[int | None, int | None]:
        return (None, None) if self.pair is None else self.pair  # type: ignore[return-value]

    def check(self, trajectory: Trajectory) -> None:
        check_range(self.name, self._species, self.cutoff + GAUSSIAN_REACH * self.width, trajectory)  # type: ignore[operator]

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        def count(distances: Float[Array, " atoms"], counted: Bool[Array, " atoms"]) -> Float[Array, ""]:
            return jnp.sum(jnp.where(counted, within(distances, self.cutoff, self.width), 0))  # type: ignore[arg-type]

        neighbours, atoms, _ = sum_over_pairs(snapshot, self._species, count)
        return neighbours / atoms
