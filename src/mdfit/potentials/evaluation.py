"""Energy, forces and stress of every potential, derived in one place from its energies of atoms."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential, Sum, seen_by
from mdfit.potentials.gradient import Gradient

#: Rows and columns of the six independent components xx, yy, zz, yz, xz, xy of a symmetric matrix (Voigt's order).
VOIGT = (np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1]))


class Prediction(eqx.Module):
    """What a potential says of the structures of a graph.

    Attributes:
        energy: ``(structures,)`` in eV, summed in double precision.
        forces: ``(atoms, 3)`` in eV/Å.
        strain_derivative: ``(structures, 3, 3)`` in eV: ∂E/∂ε, the stress times the volume (tension positive).
        atomic_energies: ``(atoms,)`` in eV, zero for padding.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones, evaluate
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=2.5)
        >>> found = evaluate(LennardJones(), dimer)
        >>> round(float(found.energy[0]), 3), found.forces[:, 2].round(2)
        (-0.891, Array([ 2.21, -2.21], dtype=float32))
    """

    energy: Float[Array, " structures"]
    forces: Float[Array, "atoms 3"]
    strain_derivative: Float[Array, "structures 3 3"]
    atomic_energies: Float[Array, " atoms"]

    def stress(self, volumes: Float[Array, " structures"]) -> Float[Array, "structures 3 3"]:
        """σ = (1/V) ∂E/∂ε in eV/Å³ for ``volumes`` in Å³."""
        return self.strain_derivative / volumes[:, None, None]


def energies(potential: Potential, graph: Graph) -> Float[Array, " structures"]:
    """Energy of each structure in eV, summed in double precision."""
    return graph.sum_structures(potential.atomic_energies(graph.only(potential.reads)))


def forces(potential: Potential, graph: Graph) -> Float[Array, "atoms 3"]:
    """Forces in eV/Å."""
    if not isinstance(potential, Sum):
        return potential.differentiate(graph)[1].forces(graph)
    # Term by term, so that pair potentials need nothing of their neighbours' edges.
    parts = [term.differentiate(one)[1].forces(one) for term in potential.terms for one in (seen_by(term, graph),)]
    return sum(parts[1:], start=parts[0])


def evaluate(potential: Potential, graph: Graph) -> Prediction:
    """Energy, forces, strain derivative and energies of atoms.

    One derivative with respect to edge vectors, positions and cells gives them all: forces are those of
    :meth:`Gradient.forces`, and ∂E/∂ε = Σ_i Σ_j r_ij ⊗ g_ij + Σ_i r_i ⊗ ∂E/∂r_i + Σ_a c_a ⊗ ∂E/∂c_a, which is exact
    under periodic boundaries for any many-body energy (A. P. Thompson et al., J. Chem. Phys. 131, 154107 (2009),
    doi:10.1063/1.3245303) and for sums in reciprocal space.  A term that is fixed in space adds to the forces, but not to
    the strain derivative, which is that of the internal energy.
    """
    return prediction_of(*potential.differentiate(graph), graph)


def prediction_of(local: Float[Array, " atoms"], gradient: Gradient, graph: Graph) -> Prediction:
    """The prediction that follows from what :meth:`Potential.differentiate` gives."""
    virial = gradient.by_deformation(graph)
    return Prediction(
        energy=graph.sum_structures(local),
        forces=gradient.forces(graph),
        strain_derivative=0.5 * (virial + jnp.swapaxes(virial, -1, -2)),
        atomic_energies=local,
    )
