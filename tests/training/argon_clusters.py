"""Labelled clusters, and a potential to fit to them, in fractions of a second."""

import numpy as np

from mdfit.data import Dataset, LabelledStructure
from mdfit.graph import build_graph
from mdfit.potentials import LennardJones, PairSpline, evaluate
from mdfit.structure import Structure


def argon(count: int = 12) -> Dataset:
    """Clusters labelled by a Lennard-Jones potential."""
    truth = LennardJones("0.0104 eV", "3.4 Å", "8 Å")
    frames = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        grid = np.stack(np.meshgrid(*[range(2)] * 3), -1).reshape(-1, 3) * 3.8
        structure = Structure(
            species=np.full(8, 18, np.int32),
            positions=grid + random.normal(0, 0.2, grid.shape),
            cell=np.zeros((3, 3)),
            periodic=np.zeros(3, bool),
            masses=np.full(8, 39.95),
            velocities=None,
        )
        label = evaluate(truth, build_graph(structure, truth.cutoff))
        frames.append(LabelledStructure(structure, float(label.energy[0]), np.asarray(label.forces, float), None))
    return Dataset(tuple(frames))


def start() -> PairSpline:
    return PairSpline(2.5, 8.0, 20)
