"""Structures on which contracts are checked, and how numbers are compared."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import ArrayLike

from mdfit.graph import Graph, build_graph
from mdfit.potentials import Potential
from mdfit.structure import Structure

#: In Å, where a potential has no cutoff that sets one.
LENGTH_WITHOUT_CUTOFF = 3.0


def species_of(potential: Potential) -> tuple[int, ...]:
    """Those that the potential knows, or any."""
    return potential.species or (18,)


def crystal(potential: Potential) -> Structure:
    """A distorted, triclinic cell that is narrower than the cutoff in one direction, of all species."""
    spacing = 0.55 * (potential.cutoff or LENGTH_WITHOUT_CUTOFF)
    random = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(range(1), range(2), range(3), indexing="ij"), -1).reshape(-1, 3)
    cell = spacing * np.array([[1.1, 0.1, 0.0], [0.2, 2.2, 0.1], [-0.3, 0.2, 3.1]])
    fractional = grid / np.array([1, 2, 3]) + random.normal(0, 0.02, grid.shape)
    known = species_of(potential)
    species = np.array([known[i % len(known)] for i in range(len(grid))], np.int32)
    return Structure(
        species=species,
        positions=fractional @ cell,
        cell=cell,
        periodic=np.ones(3, bool),
        masses=np.ones(len(grid)),
    )


def cluster(potential: Potential) -> Structure:
    """The atoms of the crystal in open space."""
    return changed(crystal(potential), cell=np.zeros((3, 3)), periodic=np.zeros(3, bool))


def changed(structure: Structure, **changes: Any) -> Structure:
    """A structure with other places, cell or species."""
    return dataclasses.replace(structure, **changes)


def graph_of(potential: Potential, structure: Structure, dtype: DTypeLike = jnp.float64, **sizes: Any) -> Graph:
    """A structure as the potential sees it, perhaps with room for more atoms and neighbours."""
    return build_graph(structure, potential.cutoff, dtype=dtype, **sizes)


def close(first: ArrayLike, second: ArrayLike, tolerance: float, what: str) -> None:
    """Raises AssertionError when two arrays differ by more than this part of the largest number."""
    first, second = np.asarray(first), np.asarray(second)
    scale = max(np.abs(first).max(), 1e-12)
    error = np.abs(first - second).max() / scale
    assert error < tolerance, f"{what}: relative difference {error:.3g} (allowed {tolerance:g})"
