"""The all-atom simulation of TIP4P/2005, its molecules as beads, its pressure, temperature and speed."""

from __future__ import annotations

import numpy as np
from tip4p_scales import TEMPERATURE, Reference

from mdfit.data import Frames, Mapping
from mdfit.engines import openmm
from mdfit.observables.statistics import error_of_mean, jackknife
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import Langevin

SAMPLER = Langevin("2 fs", "1 /ps")
#: Parts of the reference for the errors of its pressure.
BLOCKS = 10


def system(reference: Reference) -> openmm.ReferenceSystem:
    """A cube of rigid molecules."""
    return openmm.water_box(reference.molecules, "tip4p2005", cutoff=reference.cutoff)


def mapped(frames: Frames) -> Frames:
    """One bead at the centre of mass of each molecule, whose force is that on the molecule."""
    atoms = np.arange(frames.number_of_atoms).reshape(-1, 3)
    return Mapping.centres_of_mass(list(atoms), frames).frames(frames)


def judged_system(reference: Reference, frames: Frames, seed: int) -> Metrics:
    """Pressure of frames; temperature and speed of a short simulation from the last of them."""
    molecules = system(reference)
    found = openmm.pressures(molecules, frames, TEMPERATURE)
    parts = found[: len(found) // BLOCKS * BLOCKS].reshape(BLOCKS, -1).mean(axis=1)
    _, error = jackknife(lambda average: average, parts)
    speed = openmm.speed(molecules, frames, SAMPLER, TEMPERATURE, reference.speed_steps, seed)
    uncertainty, _ = error_of_mean(speed.temperatures[None, :, None])
    return {
        "pressure/reference": Metric(float(found.mean()), float(error), "bar"),
        "temperature/reference": Metric(float(speed.temperatures.mean()), float(uncertainty[0]), "K"),
        "speed/all_atom": Metric(speed.nanoseconds_per_day, None, "ns/day"),
    }
