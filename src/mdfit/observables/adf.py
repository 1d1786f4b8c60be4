"""Angular distribution function."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import ObservableError
from mdfit.graph.angles import angle_between
from mdfit.observables.base import Observable
from mdfit.observables.coordination import within
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
class ADF(Observable):
    """Distribution p(θ) of the angles i–j–k at j with both legs shorter than a cutoff; ∫₀^π p dθ = 1.

    Angles are atan2(‖a×b‖, a·b), each smeared by a Gaussian; p is not divided by sin θ.  The normalisation is that of
    the average histogram (``combine``).  S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021),
    doi:10.1038/s41467-021-27241-4, supplement.

    Args:
        cutoff: of the legs in Å.
        bins: between 0 and π.
        triplet: three species, the middle one at the centre of the angle; None takes all atoms.
        smearing: standard deviation of the Gaussian in rad; None takes one bin width; 0 gives a plain histogram.
        width: in Å, over which a leg stops to count around the cutoff; 0 is a step.
        max_neighbours: of an atom within the cutoff.

    Raises:
        ObservableError: for parameters out of range.

    Example:
        >>> from mdfit.observables import ADF
        >>> angles = ADF(cutoff="3.5 Å", bins=4, triplet=("O", "O", "O"))
        >>> angles.name, angles.grid.round(3).tolist()
        ('ADF O-O-O', [0.393, 1.178, 1.963, 2.749])
    """

    cutoff: float | str
    bins: int = 180
    triplet: tuple[str | int, str | int, str | int] | None = None
    smearing: float | None = None
    width: float | str = 0.01
    max_neighbours: int = 16

    unit = "1/rad"
    grid_unit = "rad"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoff", quantity(self.cutoff, "Å", "cutoff"))
        object.__setattr__(self, "width", quantity(self.width, "Å", "width"))
        object.__setattr__(self, "triplet", species_choice("triplet", self.triplet, ("H", "O", "H")))
        if not (self.cutoff > 0 and self.width >= 0 and self.bins >= 1 and (self.smearing or 0) >= 0):  # type: ignore[operator]
            raise ObservableError("An ADF needs a positive cutoff, at least one bin, and width and smearing ≥ 0.")

    @property
    def name(self) -> str:
        return with_species("ADF", self._species)

    @property
    def grid(self) -> np.ndarray:
        """Centres of the bins in rad."""
        return (np.arange(self.bins) + 0.5) * self._bin_width

    @property
    def remedy(self) -> str:
        return f"an atom has more than {self.max_neighbours} neighbours in reach, raise max_neighbours"

    @property
    def _species(self) -> tuple[int | None, int | None, int | None]:
        return (None, None, None) if self.triplet is None else self.triplet  # type: ignore[return-value]

    @property
    def _bin_width(self) -> float:
        return np.pi / self.bins

    @property
    def _smearing(self) -> float | None:
        if self.smearing is None:
            return self._bin_width
        return self.smearing or None

    @property
    def _reach(self) -> float:
        return self.cutoff + GAUSSIAN_REACH * self.width  # type: ignore[operator]

    def check(self, trajectory: Trajectory) -> None:
        check_range(self.name, self._species, self._reach, trajectory)
        if len(trajectory.species) < 3:
            raise ObservableError("An ADF needs at least three atoms.")

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " bins"]:
        """Histogram of all angles, not normalised; NaN when an atom has more neighbours than ``max_neighbours``."""
        one_end, centre, other_end = (is_species(snapshot, one) for one in self._species)
        atoms = snapshot.number_of_atoms
        kept = min(self.max_neighbours, atoms - 1)
        first, second = np.triu_indices(kept, 1)

        def angles_at(atom: Int[Array, ""]) -> Float[Array, " bins"]:
            vectors = vectors_from(snapshot, atom)
            squared = jnp.where(jnp.arange(atoms) == atom, jnp.inf, jnp.sum(vectors**2, axis=-1))
            closest = jax.lax.top_k(-jax.lax.stop_gradient(squared), kept)[1]
            near = squared[closest] < self._reach**2
            # Legs that do not count get a harmless geometry, so that gradients stay finite.
            legs = jnp.where(near[:, None], vectors[closest], jnp.ones((), vectors.dtype))
            weights = jnp.where(near, within(jnp.linalg.norm(legs, axis=-1), self.cutoff, self.width), 0)  # type: ignore[arg-type]
            one, other = (jnp.where(kind[closest], weights, 0) for kind in (one_end, other_end))
            both = one[first] * other[second] + one[second] * other[first]
            counts = histogram(
                angle_between(legs[first], legs[second]),
                both * centre[atom],
                self.bins,
                self._bin_width,
                self._smearing,
            )
            overflow = jnp.sum(squared < self._reach**2) > kept
            return jnp.where(overflow, jnp.nan, counts)

        return sum_over_atoms(angles_at, atoms)

    def combine(self, averages: Float[Array, " bins"]) -> Float[Array, " bins"]:
        return averages / (jnp.sum(averages) * self._bin_width)
