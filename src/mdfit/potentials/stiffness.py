"""Second derivative of the energy with respect to deformation."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential, seen_by, terms_of

#: The six symmetric strains ½(e_k e_lᵀ + e_l e_kᵀ), k ≤ l, and which of them belongs to each of the nine pairs (k, l).
_PAIRS = tuple(itertools.combinations_with_replacement(range(3), 2))
_PLACE = np.array([[_PAIRS.index((min(row, column), max(row, column))) for column in range(3)] for row in range(3)])
_STRAINS = np.array([np.eye(3)[[row]].T * np.eye(3)[column] for row, column in _PAIRS])
_STRAINS = (_STRAINS + np.swapaxes(_STRAINS, 1, 2)) / 2


def born_stiffness(potential: Potential, graph: Graph) -> Float[Array, "structures 3 3 3 3"]:
    """∂²E/∂ε_ij∂ε_kl in eV of each structure, for vectors r → (1 + ε) r; not divided by the volume.

    Edge vectors, positions and cells follow the deformation, but for the positions of terms that are fixed in space.

    ε is the full deformation gradient less one, so that the result is not symmetric in i and j under stress: it is
    L_ijkl + S_jl δ_ik, where S = ∂E/∂ε and L, the derivative with respect to the Lagrangian strain ½(FᵀF − 1), has all
    symmetries of elastic constants (:func:`lagrangian_stiffness`).  Because the energy does not change with rotations, six
    symmetric strains give all nine columns.  Forward- over reverse-mode; sums over edges in double precision.  It may be
    compiled, and differentiated again with respect to the parameters of the potential.

    Args:
        potential: any potential that is twice differentiable.
        graph: of one or several structures.
    """

    def virial(strain: Float[Array, "3 3"]) -> Float[Array, "structures 3 3"]:
        parts = []
        for term in terms:
            deformed = graph.deformed(strain, only_edges=term.fixed_in_space)
            seen = deformed if len(terms) == 1 else seen_by(term, deformed)
            parts.append(term.differentiate(seen)[1].by_deformation(graph))
        return sum(parts[1:], start=parts[0])

    terms = terms_of(potential)
    stress, derivative = jax.linearize(virial, jnp.zeros((3, 3), graph.dtype))
    columns = jax.vmap(derivative)(jnp.asarray(_STRAINS, graph.dtype))
    symmetric = jnp.moveaxis(columns[_PLACE], (0, 1), (-2, -1))
    extra = _stress_term(stress)
    return symmetric + (extra - jnp.swapaxes(extra, -1, -2)) / 2


def lagrangian_stiffness(
    stiffness: Float[Array, "*structures 3 3 3 3"], stress: Float[Array, "*structures 3 3"]
) -> Float[Array, "*structures 3 3 3 3"]:
    """Second derivative with respect to the Lagrangian strain from that with respect to the deformation gradient.

    L_ijkl = C_ijkl − S_jl δ_ik; D. C. Wallace, Thermodynamics of Crystals (1972), section 2.

    Args:
        stiffness: C, from :func:`born_stiffness`, or divided by the volume.
        stress: S = ∂E/∂ε, the strain derivative of :class:`~mdfit.potentials.Prediction`, or divided by the volume.
    """
    return stiffness - _stress_term(stress)


def _stress_term(stress: Float[Array, "*structures 3 3"]) -> Float[Array, "*structures 3 3 3 3"]:
    """S_jl δ_ik."""
    return jnp.einsum("...jl,ik->...ijkl", stress, jnp.eye(3, dtype=stress.dtype))
