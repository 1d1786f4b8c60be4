"""A bond between two beads: length and stiffness from its distribution.

Harmonic truth of ethane: b₀ = 1.526 Å, k = 1e4 kJ/(mol nm²), k_BT = 2.56 kJ/mol (307.9 K).
"""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

from mdfit.data import Dataset, LabelledStructure
from mdfit.objectives import MappedEnsemble, RelativeEntropy
from mdfit.potentials import HarmonicBonds
from mdfit.simulate import Langevin
from mdfit.structure import Structure
from mdfit.training import fit
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


def reference(number: int, seed: int) -> MappedEnsemble:
    """Pairs of beads at these distances, randomly turned."""
    axes = np.random.default_rng([seed, 1]).normal(size=(number, 3))
    axes *= (distances(number, seed) / np.linalg.norm(axes, axis=1))[:, None]
    frames = []
    for axis in axes:
        places = np.stack([-axis / 2, axis / 2])
        structure = Structure(
            np.full(2, 6, np.int32), places, np.zeros((3, 3)), np.zeros(3, bool), np.full(2, BEAD_MASS)
        )
        frames.append(LabelledStructure(structure))
    return MappedEnsemble.of(Dataset(tuple(frames)), THERMAL / BOLTZMANN)


def learned(frames: int, chains: int, updates: int, seed: int) -> tuple[float, float]:
    """Length in Å and stiffness in eV/Å² after relative entropy from the published start."""
    objective = RelativeEntropy(
        reference(frames, seed),
        Langevin("2 fs", friction="1 /ps"),
        sample="10 ps",
        every="0.1 ps",
        equilibrate="2 ps",
        chains=chains,
        newton=0.0,
        step_ratio=0.1,
    )
    start = HarmonicBonds(2, [[0, 1]], *START)
    everything = jax.tree.map(eqx.is_array, start)
    rate = optax.exponential_decay(0.5, updates, 0.1)
    result = fit(
        start,
        objective,
        optimizer=optax.sgd(rate),
        steps=updates,
        seed=seed,
        train_only=lambda potential: eqx.tree_at(
            lambda p: (p.length, p.stiffness), jax.tree.map(lambda _: False, everything), (True, True)
        ),
        show_progress=False,
    )
    return float(result.last.length[0]), float(result.last.stiffness[0])


def moments(frames: int, seed: int) -> tuple[float, float]:
    """Mean and k_BT/variance of the same distances: biased, since the density has the factor r²."""
    found = distances(frames, seed)
    return float(found.mean()), float(THERMAL / found.var())
