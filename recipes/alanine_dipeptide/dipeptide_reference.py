"""The all-atom reference simulation, its ten heavy atoms as beads, and what is known of it elsewhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dipeptide_scales import TEMPERATURE, Reference

from mdfit.data import Aggregation, Frames, Mapping
from mdfit.engines import openmm
from mdfit.precision import key
from mdfit.simulate import Langevin, StatePoint, run

DATA = Path(__file__).parent / "data"
#: Numbers of the five kinds of beads: CH3, C, CH, N, O.
KINDS = {"CH3": 1, "C": 2, "CH": 3, "N": 7, "O": 8}
#: In the order of the atoms of the molecule, and of the published table of priors.
BEADS = ("CH3", "C", "O", "N", "CH", "CH3", "C", "O", "N", "CH3")
#: Of the beads.
PHI_ATOMS = (1, 3, 4, 6)
#: n, k in eV and φ₀ in rad of Σ k [1 + cos(nφ − φ₀)]: minus 0.8 times the free energy of φ in a plain simulation of 50 ns,
#: so that barriers are low and all values of φ are visited often.  Weights take it back, whatever it is.
BIAS = ((1, -0.0951, 1.121), (2, -0.0382, -0.528), (3, -0.0488, 0.195))
#: Masses of the atoms with their hydrogens in amu.
MASSES = {"CH3": 15.035, "C": 12.011, "CH": 13.019, "N": 15.015, "O": 15.999}


@dataclass(frozen=True)
class MappedReference:
    """The reference on the beads.

    Attributes:
        beads: frames with the least noisy mapped forces.
        aggregation: how much noise that took away.
    """

    beads: Frames
    aggregation: Aggregation


def simulate(reference: Reference, seed: int, path: Path, show_progress: bool) -> Frames:
    """All 22 atoms of the molecule, with the bias; goes on where a run that wrote ``path`` stopped."""
    system = openmm.alanine_dipeptide(reference.environment, reference.force_field, hydrogen_mass="3 amu")
    heavy = np.flatnonzero(system.structure().species[:22] > 1)
    return run(
        system.with_bias(heavy[list(PHI_ATOMS)], BIAS),
        StatePoint(system.structure(), TEMPERATURE),
        Langevin(reference.timestep, "1 /ps"),
        duration=reference.duration,
        every=reference.every,
        equilibrate=reference.equilibrate,
        key=key(seed),
        engine=openmm.OpenMM(atoms=range(22)),
        out=path,
        show_progress=show_progress,
    ).frames()


def mapped(frames: Frames) -> MappedReference:
    """The ten heavy atoms."""
    heavy = [atom for atom, number in enumerate(frames.species) if number > 1]
    sums = Mapping.of_atoms(heavy, frames, [KINDS[bead] for bead in BEADS], BEADS)
    sums = dataclasses.replace(sums, masses=np.array([MASSES[bead] for bead in BEADS]))
    aggregation = sums.aggregated(frames)
    beads = aggregation.mapping.frames(frames)
    return MappedReference(beads.without_cell() if beads.periodic.any() else beads, aggregation)
