"""A bond between two beads: length and stiffness from its distribution.

Harmonic truth of ethane: b₀ = 1.526 Å, k = 1e4 kJ/(mol nm²), k_BT = 2.56 kJ/mol (307.9 K).
"""

from __future__ import annotations

import numpy as np

from mdfit.data import Frames
from mdfit.potentials import HarmonicBonds
from mdfit.recipes.methods import Entropy
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Langevin
from mdfit.units import BOLTZMANN, quantity

THERMAL = quantity("2.56 kJ/mol", "eV")
LENGTH = 1.526
STIFFNESS = quantity("10000 kJ/mol/nm^2", "eV/Å^2")
#: Published start of the training: 1.1 Å and a tenth of the stiffness.
START = (1.1, STIFFNESS / 10)
BEAD_MASS = 15.035


def distances(number: int, seed: int) -> np.ndarray:
    """Independent distances from the exact distribution, whose density has the factor r² of three dimensions."""
    width = np.sqrt(THERMAL / STIFFNESS)
    fine = np.linspace(LENGTH - 8 * width, LENGTH + 8 * width, 40001)
    density = fine**2 * np.exp(-0.5 * STIFFNESS * (fine - LENGTH) ** 2 / THERMAL)
    cumulative = np.cumsum(density) / density.sum()
    return np.interp(np.random.default_rng(seed).random(number), cumulative, fine)


def pairs(number: int, seed: int) -> Frames:
    """Pairs of beads at these distances, randomly turned."""
    axes = np.random.default_rng([seed, 1]).normal(size=(number, 3))
    axes *= (distances(number, seed) / np.linalg.norm(axes, axis=1))[:, None]
    places = np.stack([-axes / 2, axes / 2], axis=1)
    return Frames(np.full(2, 6, np.int32), np.full(2, BEAD_MASS), places, np.zeros((3, 3)), np.zeros(3, bool))


def bond_metrics(request: Request, frames: int, method: Entropy) -> Metrics:
    """By relative entropy from the published start, and by moments: biased, since the density has the factor r²."""
    start, reference = HarmonicBonds(2, [[0, 1]], *START), pairs(frames, request.seed)
    langevin = Langevin("2 fs", friction="1 /ps")
    learned = method.train(request, "bond", start, reference, THERMAL / BOLTZMANN, langevin, fixed=()).last
    length, stiffness = float(learned.length[0]), float(learned.stiffness[0])
    found = distances(frames, request.seed)
    return {
        "bond/length": Metric(length, None, "Å"),
        "bond/length_error": Metric(length - LENGTH, None, "Å"),
        "bond/stiffness_ratio": Metric(stiffness / STIFFNESS, None, "1"),
        "bond/length_error_of_mean": Metric(float(found.mean()) - LENGTH, None, "Å"),
        "bond/stiffness_ratio_of_variance": Metric(float(THERMAL / found.var()) / STIFFNESS, None, "1"),
    }
