"""Which linear combinations of atomic forces are forces on beads, and the least noisy one of them.

For beads R = C r, the mapped forces D f have the right mean at fixed R when C Dᵀ = 1: G. Ciccotti, T. Lelièvre,
E. Vanden-Eijnden, Commun. Pure Appl. Math. 61, 371 (2008), doi:10.1002/cpa.20210; W. G. Noid et al., J. Chem. Phys. 128,
244114 (2008), doi:10.1063/1.2938860. Forces f without those of rigid bonds are valid only when the atoms of a rigid bond
have the same coefficient, so that D is orthogonal to the constraint: A. Krämer et al., J. Phys. Chem. Lett. 14, 3970
(2023), doi:10.1021/acs.jpclett.3c00444.
"""

from __future__ import annotations

import numpy as np

from mdfit.errors import DataError

#: Largest deviation of C Dᵀ from 1, and of the sums of coefficients from 1.
TOLERANCE = 1e-6


def rigid_groups(constraints: np.ndarray, atoms: int) -> np.ndarray:
    """The number of the group of each atom, int[N]: atoms joined by constraints, directly or not, are one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = coo_array((np.ones(len(constraints)), (constraints[:, 0], constraints[:, 1])), shape=(atoms, atoms))
    return connected_components(pairs, directed=False)[1]


def summed_forces(positions: np.ndarray, constraints: np.ndarray) -> np.ndarray:
    """The sum of the forces on the atoms of each bead, and on the atoms that rigid bonds join to them.

    Args:
        positions: C, [beads, N], coefficients of the positions.
        constraints: [C, 2], pairs of atoms at a fixed distance.

    Returns:
        D, float64[beads, N], zeros and ones.

    Raises:
        DataError: an atom belongs to several beads, or a rigid bond joins two beads: the sum is then no force of a bead.
    """
    member = positions != 0
    shared = np.flatnonzero(member.sum(axis=0) > 1)
    if len(shared):
        beads = np.flatnonzero(member[:, shared[0]]).tolist()
        raise DataError(
            f"Atom {shared[0]} belongs to the beads {beads}, so that the sums of forces are not forces of beads: give each "
            "atom to one bead, or use Mapping.aggregated, which finds valid forces."
        )
    groups = rigid_groups(constraints, positions.shape[1])
    in_group = np.zeros((len(positions), groups.max() + 1), bool)
    np.logical_or.at(in_group.T, groups, member.T)
    joined = np.flatnonzero(in_group.sum(axis=0) > 1)
    if len(joined):
        atoms = np.flatnonzero(groups == joined[0]).tolist()
        raise DataError(
            f"Rigid bonds join the atoms {atoms} of the beads {np.flatnonzero(in_group[:, joined[0]]).tolist()}: forces "
            "without those of the bonds do not tell the forces of these beads. Simulate without these constraints, or put "
            "the atoms into one bead."
        )
    return in_group[:, groups].astype(np.float64)


def check_force_mapping(positions: np.ndarray, forces: np.ndarray, constraints: np.ndarray) -> None:
    """Whether D gives forces whose mean is the mean force on the beads.

    Args:
        positions: C, [beads, N].
        forces: D, [beads, N].
        constraints: [C, 2].

    Raises:
        DataError: C Dᵀ is not 1, or the atoms of a rigid bond have different coefficients.
    """
    product = positions @ forces.T
    worst = np.unravel_index(np.argmax(np.abs(product - np.eye(len(product)))), product.shape)
    if abs(product[worst] - (worst[0] == worst[1])) > TOLERANCE:
        raise DataError(
            f"The force map is not consistent with the position map: row {worst[0]} of the positions times row {worst[1]} "
            f"of the forces is {product[worst]:.6g}, but must be {int(worst[0] == worst[1])}; use Mapping without a force "
            "map, or Mapping.aggregated."
        )
    first, second = forces[:, constraints[:, 0]], forces[:, constraints[:, 1]]
    broken = np.abs(first - second) > TOLERANCE
    if broken.any():
        bead, pair = np.argwhere(broken)[0]
        raise DataError(
            f"The atoms {constraints[pair].tolist()} are joined by a rigid bond, but have different coefficients in the "
            f"force of bead {bead}, which is not valid without the force of the bond: give both the same coefficient."
        )


def least_noisy_forces(positions: np.ndarray, constraints: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """The force map of least mean squared force: min Σ|D f|² with C Dᵀ = 1 and rigid groups sharing a coefficient.

    Solved exactly: a particular solution of the linear conditions, and least squares in their null space.

    Args:
        positions: C, [beads, N].
        constraints: [C, 2].
        forces: [F, N, 3].

    Returns:
        D, float64[beads, N].

    Raises:
        DataError: no force map fulfils the conditions, or there are fewer force vectors than unknowns.
    """
    groups = rigid_groups(constraints, positions.shape[1])
    share = np.eye(groups.max() + 1)[groups]  # [N, groups]
    conditions = positions @ share
    left, values, right = np.linalg.svd(conditions, full_matrices=True)
    if values.size < len(positions) or values.min() < 1e-8 * values.max():
        raise DataError(
            "No combination of the forces gives forces of all beads: position rows depend on each other, or rigid bonds "
            "fix the distance between beads. Simulate without these constraints, or leave a bead out."
        )
    particular = right[: len(values)].T @ (left.T / values[:, None])  # [groups, beads]
    free = right[len(values) :].T  # [groups, groups - beads]
    if 3 * len(forces) < 10 * free.shape[1]:
        raise DataError(
            f"{len(forces)} frames are too few to weigh {free.shape[1]} groups of atoms against each other: give at least "
            f"{-(-10 * free.shape[1] // 3)} frames, or use the summed forces."
        )
    covariance = _covariance(forces, share)
    correction = np.linalg.lstsq(free.T @ covariance @ free, -free.T @ covariance @ particular, rcond=1e-10)[0]
    return (share @ (particular + free @ correction)).T


def _covariance(forces: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean products of the summed forces of groups of atoms, [groups, groups], in pieces that fit into memory."""
    total = np.zeros((share.shape[1],) * 2)
    for piece in np.array_split(forces, max(1, forces.size // 10**7)):
        summed = np.einsum("fnd,ng->fdg", piece.astype(np.float64), share, optimize=True).reshape(-1, share.shape[1])
        total += summed.T @ summed
    return total / len(forces)
