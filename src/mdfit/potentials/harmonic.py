"""Harmonic bonds and angles, the usual prior under a learned coarse-grained potential."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph.angles import angle_between
from mdfit.potentials.bonded import BondedPotential, parameters


class HarmonicBonds(BondedPotential):
    """E = Σ ½ k (r − r₀)² over bonds.

    Args:
        number_of_atoms: of a molecule.
        atoms: pairs of atoms, such as ``topology.bonds``.
        length: r₀ in Å, one or a list.
        stiffness: k in eV/Å², one or a list; mind that some force fields give k/2.
        cutoff: in Å, within which bonded atoms are looked for.

    Raises:
        StructureError: for atoms that are out of range.
        PotentialError: for lists that do not fit the bonds.
        UnitError: for quantities of another dimension.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import HarmonicBonds, energies
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=5.0)
        >>> round(float(energies(HarmonicBonds(2, [(0, 1)], length="1 Å", stiffness=10.0), dimer)[0]), 4)
        0.2
    """

    order = 2

    length: Float[Array, " bonds"]
    stiffness: Float[Array, " bonds"]

    def __init__(
        self, number_of_atoms: int, atoms: Any, length: Any = 1.0, stiffness: Any = 1.0, cutoff: float | str = 5.0
    ):
        super().__init__(number_of_atoms, atoms, cutoff)
        self.length = parameters("length", length, "Å", len(self.atoms))
        self.stiffness = parameters("stiffness", stiffness, "eV/Å^2", len(self.atoms))

    def tuple_energies(self, vectors: Float[Array, "molecules tuples steps 3"]) -> Float[Array, "molecules tuples"]:
        dtype = vectors.dtype
        distance = jnp.sqrt(jnp.sum(vectors[:, :, 0] ** 2, axis=-1))
        return 0.5 * self.stiffness.astype(dtype) * (distance - self.length.astype(dtype)) ** 2


class HarmonicAngles(BondedPotential):
    """E = Σ ½ k (θ − θ₀)² over angles, θ in rad.

    Args:
        number_of_atoms: of a molecule.
        atoms: triples i–j–k with the vertex j, such as ``topology.angles``.
        angle: θ₀ in rad, one or a list; ``"109.5 deg"`` is understood.
        stiffness: k in eV/rad², one or a list; a stiffness k per degree² is k·(180/π)² per rad².
        cutoff: in Å, within which bonded atoms are looked for.

    At straight angles the force on the vertex is given as zero.

    Raises:
        StructureError, PotentialError, UnitError: as :class:`HarmonicBonds`.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import HarmonicAngles, energies
        >>> bent = build_graph(Structure.in_open_space([[1, 0, 0], [0, 0, 0], [0, 1, 0]]), cutoff=5.0)
        >>> round(float(energies(HarmonicAngles(3, [(0, 1, 2)], angle="120 deg", stiffness=2.0), bent)[0]), 4)
        0.2742
    """

    order = 3

    angle: Float[Array, " angles"]
    stiffness: Float[Array, " angles"]

    def __init__(
        self, number_of_atoms: int, atoms: Any, angle: Any = 1.0, stiffness: Any = 1.0, cutoff: float | str = 5.0
    ):
        super().__init__(number_of_atoms, atoms, cutoff)
        self.angle = parameters("angle", angle, "rad", len(self.atoms))
        self.stiffness = parameters("stiffness", stiffness, "eV/rad^2", len(self.atoms))

    def tuple_energies(self, vectors: Float[Array, "molecules tuples steps 3"]) -> Float[Array, "molecules tuples"]:
        dtype = vectors.dtype
        angle = angle_between(-vectors[:, :, 0], vectors[:, :, 1])
        return 0.5 * self.stiffness.astype(dtype) * (angle - self.angle.astype(dtype)) ** 2
