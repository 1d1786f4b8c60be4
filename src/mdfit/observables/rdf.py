"""Radial distribution function."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Bool, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable, require_periodic
from mdfit.observables.pairs import GAUSSIAN_REACH, check_range, histogram, species_choice, sum_over_pairs, with_species
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import quantity


@dataclass(frozen=True)
class RDF(Observable):
    """Radial distribution function g(r) between two species (or all atoms).

    g(r_b) = n(r_b) / [N_A ρ_B (4π/3)(r_{b+}³ − r_{b−}³)] with the ordered pairs n(r_b) in a bin and ρ_B = N_B/V.  For
    equal species the ideal gas thus has g = 1 − 1/N.  M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids,
    2nd ed., section 8.2.

    Args:
        r_max: in Å; at most half the smallest height of the cell (less five times the smearing).
        bins: from zero to ``r_max``.
        pair: two chemical symbols or species numbers; None takes all atoms.
        smearing: standard deviation in Å of a Gaussian instead of a plain histogram, which makes g(r) differentiable
            with respect to positions (S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021),
            doi:10.1038/s41467-021-27241-4, who take one bin width).

    Raises:
        ObservableError: for parameters out of range.

    Example:
        >>> from mdfit.observables import RDF
        >>> [function.name for function in RDF.for_species_pairs([1, 8], r_max="6 Å")]
        ['RDF H-H', 'RDF H-O', 'RDF O-O']
        >>> RDF(r_max="6 Å", bins=3).grid.tolist()
        [1.0, 3.0, 5.0]
    """

    r_max: float | str
    bins: int = 200
    pair: tuple[str | int, str | int] | None = None
    smearing: float | str | None = None

    unit = ""
    grid_unit = "Å"

    def __post_init__(self) -> None:
        object.__setattr__(self, "r_max", quantity(self.r_max, "Å", "r_max"))
        if self.smearing is not None:
            object.__setattr__(self, "smearing", quantity(self.smearing, "Å", "smearing"))
        object.__setattr__(self, "pair", species_choice("pair", self.pair, ("Si", "O")))
        if not (self.r_max > 0 and self.bins >= 1 and (self.smearing is None or self.smearing > 0)):  # type: ignore[operator]
            raise ObservableError("An RDF needs a positive r_max, at least one bin and a positive smearing (or None).")

    @classmethod
    def for_species_pairs(
        cls, species: Iterable[int], r_max: float | str, bins: int = 200, smearing: float | str | None = None
    ) -> tuple[RDF, ...]:
        """One function per pair of the species that occur, e.g. in ``trajectory.species``."""
        kinds = sorted({int(one) for one in species})
        return tuple(cls(r_max, bins, pair, smearing) for pair in itertools.combinations_with_replacement(kinds, 2))

    @property
    def name(self) -> str:
        return with_species("RDF", self._species)

    @property
    def grid(self) -> np.ndarray:
        """Centres of the bins in Å."""
        return (np.arange(self.bins) + 0.5) * self._width

    @property
    def _species(self) -> tuple[int | None, int | None]:
        return (None, None) if self.pair is None else self.pair  # type: ignore[return-value]

    @property
    def _width(self) -> float:
        return self.r_max / self.bins  # type: ignore[operator]

    @property
    def _reach(self) -> float:
        # With smearing, pairs beyond the last bin contribute to it.
        return self.r_max + (0.0 if self.smearing is None else GAUSSIAN_REACH * self.smearing)  # type: ignore[operator]

    def check(self, trajectory: Trajectory) -> None:
        require_periodic(self.name, trajectory)
        check_range(self.name, self._species, self._reach, trajectory)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " bins"]:
        def count(distances: Float[Array, " atoms"], counted: Bool[Array, " atoms"]) -> Float[Array, " bins"]:
            return histogram(distances, counted, self.bins, self._width, self.smearing)  # type: ignore[arg-type]

        counts, first, second = sum_over_pairs(snapshot, self._species, count)
        edges = np.arange(self.bins + 1) * self._width
        shells = 4 * np.pi / 3 * np.diff(edges**3)
        return counts * snapshot.volume / (first * second * shells)
