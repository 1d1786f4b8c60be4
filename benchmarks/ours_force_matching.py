"""mdfit: force-matching steps with DimeNet++ at its default sizes, which are those of the benchmark.

A step is what `mdfit.training` does per batch: draw it, loss and gradient, Adam update, the loss back on the host.
"""

import importlib.metadata
import sys

import equinox as eqx
import jax
import numpy as np
import optax

from mdfit.data import Dataset, LabelledStructure
from mdfit.objectives import ForceMatching
from mdfit.potentials import DimeNetPP, trainable
from mdfit.structure import Structure
from mdfit.training.loop import _Run
from timing import measure, report
from workloads import TRAINING_SETS, TrainingSet

SPECIES = np.array([14, 6, 7, 8])


def dataset(data: TrainingSet) -> Dataset:
    periodic = data.box is not None
    cell = np.diag(data.box) if periodic else np.zeros((3, 3))
    species = SPECIES[data.species].astype(np.int32)
    frames = []
    for positions, energy, forces in zip(data.positions, data.energies, data.forces, strict=True):
        structure = Structure(
            species=species,
            positions=positions,
            cell=cell,
            periodic=np.full(3, periodic),
            masses=np.full(len(species), 28.085),
            velocities=None,
        )
        frames.append(LabelledStructure(structure, energy=float(energy), forces=forces))
    return Dataset(tuple(frames))


def training_of(work: str) -> tuple[DimeNetPP, ForceMatching]:
    """The network and what it is trained with."""
    data = TRAINING_SETS[work]()
    frames = dataset(data)
    objective = ForceMatching(frames, energy=1.0, forces=10.0, batch_size=data.batch)
    return DimeNetPP(frames.species, data.cutoff, key=jax.random.key(0)), objective


def main(work: str) -> None:
    potential, objective = training_of(work)
    training = _Run(potential, objective, optax.adam(1e-3), None, 1, None, None, None, 0)

    def run(steps: int) -> None:
        for _ in range(steps):
            training.advance()

    timings = measure(run)
    trained = eqx.filter(potential, trainable(potential))
    report(
        work,
        timings,
        version=importlib.metadata.version("mdfit"),
        jax=jax.__version__,
        device=jax.devices()[0].device_kind,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(trained)),
        **TRAINING_SETS[work]().details(),
    )


if __name__ == "__main__":
    main(sys.argv[1])
