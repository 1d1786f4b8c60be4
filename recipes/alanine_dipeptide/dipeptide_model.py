"""The coarse-grained model: a prior of bonded terms and a small network of the ten beads."""

from __future__ import annotations

import jax
import numpy as np
from dipeptide_reference import BIAS, DATA, KINDS, PHI_ATOMS
from dipeptide_scales import TEMPERATURE, Network

from mdfit.potentials import (
    PaiNN,
    PeriodicDihedrals,
    Potential,
    PriorTable,
    Scaling,
    Sum,
    prior_from_statistics,
    trainable_except,
)
from mdfit.structure import Topology

BONDS = ((0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9))
#: The carbon atom whose three neighbours make the molecule left-handed.
ALPHA_CARBON = 4
#: eV; what the network can give at the start without moving the model far from its prior.
ENERGY_SCALE = 0.1


def topology() -> Topology:
    """Bonds, angles and dihedral angles of the ten beads, and the improper one at the α carbon."""
    return Topology.from_bonds(10, BONDS).with_impropers([ALPHA_CARBON])


def prior(positions: np.ndarray, cutoff: float) -> Potential:
    """Bonds, angles and the handedness from the statistics of the reference, dihedral angles and repulsion from Amber03.

    Args:
        positions: ``(frames, 10, 3)`` of the reference in Å.
        cutoff: in Å; that of the network, so that they share one list of neighbours.
    """
    measured = prior_from_statistics(positions, topology(), TEMPERATURE, dihedral_order=1)
    published = PriorTable.read(DATA / "amber03_prior.json")
    # Distances and angles do not tell a molecule from its mirror image, so that the network cannot keep it from turning
    # inside out: the improper term does.
    table = PriorTable(measured.bonds, measured.angles, published.dihedrals, measured.impropers)
    # Frames of the reference say nothing of places where beads overlap.
    return table.bonded(topology(), cutoff) + published.repulsion(topology(), cutoff)


def bias(cutoff: float) -> PeriodicDihedrals:
    """That of the reference, on the beads."""
    multiplicity, amplitude, phase = zip(*BIAS, strict=True)
    return PeriodicDihedrals(10, [PHI_ATOMS], [0] * len(BIAS), multiplicity, amplitude, phase, cutoff)


def new_model(fixed: Potential, network: Network, seed: int) -> Sum:
    """A network with random parameters on the prior."""
    learned = PaiNN(
        sorted(KINDS.values()),
        cutoff=fixed.cutoff,
        channels=network.channels,
        layers=network.layers,
        radial_functions=network.radial_functions,
        mean_neighbours=9.0,
        scaling=Scaling({}, ENERGY_SCALE),
        key=jax.random.key(seed),
    )
    return learned + fixed


def only_network(potential: Sum):
    """Flags for training: all of the network, which comes first, nothing of what is added to it."""
    return trainable_except(potential, range(1, len(potential.terms)))
