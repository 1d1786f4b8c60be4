"""chemtrain: one update of its relative-entropy trainer, in parts. Runs in `.peers/chemtrain`.

Its own functions for trajectories of many chains, weights and gradient, compiled once each.
"""

import contextlib
import functools
import importlib.metadata
import sys

import chemtrain  # noqa: F401  (patches jax before jax_md is imported)
import jax
import jax.numpy as jnp
import numpy as np
from chemtrain.ensemble import reweighting, sampling
from chemtrain.learn import difftre
from jax_md import partition, simulate, space
from jax_md_mod.model import neural_networks

from timing import measure_parts, report
from workloads import BOLTZMANN, CHAINS, FEMTOSECOND


def main(name: str, energies_at_once: str = "64") -> None:
    with contextlib.redirect_stdout(sys.stderr):
        timings, metrics, details = _time(CHAINS[name], int(energies_at_once))
    report(name, timings, metrics, **details)


def _model(work, data, displacement, neighbours):
    """Energy template and parameters of DimeNet++ with harmonic bonds."""
    edges, triplets = (int(1.2 * n) for n in data.edges_and_triplets().max(0))
    species = jnp.asarray(data.species)
    initialise, energy_function = neural_networks.dimenetpp_neighborlist(
        displacement, work.cutoff, n_species=4, max_edges=edges, max_triplets=triplets, embed_size=32
    )
    start = jnp.asarray(data.positions[0] / work.box + 0.5, jnp.float32)
    parameters = initialise(jax.random.PRNGKey(0), start, neighbours, species=species)

    def template(parameters):
        def potential(position, neighbor, **kwargs):
            network = jnp.sum(energy_function(parameters, position, neighbor=neighbor, species=species, **kwargs))
            steps = jax.vmap(functools.partial(displacement, **kwargs))(position[1:], position[:-1])
            stretch = jnp.sqrt(jnp.sum(steps**2, axis=-1)) - work.bond
            return work.network_scale * network + 0.5 * work.stiffness * jnp.sum(stretch**2)

        return potential

    return template, parameters


def _time(work, energies_at_once: int) -> tuple[dict, dict, dict]:
    data = work.reference()
    box = jnp.eye(3) * work.box
    displacement, shift = space.periodic_general(box, fractional_coordinates=True)
    # A skin so wide that all pairs of a molecule are always in the list: nothing is ever rebuilt.
    neighbour_function = partition.neighbor_list(
        displacement, box, 10.0, 9.0, capacity_multiplier=1.0, disable_cell_list=True, fractional_coordinates=True
    )
    reference = jnp.asarray(data.positions / work.box + 0.5, jnp.float32)
    neighbours = neighbour_function.allocate(reference[0], extra_capacity=0)
    template, parameters = _model(work, data, displacement, neighbours)
    timestep, kT = work.timestep * FEMTOSECOND, BOLTZMANN * work.temperature
    every = (work.steps_between + 0.01) * timestep
    timings = sampling.process_printouts(
        timestep, total_time=(work.frames + 0.51) * every, t_equilib=0.5 * every, print_every=every
    )
    initialise, simulator = sampling.initialize_simulator_template(
        simulate.nvt_langevin,
        shift,
        neighbours,
        extra_simulator_kwargs={"dt": timestep, "kT": kT, "gamma": work.friction / FEMTOSECOND},
    )
    state = initialise(
        jax.random.PRNGKey(1),
        reference[: work.chains],
        template(parameters),
        init_sim_kwargs={"mass": work.mass, "neighbor": neighbours, "box": box},
    )
    first, weights, *_ = reweighting.init_pot_reweight_propagation_fns(
        template,
        simulator,
        neighbour_function,
        timings,
        {"kT": kT},
        1.1,
        False,
        energies_at_once,
        safe_propagation=False,
    )
    loss = difftre.init_rel_entropy_loss_fn(template, weights, kT, energies_at_once)
    gradient_of = jax.jit(jax.value_and_grad(loss))
    trajectory = None

    def simulate_frames():
        nonlocal trajectory, state
        trajectory = jax.block_until_ready(first(jax.random.PRNGKey(2), parameters, state, num_runs=1))
        state = trajectory.sim_state

    def gradient():
        return jax.block_until_ready(gradient_of(parameters, trajectory, {"R": reference}))

    parts = {"trajectory": simulate_frames, "gradient": gradient}
    timings_and_metrics = measure_parts(parts, {"update": ("trajectory", "gradient")})
    value, slope = gradient()
    leaves = jax.tree_util.tree_leaves((value, slope))
    frames = trajectory.aux["energy"].size
    if bool(jnp.any(trajectory.overflow)) or frames != work.chains * work.frames:
        raise SystemExit(f"the neighbour list overflowed, or there are {frames} frames: the timing is not valid")
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise SystemExit("results are not finite: the timing is not valid")
    details = {
        "version": importlib.metadata.version("chemtrain"),
        "jax": jax.__version__,
        "gradient_norm": float(np.sqrt(sum(np.sum(np.square(leaf)) for leaf in leaves[1:]))),
        "energies_at_once": energies_at_once,
        "frames": int(frames),
    }
    return *timings_and_metrics, details


if __name__ == "__main__":
    main(*sys.argv[1:])
