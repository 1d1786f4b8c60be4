"""The molecule as ten beads: what they are in the all-atom simulation, and a network on a prior of bonded terms."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
from dipeptide_scales import TEMPERATURE, Scale

from mdfit.data import Aggregation, Frames, Mapping
from mdfit.engines import openmm
from mdfit.potentials import PaiNN, PeriodicDihedrals, Potential, PriorTable, Scaling, Sum, prior_from_statistics
from mdfit.recipes.script import Request
from mdfit.simulate import Langevin, StatePoint
from mdfit.structure import Topology

DATA = Path(__file__).parent / "data"
#: Numbers of the five kinds of beads, and their masses with the hydrogen atoms in amu.
KINDS = {"CH3": 1, "C": 2, "CH": 3, "N": 7, "O": 8}
MASSES = {"CH3": 15.035, "C": 12.011, "CH": 13.019, "N": 15.015, "O": 15.999}
#: In the order of the atoms of the molecule, and of the published table of priors.
BEADS = ("CH3", "C", "O", "N", "CH", "CH3", "C", "O", "N", "CH3")
BONDS = ((0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9))
#: Bonds, angles and dihedral angles, and the improper one at the α carbon, whose three neighbours make the molecule left-
#: handed.
TOPOLOGY = Topology.from_bonds(10, BONDS).with_impropers([4])
#: Of the beads.
PHI_ATOMS = (1, 3, 4, 6)
#: n, k in eV and φ₀ in rad of Σ k [1 + cos(nφ − φ₀)]: minus 0.8 times the free energy of φ in a plain simulation of 50 ns,
#: so that barriers are low and all values of φ are visited often.  Weights take it back, whatever it is.
BIAS = ((1, -0.0951, 1.121), (2, -0.0382, -0.528), (3, -0.0488, 0.195))
#: eV; what the network can give at the start without moving the model far from its prior.
ENERGY_SCALE = 0.1


def all_atoms(request: Request, scale: Scale) -> Frames:
    """All 22 atoms of the molecule in a simulation with the bias."""
    system = openmm.alanine_dipeptide(scale.water, "amber03", hydrogen_mass="3 amu")
    heavy = np.flatnonzero(system.structure().species[:22] > 1)
    biased, at = system.with_bias(heavy[list(PHI_ATOMS)], BIAS), StatePoint(system.structure(), TEMPERATURE)
    langevin, engine = Langevin(scale.timestep, "1 /ps"), openmm.OpenMM(atoms=range(22))
    return request.simulate("reference", biased, at, langevin, scale.reference, engine=engine).frames()


def mapped(frames: Frames) -> tuple[Frames, Aggregation]:
    """The ten heavy atoms with the least noisy mapped forces, and how much noise that took away."""
    heavy = [atom for atom, number in enumerate(frames.species) if number > 1]
    sums = Mapping.of_atoms(heavy, frames, [KINDS[bead] for bead in BEADS], BEADS)
    aggregation = dataclasses.replace(sums, masses=np.array([MASSES[bead] for bead in BEADS])).aggregated(frames)
    beads = aggregation.mapping.frames(frames)
    return beads.without_cell() if beads.periodic.any() else beads, aggregation


def prior(positions: np.ndarray, cutoff: float) -> Potential:
    """Bonds, angles and the handedness from the statistics of the reference, dihedral angles and repulsion from Amber03.

    Args:
        positions: ``(frames, 10, 3)`` of the reference in Å.
        cutoff: in Å; that of the network, so that they share one list of neighbours.
    """
    measured = prior_from_statistics(positions, TOPOLOGY, TEMPERATURE, dihedral_order=1)
    published = PriorTable.read(DATA / "amber03_prior.json")
    # Distances and angles do not tell a molecule from its mirror image, so that the network cannot keep it from turning
    # inside out: the improper term does.
    table = PriorTable(measured.bonds, measured.angles, published.dihedrals, measured.impropers)
    # Frames of the reference say nothing of places where beads overlap.
    return table.bonded(TOPOLOGY, cutoff) + published.repulsion(TOPOLOGY, cutoff)


def bias(cutoff: float) -> PeriodicDihedrals:
    """That of the reference, on the beads."""
    multiplicity, amplitude, phase = zip(*BIAS, strict=True)
    return PeriodicDihedrals(10, [PHI_ATOMS], [0] * len(BIAS), multiplicity, amplitude, phase, cutoff)


def new_model(fixed: Potential, network: tuple[int, int, int], key: jax.Array) -> Sum:
    """A network with random parameters on the prior; it comes first, and nothing behind it is ever trained."""
    return PaiNN(sorted(KINDS.values()), fixed.cutoff, *network, 9.0, Scaling({}, ENERGY_SCALE), key) + fixed
