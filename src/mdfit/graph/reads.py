"""What a potential looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reads:
    """What of a graph the energy depends on, beside the species; everything else is hidden from it.

    Attributes:
        edges: the vectors between atoms.
        opposite_edges: for each edge the values of the opposite edge, which not every engine has.
        positions: where the atoms are.
        cell: the cell vectors.
        order: which atom is which, by its place in the structure, as bonded terms do.
        conditions: names of conditions, such as ``"temperature"`` or ``"charge"``.

    Example:
        >>> from mdfit.graph import Reads
        >>> from mdfit.potentials import LennardJones
        >>> LennardJones().reads == Reads(edges=True)
        True
        >>> (Reads(cell=True) | Reads(conditions=frozenset(["temperature"]))).cell
        True
    """

    edges: bool = True
    opposite_edges: bool = False
    positions: bool = False
    cell: bool = False
    order: bool = False
    conditions: frozenset[str] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        """What either reads."""
        return Reads(
            edges=self.edges or other.edges,
            opposite_edges=self.opposite_edges or other.opposite_edges,
            positions=self.positions or other.positions,
            cell=self.cell or other.cell,
            order=self.order or other.order,
            conditions=self.conditions | other.conditions,
        )
