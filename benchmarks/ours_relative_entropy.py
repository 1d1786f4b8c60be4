"""mdfit: one update of relative entropy with many chains of a small molecule."""

import importlib.metadata
import sys

import equinox as eqx
import jax
import numpy as np

from mdfit.data import Dataset, LabelledStructure
from mdfit.objectives import MappedEnsemble, Parameters, RelativeEntropy
from mdfit.potentials import DimeNetPP, HarmonicBonds, Scaling, trainable
from mdfit.simulate import Langevin
from mdfit.structure import Structure
from timing import measure_parts, report
from workloads import CHAINS


def main(name: str) -> None:
    work = CHAINS[name]
    data = work.reference()
    kinds = (data.species + 1).astype(np.int32)
    structures = [
        Structure(kinds, x, np.zeros((3, 3)), np.zeros(3, bool), np.full(work.beads, work.mass)) for x in data.positions
    ]
    reference = MappedEnsemble.of(Dataset(tuple(LabelledStructure(s) for s in structures)), work.temperature)
    every = work.steps_between * work.timestep
    objective = RelativeEntropy(
        reference,
        Langevin(work.timestep, friction=1000 * work.friction),
        sample=work.frames * every,
        every=every,
        chains=work.chains,
    )
    scaling = Scaling(dict.fromkeys(range(1, 5), 0.0), work.network_scale)
    network = DimeNetPP((1, 2, 3, 4), work.cutoff, scaling=scaling, key=jax.random.key(0))
    bonds = HarmonicBonds(work.beads, [[i, i + 1] for i in range(work.beads - 1)], work.bond, work.stiffness)
    potential = network + bonds
    flags = trainable(potential)
    flags = eqx.tree_at(lambda tree: tree.terms[1], flags, jax.tree.map(lambda _: False, flags.terms[1]))
    parameters = Parameters(*eqx.partition(potential, flags))
    state = objective.initial_state(0, parameters)

    def update():
        nonlocal state
        evaluation, state = objective.evaluate(parameters, state)
        assert float(evaluation.metrics["recomputed"]) == 1
        return jax.block_until_ready(evaluation)

    timings, metrics = measure_parts({"update": update}, {})
    evaluation = update()
    report(
        name,
        timings,
        metrics,
        version=importlib.metadata.version("mdfit"),
        jax=jax.__version__,
        gradient_norm=float(evaluation.metrics["gradient_norm"]),
        steps=work.frames * work.steps_between,
    )


if __name__ == "__main__":
    main(sys.argv[1])
