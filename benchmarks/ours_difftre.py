"""mdfit: one update of DiffTRe from a radial distribution function and a pressure, in parts."""

import importlib.metadata
import sys

import equinox as eqx
import jax
import numpy as np

from mdfit.measurements import Measurement
from mdfit.objectives import DiffTRe, Parameters
from mdfit.observables import RDF, Pressure
from mdfit.potentials import DimeNetPP, PairSpline, Scaling, StillingerWeber, trainable
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.structure import Structure
from timing import measure_parts, report
from workloads import UPDATES, LennardJonesLiquid, ReweightedTraining, lennard_jones_table


def model(work: ReweightedTraining):
    """A spline through the Lennard-Jones potential, or DimeNet++ with Stillinger-Weber, and what of it is trained."""
    system = work.system
    if isinstance(system, LennardJonesLiquid):
        knots, values = lennard_jones_table(work)
        spline = PairSpline.from_table(knots, values, intervals=work.knots)
        return spline, trainable(spline)
    network = DimeNetPP((14,), system.cutoff, scaling=Scaling({14: 0.0}, system.network_scale), key=jax.random.key(0))
    potential = network + StillingerWeber.silicon()
    flags = trainable(potential)
    return potential, eqx.tree_at(lambda tree: tree.terms[1], flags, jax.tree.map(lambda _: False, flags.terms[1]))


def objective(work: ReweightedTraining, reuse: float = 0.9) -> DiffTRe:
    """The measurements of the work at its state point."""
    system = work.system
    atoms = system.number_of_atoms
    structure = Structure(
        species=np.full(atoms, 10 if isinstance(system, LennardJonesLiquid) else 14, np.int32),
        positions=system.positions(),
        cell=np.diag(np.broadcast_to(system.box, 3)),
        periodic=np.full(3, True),
        masses=np.full(atoms, system.mass),
        velocities=None,
    )
    at = StatePoint(structure, system.temperature)
    rdf = RDF(work.rdf_range, bins=work.bins)
    every = work.steps_between * system.timestep
    return DiffTRe(
        [Measurement(rdf, np.ones(work.bins), at, weight=1.0), Measurement(Pressure(), 0.0, at, weight=1e-6)],
        Langevin(system.timestep, friction=1.0),
        sample=work.frames * every,
        every=every,
        reuse=reuse,
        fewest_samples=0.1,
        engine=JaxMD(skin=system.skin),
    )


def main(name: str) -> None:
    work = UPDATES[name]
    potential, flags = model(work)
    parameters = Parameters(*eqx.partition(potential, flags))
    # Frames of other parameters, however close, are then worth too little to be used again.
    again, anew = objective(work), objective(work, reuse=1.0)
    kept = again.evaluate(parameters, again.initial_state(0, parameters))[1]
    state, sign = anew.initial_state(0, parameters), 1

    def new_update():
        nonlocal state, sign
        sign = -sign
        moved = jax.tree.map(lambda leaf: leaf * (1 + 1e-3 * sign), parameters.trained)
        evaluation, state = anew.evaluate(parameters._replace(trained=moved), state)
        assert float(evaluation.metrics["recomputed"]) == 1
        return jax.block_until_ready(evaluation)

    def reused_update():
        evaluation, _ = again.evaluate(parameters, kept)
        assert float(evaluation.metrics["recomputed"]) == 0
        return jax.block_until_ready(evaluation)

    timings, metrics = measure_parts({"update": new_update, "gradient": reused_update}, {})
    evaluation = reused_update()
    report(
        name,
        timings,
        metrics,
        version=importlib.metadata.version("mdfit"),
        jax=jax.__version__,
        loss=float(evaluation.loss),
        pressure_in_bar=float(evaluation.metrics["Pressure"]),
    )


if __name__ == "__main__":
    main(sys.argv[1])
