"""Structures into graphs: which atoms are neighbours, and the vectors that join them."""

from mdfit.graph.graph import Graph
from mdfit.graph.host import NeighborTable, build_graph, neighbor_table

__all__ = ["Graph", "NeighborTable", "build_graph", "neighbor_table"]
