"""Structures into graphs: which atoms are neighbours, and the vectors that join them."""

from mdfit.graph.graph import Graph
from mdfit.graph.host import NeighborTable, build_graph, neighbor_table
from mdfit.graph.reads import Reads

__all__ = ["Graph", "NeighborTable", "Reads", "build_graph", "neighbor_table"]
