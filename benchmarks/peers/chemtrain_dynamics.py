"""chemtrain: Langevin dynamics with its trajectory generator. Runs in `.peers/chemtrain`.

Works: a Lennard-Jones liquid, and DimeNet++ on silicon with random weights, which cost the same as trained ones.
"""

import contextlib
import importlib.metadata
import sys

import chemtrain  # noqa: F401  (patches jax before jax_md is imported)
import jax
import jax.numpy as jnp
import numpy as np
from chemtrain.ensemble import sampling
from jax_md import partition, simulate, space
from jax_md_mod.model import neural_networks

import jax_md_liquid
from timing import measure, report
from workloads import BOLTZMANN, CRYSTALS, FEMTOSECOND, LIQUIDS, SiliconCrystal


def lennard_jones(liquid, neighbour_format: str):
    """Neighbour function, energy template and start of the liquid."""
    neighbour_function, energy_function, shift, positions = jax_md_liquid.build(liquid, neighbour_format)
    return neighbour_function, lambda _: energy_function, shift, positions, {}, {}


def dimenet(crystal: SiliconCrystal):
    """Neighbour function, energy template and start of the crystal."""
    box = jnp.asarray(crystal.box, jnp.float32)
    displacement, shift = space.periodic(box)
    neighbour_function = partition.neighbor_list(
        displacement, box, crystal.cutoff, crystal.skin, capacity_multiplier=1.05
    )
    sites = jnp.asarray(crystal.sites(), jnp.float32)
    positions = jnp.asarray(crystal.positions() % crystal.box, jnp.float32)
    neighbours = neighbour_function.allocate(positions)
    atoms = crystal.number_of_atoms
    # 28 neighbours within 5 Å in the crystal; vibrations change that by little, and more capacity costs time
    edges, triplets = int(1.02 * 28 * atoms), int(1.02 * 28 * 27 * atoms)
    initialise, energy_function = neural_networks.dimenetpp_neighborlist(
        displacement, crystal.cutoff, n_species=1, max_edges=edges, max_triplets=triplets, embed_size=32
    )
    parameters = initialise(jax.random.PRNGKey(0), positions, neighbours)

    def template(parameters):
        def potential(position, neighbor, **kwargs):
            network = jnp.sum(energy_function(parameters, position, neighbor=neighbor))
            stretch = jax.vmap(displacement)(position, sites)
            return crystal.network_scale * network + 0.5 * crystal.spring * jnp.sum(stretch**2)

        return potential

    details = {
        "parameters": sum(leaf.size for leaf in jax.tree_util.tree_leaves(parameters)),
        "edge_capacity": edges,
        "triplet_capacity": triplets,
    }
    return neighbour_function, template, shift, positions, parameters, details


def main(work: str, neighbour_format: str = "OrderedSparse") -> None:
    with contextlib.redirect_stdout(sys.stderr):
        timings, details = _time(work, neighbour_format)
    report(work, timings, version=importlib.metadata.version("chemtrain"), jax=jax.__version__, **details)


def _time(work: str, neighbour_format: str) -> tuple[dict, dict]:
    if work in LIQUIDS:
        system = LIQUIDS[work]
        built = lennard_jones(system, neighbour_format)
        equilibration, friction, steps_per_unit = system.equilibration_steps, system.friction, 20
    else:
        system = CRYSTALS[work]
        built = dimenet(system)
        equilibration, friction, steps_per_unit = 0, 0.001, 5 if system.number_of_atoms < 100 else 1
    neighbour_function, template, shift, positions, parameters, details = built
    timestep = system.timestep * FEMTOSECOND
    neighbours = neighbour_function.allocate(positions, extra_capacity=10 if equilibration else 0)
    if not equilibration:
        neighbours = neighbour_function.allocate(positions)

    initialise, simulator = sampling.initialize_simulator_template(
        simulate.nvt_langevin,
        shift,
        neighbours,
        extra_simulator_kwargs={
            "dt": timestep,
            "kT": BOLTZMANN * system.temperature,
            "gamma": friction / FEMTOSECOND,
        },
    )
    # one frame per call; a hair above whole numbers, since the library truncates the ratios of the times
    every = (steps_per_unit + 0.01) * timestep
    frames = sampling.process_printouts(timestep, total_time=1.51 * every, t_equilib=0.5 * every, print_every=every)

    state = initialise(
        jax.random.PRNGKey(1),
        positions,
        template(parameters),
        init_sim_kwargs={"mass": system.mass, "neighbor": neighbours},
    )
    generate = jax.jit(sampling.trajectory_generator_init(simulator, template, frames, vmap_batch=1))

    def advance(units: int):
        nonlocal state
        for _ in range(units):
            trajectory = generate(parameters, state)
            state = trajectory.sim_state
        jax.block_until_ready(state.sim_state.position)
        return trajectory

    def equilibrate():
        if equilibration and bool(advance(equilibration // steps_per_unit).overflow):
            raise SystemExit("the neighbour list overflowed while the liquid melted")

    timings = measure(advance, steps_per_unit, equilibrate)
    last = advance(1)
    if bool(last.overflow):
        raise SystemExit("the neighbour list overflowed while the clock ran: the timing is not valid")
    temperature = float(np.mean(np.asarray(last.aux["kT"]))) / BOLTZMANN
    if not np.isfinite(temperature):
        raise SystemExit("the dynamics went to infinity: the timing is not valid")
    details |= {
        "atoms": system.number_of_atoms,
        "cutoff": system.cutoff,
        "temperature": temperature,
    }
    return timings, details


if __name__ == "__main__":
    main(*sys.argv[1:])
