"""Energy, forces and stress of every potential, derived in one place from its energies of atoms."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential


class Prediction(eqx.Module):
    """What a potential says of the structures of a graph.

    Attributes:
        energy: ``(structures,)`` in eV, summed in double precision.
        forces: ``(atoms, 3)`` in eV/Å.
        strain_derivative: ``(structures, 3, 3)`` in eV: ∂E/∂ε, the stress times the volume (tension positive).
        atomic_energies: ``(atoms,)`` in eV, zero for padding.
    """

    energy: Float[Array, " structures"]
    forces: Float[Array, "atoms 3"]
    strain_derivative: Float[Array, "structures 3 3"]
    atomic_energies: Float[Array, " atoms"]

    def stress(self, volumes: Float[Array, " structures"]) -> Float[Array, "structures 3 3"]:
        """σ = (1/V) ∂E/∂ε in eV/Å³ for ``volumes`` in Å³."""
        return self.strain_derivative / volumes[:, None, None]


def atomic_energies(potential: Potential, graph: Graph) -> Float[Array, " atoms"]:
    """Energies of the atoms in eV, zero for padding."""
    energies = potential.atomic_energies(graph)
    return jnp.where(graph.atom_mask, energies, jnp.zeros((), energies.dtype))


def energies(potential: Potential, graph: Graph) -> Float[Array, " structures"]:
    """Energy of each structure in eV, summed in double precision."""
    return graph.sum_structures(potential.atomic_energies(graph))


def forces(potential: Potential, graph: Graph) -> Float[Array, "atoms 3"]:
    """Forces in eV/Å."""
    return potential.forces(graph)


def evaluate(potential: Potential, graph: Graph) -> Prediction:
    """Energy, forces, strain derivative and energies of atoms.

    The forces follow from the derivatives with respect to the edge vectors: F_i = Σ_j (g_ij − g_ji), and so does the
    strain derivative: ∂E/∂ε = Σ_i Σ_j r_ij ⊗ g_ij, which is exact under periodic boundaries for any many-body energy
    (A. P. Thompson et al., J. Chem. Phys. 131, 154107 (2009), doi:10.1063/1.3245303).  An external field adds to the
    forces, but not to the strain derivative, which is that of the internal energy: a field is fixed in space.
    """
    local, gradient = potential.energies_and_gradient(graph)
    virial = jnp.einsum("aki,akj->aij", graph.vectors, gradient)
    virial = 0.5 * (virial + jnp.swapaxes(virial, -1, -2))
    return Prediction(
        energy=graph.sum_structures(local),
        forces=potential.forces_of(graph, gradient),
        strain_derivative=graph.sum_structures(virial),
        atomic_energies=local,
    )
