"""The graph that every potential sees."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

import mdfit.precision  # noqa: F401  (64-bit sums)
from mdfit.errors import PotentialError
from mdfit.graph.gathering import take
from mdfit.graph.reads import Reads


class Graph(eqx.Module):
    """Atoms and their neighbours in a dense layout: row ``i`` holds the neighbours of atom ``i``.

    The dense layout turns the sums over neighbours into plain reductions and the sums over triplets into matrix
    products, which XLA runs several times faster than scattered additions.  Several structures may share a graph;
    their atoms then follow each other, and no edge joins two structures.

    Attributes:
        species: ``(atoms,)`` atomic number (or bead type), 0 marks a padding atom.
        structure: ``(atoms,)`` the structure that each atom belongs to.
        neighbours: ``(atoms, neighbours)`` index of the neighbouring atom (0 in padding).
        vectors: ``(atoms, neighbours, 3)`` in Å, from the atom to its neighbour, periodic image included.
        mask: ``(atoms, neighbours)``, false for padding.
        reverse: ``(atoms, neighbours)`` flat position of the opposite edge (0 in padding); None where an engine does not
            have them, such as one that shares the atoms between processes.
        number_of_structures: how many structures share the graph.
        positions: ``(atoms, 3)`` in Å as the structure gives them, not wrapped into the cell, zero in padding; None where
            only the edges are known.
        cells: ``(structures, 3, 3)`` row vectors in Å; None where they are not known.
        conditions: ``(structures,)`` each, by name: ``"temperature"`` in K, ``"pressure"`` in bar, ``"charge"`` (the total
            charge) in e, and whatever else a potential asks for.

    The first seven are there for every potential; the others are for those that declare to read them
    (:class:`~mdfit.graph.Reads`).

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> graph = build_graph(Structure.from_ase(bulk("Si", cubic=True)), cutoff=2.5)
        >>> graph.vectors.shape
        (8, 4, 3)
        >>> round(float(graph.distances()[0, 0]), 3)
        2.351
    """

    species: Int[Array, " atoms"]
    structure: Int[Array, " atoms"]
    neighbours: Int[Array, "atoms neighbours"]
    vectors: Float[Array, "atoms neighbours 3"]
    mask: Bool[Array, "atoms neighbours"]
    reverse: Int[Array, "atoms neighbours"] | None
    number_of_structures: int = eqx.field(static=True)
    positions: Float[Array, "atoms 3"] | None = None
    cells: Float[Array, "structures 3 3"] | None = None
    conditions: dict[str, Float[Array, " structures"]] = eqx.field(default_factory=dict)

    @property
    def atom_mask(self) -> Bool[Array, " atoms"]:
        return self.species > 0

    @property
    def dtype(self) -> jnp.dtype:
        return self.vectors.dtype

    def with_vectors(self, vectors: Float[Array, "atoms neighbours 3"]) -> "Graph":
        """The same graph at other edge vectors."""
        return eqx.tree_at(lambda graph: graph.vectors, self, vectors)

    def with_conditions(self, **conditions: Float[ArrayLike, "*structures"]) -> "Graph":
        """The same graph under other conditions, one for all structures or ``(structures,)``; the others stay."""
        return replace(self, conditions={**self.conditions, **conditions_of(conditions, self.number_of_structures)})

    def only(self, reads: Reads) -> "Graph":
        """The graph without what a potential does not declare to read, so that it cannot depend on it unnoticed."""
        return replace(
            self,
            positions=self.positions if reads.positions else None,
            cells=self.cells if reads.cell else None,
            conditions={name: value for name, value in self.conditions.items() if name in reads.conditions},
        )

    def known_positions(self) -> Float[Array, "atoms 3"]:
        """The positions in Å.

        Raises:
            PotentialError: when the graph has none.
        """
        return _known(self.positions, "positions of the atoms")

    def known_cells(self) -> Float[Array, "structures 3 3"]:
        """The cells in Å.

        Raises:
            PotentialError: when the graph has none.
        """
        return _known(self.cells, "cell")

    def condition(self, name: str) -> Float[Array, " structures"]:
        """One of the conditions.

        Raises:
            PotentialError: when it is not known.
        """
        return _known(self.conditions.get(name), name)

    def deformed(self, strain: Float[Array, "3 3"], only_edges: bool = False) -> "Graph":
        """Every vector r as (1 + ε) r: edges and, unless ``only_edges``, positions and cells, where they are known."""

        def deform(vectors: Array) -> Array:
            return vectors + vectors @ strain.T

        edges = replace(self, vectors=deform(self.vectors))
        if only_edges:
            return edges
        return replace(edges, positions=_where_known(deform, self.positions), cells=_where_known(deform, self.cells))

    def scaled(self, factor: Float[ArrayLike, ""]) -> "Graph":
        """All lengths times ``factor``: of edges, positions and cells, where they are known."""

        def scale(vectors: Array) -> Array:
            return vectors * factor

        return replace(
            self,
            vectors=scale(self.vectors),
            positions=_where_known(scale, self.positions),
            cells=_where_known(scale, self.cells),
        )

    def within(self, cutoff: float) -> "Graph":
        """The same graph with the edges beyond ``cutoff`` (Å) masked."""
        return eqx.tree_at(lambda graph: graph.mask, self, self.inside(cutoff))

    def inside(self, cutoff: float) -> Bool[Array, "atoms neighbours"]:
        """Which edges are shorter than ``cutoff`` (Å)."""
        return self.mask & (jnp.sum(self.vectors**2, -1) < cutoff**2)

    def packed(self, cutoff: float, width: int) -> "Graph":
        """The edges within ``cutoff`` (Å) only, in ``width`` columns; no atom may have more of them."""
        inside = self.inside(cutoff)
        # Running counts and look-ups as sums over columns: XLA's cumulative sums, sorts, arg-maxima and scattered writes
        # each cost more than all of these.
        triangle = np.triu(np.ones((inside.shape[1],) * 2, np.float32))
        place = (inside.astype(jnp.float32) @ triangle).astype(jnp.int32) - 1
        slots = jnp.arange(width, dtype=jnp.int32)
        chosen = inside[:, None, :] & (place[:, None, :] == slots[None, :, None])
        columns = jnp.sum(jnp.where(chosen, jnp.arange(inside.shape[1], dtype=jnp.int32), 0), axis=-1, dtype=jnp.int32)
        mask = slots < jnp.sum(inside, axis=1, dtype=jnp.int32)[:, None]
        rows = jnp.arange(len(self.species), dtype=jnp.int32)[:, None]
        flat = rows * self.mask.shape[1] + columns

        def fetch(values: Array) -> Array:
            return take(values.reshape(-1, *values.shape[2:]), flat)

        reverse = None
        if self.reverse is not None:
            opposite = fetch(self.reverse)
            moved = opposite // self.mask.shape[1] * width + take(place.reshape(-1), opposite)
            reverse = jnp.where(mask, moved, 0)
        return replace(
            self,
            neighbours=jnp.where(mask, fetch(self.neighbours), 0),
            vectors=jnp.where(mask[..., None], fetch(self.vectors), jnp.zeros((), self.dtype)),
            mask=mask,
            reverse=reverse,
        )

    def distances(self) -> Float[Array, "atoms neighbours"]:
        """Edge lengths in Å; padding has length 1 and no gradient, so that nothing downstream becomes NaN."""
        squared = jnp.where(self.mask, jnp.sum(self.vectors**2, -1), jnp.ones((), self.dtype))
        return jnp.sqrt(squared)

    def flip(self, values: Float[Array, "atoms neighbours *channels"]) -> Float[Array, "atoms neighbours *channels"]:
        """For each edge the value of the opposite edge (unmasked in padding).

        Raises:
            PotentialError: when the opposite edges are not known.
        """
        if self.reverse is None:
            raise PotentialError(
                "The potential needs the opposite of every edge, but this graph does not know them (an engine that shares "
                "atoms between processes has not all of them); simulate in one process, with mdfit.simulate."
            )
        flat = values.reshape(-1, *values.shape[2:])
        return take(flat, self.reverse)

    def from_neighbours(self, values: Shaped[Array, "atoms *channels"]) -> Shaped[Array, "atoms neighbours *channels"]:
        """For each edge the value of the neighbour."""
        return take(values, self.neighbours)

    def sum_neighbours(self, values: Float[Array, "atoms neighbours *channels"]) -> Float[Array, "atoms *channels"]:
        """Sum over the neighbours of each atom, padding left out."""
        mask = self.mask.reshape(self.mask.shape + (1,) * (values.ndim - 2))
        return jnp.sum(jnp.where(mask, values, jnp.zeros((), values.dtype)), axis=1)

    def scatter_to_neighbours(
        self, values: Float[Array, "atoms neighbours *channels"]
    ) -> Float[Array, "atoms *channels"]:
        """For each atom the sum over the edges that lead to it, padding left out; needs no opposite edges."""
        mask = self.mask.reshape(self.mask.shape + (1,) * (values.ndim - 2))
        own = jnp.where(mask, values, jnp.zeros((), values.dtype))
        zeros = jnp.zeros((values.shape[0], *values.shape[2:]), values.dtype)
        return zeros.at[self.neighbours].add(own)

    def sum_structures(self, values: Float[Array, "atoms *channels"]) -> Float[Array, "structures *channels"]:
        """Sum over the atoms of each structure, in double precision, padding left out."""
        mask = self.atom_mask.reshape(self.atom_mask.shape + (1,) * (values.ndim - 1))
        wide = jnp.where(mask, values, jnp.zeros((), values.dtype)).astype(jnp.float64)
        if self.number_of_structures == 1:
            return jnp.sum(wide, axis=0, keepdims=True)
        return jax.ops.segment_sum(wide, self.structure, self.number_of_structures)


def conditions_of(conditions: Mapping[str, Float[ArrayLike, "*structures"]], structures: int) -> dict[str, Array]:
    """Conditions as arrays ``(structures,)`` in double precision."""
    return {
        name: jnp.broadcast_to(jnp.asarray(value, jnp.float64), (structures,)) for name, value in conditions.items()
    }


def _where_known(function: Callable[[Array], Array], value: Array | None) -> Array | None:
    return None if value is None else function(value)


def _known(value: Array | None, what: str) -> Array:
    if value is None:
        raise PotentialError(
            f"The potential reads the {what}, but this graph does not hold it; build it with mdfit.graph.build_graph, add "
            "conditions with graph.with_conditions(...), and see that the potential declares what it reads."
        )
    return value
