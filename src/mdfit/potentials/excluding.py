"""A potential without the interactions between atoms that are close along a molecule."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph, Reads
from mdfit.graph.gathering import take
from mdfit.models import build
from mdfit.potentials.around import Around
from mdfit.potentials.base import Potential
from mdfit.potentials.gradient import Gradient
from mdfit.potentials.molecules import check_molecules, edges_between, in_all_molecules, molecules_of
from mdfit.structure import Structure, Topology


class Excluding(Around):
    """Another potential that does not see the edges between excluded pairs of atoms of a molecule.

    A structure may hold one such molecule or several, atom after atom; atoms of different molecules always see each other,
    and so do atoms and periodic images of their partners other than the nearest.

    Args:
        potential: any, most often a pair potential.
        number_of_atoms: of a molecule.
        pairs: excluded pairs of atoms, such as ``topology.excluded_pairs()``.

    Raises:
        StructureError: for atoms that are out of range.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import Excluding, LennardJones, energies
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=2.5)
        >>> float(energies(Excluding(LennardJones(), 2, [(0, 1)]), dimer)[0])
        0.0
    """

    potential: Potential
    number_of_atoms: int = eqx.field(static=True)
    pairs: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __init__(self, potential: Potential, number_of_atoms: int, pairs: Any):
        self.potential, self.number_of_atoms = potential, int(number_of_atoms)
        self.pairs = tuple(map(tuple, Topology(number_of_atoms, bonds=pairs).bonds.tolist()))

    @property
    def reads(self) -> Reads:  # type: ignore[override]
        # The nearest image of an excluded pair is looked for from one of its atoms, and hidden from both.
        return self.potential.reads | Reads(opposite_edges=True, order=True)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "potential": self.potential.describe()}

    @classmethod
    def skeleton(cls, settings: dict[str, Any]) -> Excluding:
        return cls(build(settings["potential"], "The file"), settings["number_of_atoms"], settings["pairs"])

    def check_structure(self, structure: Structure) -> None:
        super().check_structure(structure)
        check_molecules(type(self).__name__, structure, self.number_of_atoms)

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.potential.atomic_energies(self._reduced(graph)) * self._validity(graph)

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        energies, gradient = self.potential.differentiate(self._reduced(graph))
        validity = self._validity(graph)
        if gradient.edges is not None:
            edges = gradient.edges * validity[:, None, None]
            gradient = eqx.tree_at(lambda one: one.edges, gradient, edges)
        return energies * validity, gradient

    def _validity(self, graph: Graph) -> Float[Array, " atoms"]:
        return molecules_of(graph, self.number_of_atoms).validity

    def _reduced(self, graph: Graph) -> Graph:
        """The graph without the edges of excluded pairs."""
        table = np.array(self.pairs, np.int64).reshape(-1, 2)
        first, second = (in_all_molecules(column, self.number_of_atoms, graph) for column in table.T)
        if len(table) == 0:
            return graph
        edges = edges_between(graph, first, second, np.inf)
        if graph.reverse is None:
            raise PotentialError("Excluding needs the opposite edge of each edge, which this graph does not know.")
        opposite = take(graph.reverse.reshape(-1), edges.places)
        kept = jnp.ones(graph.mask.size, bool)
        for places in (edges.places, opposite):
            # Edges that were not found stand for others, which stay.
            kept = kept.at[jnp.where(edges.found, places, graph.mask.size)].set(False, mode="drop")
        return eqx.tree_at(lambda one: one.mask, graph, graph.mask & kept.reshape(graph.mask.shape))
