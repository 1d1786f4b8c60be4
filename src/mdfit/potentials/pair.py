"""The base of pair potentials, whose derivative is explicit and fast."""

from __future__ import annotations

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mdfit.graph import Graph
from mdfit.potentials.base import Potential
from mdfit.potentials.gradient import Gradient


class PairPotential(Potential):
    """E = ½ Σ_i Σ_j φ(r_ij²); a subclass implements :meth:`pair_energy`.

    Example:
        >>> import jax.numpy as jnp
        >>> from mdfit.potentials import PairPotential, pair_curve
        >>> class Soft(PairPotential):
        ...     cutoff, species = 2.0, ()
        ...     def pair_energy(self, squared_distance, first, second):
        ...         return jnp.maximum(4 - squared_distance, 0) ** 2
        >>> pair_curve(Soft(), jnp.array([1.0, 2.5])).tolist()
        [9.0, 0.0]
    """

    many_body = False

    @abc.abstractmethod
    def pair_energy(
        self,
        squared_distance: Float[Array, "*pairs"],
        first: Int[Array, "*#pairs"],
        second: Int[Array, "*#pairs"],
    ) -> Float[Array, "*pairs"]:
        """φ in eV for squared distances in Å² and the atomic numbers of both atoms; zero beyond the cutoff.

        It must be symmetric in the two atoms and act on each element alone.
        """
        raise NotImplementedError

    def pair_energy_and_slope(
        self,
        squared_distance: Float[Array, "*pairs"],
        first: Int[Array, "*#pairs"],
        second: Int[Array, "*#pairs"],
    ) -> tuple[Float[Array, "*pairs"], Float[Array, "*pairs"]]:
        """φ and dφ/d(r²); a subclass may give a faster form of the derivative."""
        # φ acts on each element alone, so one forward derivative is enough.
        return jax.jvp(
            lambda squared: self.pair_energy(squared, first, second),
            (squared_distance,),
            (jnp.ones_like(squared_distance),),
        )

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        squared, first, second = self._pairs(graph)
        return 0.5 * graph.sum_neighbours(self.pair_energy(squared, first, second)).astype(jnp.float64)

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        energy, slope = self.pair_energy_and_slope(*self._pairs(graph))
        slope = jnp.where(graph.mask, slope, jnp.zeros((), slope.dtype))
        # Component by component, so that sums over pairs run on plain two-dimensional arrays.
        edges = jnp.stack([slope * graph.vectors[..., axis] for axis in range(3)], axis=-1)
        return 0.5 * graph.sum_neighbours(energy).astype(jnp.float64), Gradient(edges, odd=True)

    def _pairs(
        self, graph: Graph
    ) -> tuple[Float[Array, "atoms neighbours"], Int[Array, "atoms 1"], Int[Array, "atoms neighbours"]]:
        squared = sum(graph.vectors[..., axis] ** 2 for axis in range(3))
        far = jnp.asarray(self.cutoff**2, graph.dtype)
        return jnp.where(graph.mask, squared, far), graph.species[:, None], graph.from_neighbours(graph.species)
