"""mdfit: Langevin dynamics of a Lennard-Jones liquid, and of silicon with random networks."""

import importlib.metadata
import statistics
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.graph import Graph
from mdfit.potentials import DimeNetPP, LennardJones, PaiNN, Scaling, StillingerWeber, forces
from mdfit.progress import Bar
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.simulate.jax_md.simulation import JaxSimulation
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN
from timing import measure, report
from workloads import CRYSTALS, LIQUIDS


def liquid_simulation(work: str):
    """Potential, structure, equilibration steps and steps per unit of a Lennard-Jones liquid."""
    liquid = LIQUIDS[work]
    potential = LennardJones(liquid.epsilon, liquid.sigma, liquid.cutoff, "switch", liquid.switch_onset)
    structure = _structure(10, liquid.positions(), np.full(3, liquid.box), liquid.mass)
    return liquid, potential, structure, liquid.equilibration_steps, 20


def crystal_simulation(work: str):
    """The same of a silicon crystal; random weights cost the same as trained ones."""
    crystal = CRYSTALS[work]
    network = PaiNN if work.startswith("painn") else DimeNetPP
    scaling = Scaling({14: 0.0}, crystal.network_scale)
    # Stillinger-Weber holds the crystal together, at our own cost.
    potential = network((14,), crystal.cutoff, scaling=scaling, key=jax.random.key(0)) + StillingerWeber.silicon()
    structure = _structure(14, crystal.positions(), crystal.box, crystal.mass)
    return crystal, potential, structure, 0, max(1, 320 // crystal.number_of_atoms)


def _structure(species: int, positions: np.ndarray, box: np.ndarray, mass: float) -> Structure:
    return Structure(
        species=np.full(len(positions), species, np.int32),
        positions=positions,
        cell=np.diag(box),
        periodic=np.full(3, True),
        masses=np.full(len(positions), mass),
        velocities=None,
    )


def main(work: str) -> None:
    build = liquid_simulation if work in LIQUIDS else crystal_simulation
    system, potential, structure, equilibration, steps_per_unit = build(work)
    friction = 1000 * getattr(system, "friction", 0.001)
    sampler = Langevin(timestep=system.timestep, friction=friction)
    at = StatePoint(structure, system.temperature)
    simulation = JaxMD(skin=system.skin).simulation(potential, [at], sampler, [structure])
    simulation.begin(jax.random.key(1))
    bar = Bar()

    def run(units: int) -> None:
        simulation.advance(units * steps_per_unit, bar)
        jax.block_until_ready(simulation.state.position)

    timings = measure(run, steps_per_unit, lambda: run(equilibration // steps_per_unit))
    seconds_per_step = statistics.median(timings["seconds_per_step"])
    frame = simulation.frame()
    kinetic = 0.5 * np.sum(frame["velocities"] ** 2 * structure.masses[:, None])
    share = 1 - force_seconds(simulation) / seconds_per_step
    report(
        work,
        timings,
        {"time_outside_potential": {"value": 100 * share, "standard_error": 0.0, "unit": "%"}},
        version=importlib.metadata.version("mdfit"),
        jax=jax.__version__,
        device=jax.devices()[0].device_kind,
        atoms=structure.number_of_atoms,
        cutoff=system.cutoff,
        neighbours_within_reach=float(np.asarray(simulation.context.neighbours.mask).sum() / structure.number_of_atoms),
        temperature=float(2 * kinetic / (3 * structure.number_of_atoms * BOLTZMANN)),
        potential_energy_per_atom=float(frame["potential_energies"][0] / structure.number_of_atoms),
    )


def graph_at(simulation: JaxSimulation, positions: jax.Array) -> Graph:
    """What the potential sees of the first replica at these positions, by the present lists."""
    context = simulation.context
    neighbours = jax.tree.map(lambda leaf: leaf[0], context.neighbours)
    return neighbours.graph_of(context.potential, context.species, positions)


def force_seconds(simulation: JaxSimulation) -> float:
    """Median time of the forces alone, from a finished graph, in a loop on the device like the dynamics."""
    context = simulation.context
    graph = graph_at(simulation, simulation.state.position[0])

    @eqx.filter_jit
    def repeat(potential, graph, times, zero):
        def once(_, vectors):
            # the next evaluation depends on this one, so that none is optimised away
            return vectors + zero * forces(potential, graph.with_vectors(vectors))[:, None]

        return jax.lax.fori_loop(0, times, once, graph.vectors)

    def timed(times: int) -> float:
        start = time.perf_counter()
        repeat(context.potential, graph, jnp.int32(times), jnp.float32(0)).block_until_ready()
        return (time.perf_counter() - start) / times

    timed(1)
    times = max(1, round(0.5 / timed(1)))
    return statistics.median(timed(times) for _ in range(5))


if __name__ == "__main__":
    main(sys.argv[1])
