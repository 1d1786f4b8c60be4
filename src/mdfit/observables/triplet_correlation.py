"""Three-body correlation of equilateral triangles."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable, require_periodic
from mdfit.observables.pairs import (
    GAUSSIAN_REACH,
    check_range,
    histogram,
    is_species,
    species_choice,
    sum_over_atoms,
    vectors_from,
    with_species,
)
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import quantity


@dataclass(frozen=True)
class EquilateralTripletCorrelation(Observable):
    """g₃(r, r, r): how likely three atoms form a triangle of equal sides r, relative to an ideal gas.

    g₃(x, y, z) = Σ over ordered triplets of a normalised Gaussian in the three distances, over 8π² x y z ρ² N, at
    x = y = z = r.  ρ² N is N(N − 1)(N − 2)/V² here, so that the ideal gas has exactly 1.  S. Thaler, M. Stupp,
    J. Zavadlav, J. Chem. Phys. 157, 244103 (2022), doi:10.1063/5.0124538, who take a Gaussian of one bin width.

    Args:
        minimum, maximum: edges of the range of r in Å; five standard deviations more must fit into half the smallest height
            of the cell.
        bins: of equal width.
        smearing: standard deviation of the Gaussian in Å; by default one bin width.
        species: of all three atoms; None takes all atoms.
        max_neighbours: of an atom within ``maximum`` and five standard deviations.

    Raises:
        ObservableError: for parameters out of range.
        UnitError: for quantities of another dimension.

    Example:
        >>> from mdfit.observables import EquilateralTripletCorrelation
        >>> EquilateralTripletCorrelation("2 Å", "5 Å", bins=3).grid.tolist()
        [2.5, 3.5, 4.5]
    """

    minimum: float | str = 2.0
    maximum: float | str = 5.0
    bins: int = 50
    smearing: float | str | None = None
    species: str | int | None = None
    max_neighbours: int = 48

    unit = ""
    grid_unit = "Å"

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum"):
            object.__setattr__(self, name, quantity(getattr(self, name), "Å", name))
        if not (0 < self.minimum < self.maximum and self.bins >= 1 and self.max_neighbours >= 2):  # type: ignore[operator]
            raise ObservableError(
                "A triplet correlation needs 0 < minimum < maximum, at least one bin and at least two neighbours."
            )
        width = self._width if self.smearing is None else quantity(self.smearing, "Å", "smearing")
        if not width > 0:
            raise ObservableError(f"The smearing of a triplet correlation must be positive, but is {width} Å.")
        object.__setattr__(self, "smearing", width)
        chosen = species_choice("species", None if self.species is None else (self.species,), ("O",))
        object.__setattr__(self, "species", None if chosen is None else chosen[0])

    @property
    def name(self) -> str:
        return with_species("EquilateralTripletCorrelation", (self.species,))  # type: ignore[arg-type]

    @property
    def grid(self) -> np.ndarray:
        """Centres of the bins in Å."""
        return self.minimum + (np.arange(self.bins) + 0.5) * self._width  # type: ignore[operator]

    @property
    def remedy(self) -> str:
        return f"an atom has more than {self.max_neighbours} neighbours in reach, raise max_neighbours"

    @property
    def _width(self) -> float:
        return (self.maximum - self.minimum) / self.bins  # type: ignore[operator]

    @property
    def _reach(self) -> float:
        return self.maximum + GAUSSIAN_REACH * self.smearing  # type: ignore[operator]

    def check(self, trajectory: Trajectory) -> None:
        require_periodic(self.name, trajectory)
        check_range(self.name, (self.species,), self._reach, trajectory)  # type: ignore[arg-type]
        number = len(trajectory.species) if self.species is None else int(np.sum(trajectory.species == self.species))
        if number < 3:
            raise ObservableError(f"{self.name} needs at least three atoms, but the trajectory has {number}.")

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " bins"]:
        """g₃ at the centres of the bins; NaN when an atom has more neighbours than ``max_neighbours``."""
        counted = is_species(snapshot, self.species)  # type: ignore[arg-type]
        atoms = snapshot.number_of_atoms
        kept = min(self.max_neighbours, atoms - 1)
        first, second = np.triu_indices(kept, 1)
        sigma, low = float(self.smearing), float(self.minimum)  # type: ignore[arg-type]

        def around(atom: Int[Array, ""]) -> Float[Array, " bins"]:
            vectors = vectors_from(snapshot, atom)
            others = counted & (jnp.arange(atoms) != atom)
            squared = jnp.where(others, jnp.sum(vectors**2, axis=-1), jnp.inf)
            closest = jax.lax.top_k(-jax.lax.stop_gradient(squared), kept)[1]
            near = squared[closest] < self._reach**2
            # Atoms that do not count get a harmless geometry, so that gradients stay finite.
            legs = jnp.where(near[:, None], vectors[closest], jnp.arange(1.0, 3 * kept + 1).reshape(kept, 3))
            sides = jnp.linalg.norm(jnp.stack([legs[first], legs[second], legs[second] - legs[first]]), axis=-1)
            mean = jnp.mean(sides, axis=0)
            # Σ (side − r)² = 3 (mean − r)² + Σ (side − mean)²: one Gaussian of width σ/√3 in r, with a weight.
            spread = jnp.sum((sides - mean) ** 2, axis=0)
            weights = jnp.where(near[first] & near[second] & counted[atom], jnp.exp(-0.5 * spread / sigma**2), 0)
            found = histogram(mean - low, weights, self.bins, self._width, sigma / np.sqrt(3))
            overflow = jnp.sum(squared < self._reach**2) > kept
            return jnp.where(overflow, jnp.nan, found)

        # Each triangle was seen from each of its atoms, with the others in one of two orders.
        sums = 2 * sum_over_atoms(around, atoms)
        # From a histogram of the mean side to the density in all three distances.
        density = sums / self._width / (2 * np.pi * sigma**2) / np.sqrt(3)
        number = jnp.sum(counted)
        ideal = 8 * np.pi**2 * self.grid**3 * number * (number - 1) * (number - 2) / snapshot.volume**2
        return density / ideal
