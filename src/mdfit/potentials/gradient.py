"""The derivative of an energy with respect to all that it depends on."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph


class Gradient(eqx.Module):
    """The derivative of the sum of the energies of atoms; None for what no term reads.

    Attributes:
        edges: ``(atoms, neighbours, 3)`` with respect to the edge vectors in eV/Å, zero in padding.
        positions: ``(atoms, 3)`` with respect to positions, at fixed edge vectors, of terms that follow deformations of
            the cell.
        fixed: the same of terms that are fixed in space.
        cells: ``(structures, 3, 3)`` with respect to cell vectors, at fixed edge vectors and positions.
        odd: whether ``edges`` has opposite values on opposite edges, as for pair potentials: what an atom gets from its
            neighbours is then known without looking at theirs.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=2.5)
        >>> energies, gradient = LennardJones().differentiate(dimer)
        >>> gradient.edges.shape, gradient.positions, gradient.forces(dimer)[:, 2].round(2)
        ((2, 1, 3), None, Array([ 2.21, -2.21], dtype=float32))
    """

    edges: Float[Array, "atoms neighbours 3"] | None = None
    positions: Float[Array, "atoms 3"] | None = None
    fixed: Float[Array, "atoms 3"] | None = None
    cells: Float[Array, "structures 3 3"] | None = None
    odd: bool = eqx.field(static=True, default=False)

    def __add__(self, other: Gradient) -> Gradient:
        """Of the sum of two energies."""
        return Gradient(
            edges=_sum(self.edges, other.edges),
            positions=_sum(self.positions, other.positions),
            fixed=_sum(self.fixed, other.fixed),
            cells=_sum(self.cells, other.cells),
            odd=(self.odd or self.edges is None) and (other.odd or other.edges is None),
        )

    def forces(self, graph: Graph) -> Float[Array, "atoms 3"]:
        """F_i = Σ_j (g_ij − g_ji) − ∂E/∂r_i in eV/Å; where the opposite edges are not known, they are added up by atom."""
        forces = None
        if self.edges is not None and self.odd:
            # Nothing need be fetched from the other atom.  The sums are products with a vector of ones, component by
            # component: XLA's reductions take a third longer.
            ones = jnp.ones(self.edges.shape[1], self.edges.dtype)
            forces = 2 * jnp.stack([self.edges[..., axis] @ ones for axis in range(3)], axis=-1)
        elif self.edges is not None and graph.reverse is not None:
            forces = graph.sum_neighbours(self.edges - graph.flip(self.edges))
        elif self.edges is not None:
            forces = graph.sum_neighbours(self.edges) - graph.scatter_to_neighbours(self.edges)
        for direct in (self.positions, self.fixed):
            if direct is not None:
                forces = -direct if forces is None else forces - direct
        return jnp.zeros((graph.species.shape[0], 3), graph.dtype) if forces is None else forces

    def by_deformation(self, graph: Graph) -> Float[Array, "structures 3 3"]:
        """∂E/∂F_kl in eV for vectors r → F r, of edges, positions and cells that stood as in ``graph`` at F = 1.

        Σ g_k r_l over edges, atoms and cell vectors; not of terms that are fixed in space, whose edges alone follow F.
        Sums over atoms in double precision.
        """
        by_atom = []
        if self.edges is not None:
            by_atom.append(jnp.einsum("aki,akj->aij", self.edges, graph.vectors))
        if self.positions is not None:
            by_atom.append(self.positions[:, :, None] * graph.known_positions()[:, None, :])
        parts = [graph.sum_structures(sum(by_atom[1:], start=by_atom[0]))] if by_atom else []
        if self.cells is not None:
            parts.append(jnp.einsum("sci,scj->sij", self.cells, graph.known_cells()).astype(jnp.float64))
        zero = jnp.zeros((graph.number_of_structures, 3, 3), jnp.float64)
        return sum(parts[1:], start=parts[0]) if parts else zero


def _sum(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
