"""chemtrain: one update of its DiffTRe trainer, in parts. Runs in `.peers/chemtrain`.

Its own functions for trajectory, weights, observables and gradient, compiled once each; the update is the sum of a new
trajectory with its energies and of the gradient, without the free-energy difference that its trainer adds.
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
from chemtrain.quantity import observables
from jax_md import partition, simulate, space
from jax_md_mod import custom_energy, custom_quantity
from jax_md_mod.model import neural_networks

from timing import measure_parts, report
from workloads import BOLTZMANN, FEMTOSECOND, UPDATES, LennardJonesLiquid, lennard_jones_table


def liquid_model(work, displacement, box, neighbour_function):
    """Energy template and parameters of a spline that follows the Lennard-Jones potential."""
    liquid = work.system
    knots, values = lennard_jones_table(work)
    energy_of = functools.partial(
        custom_energy.tabulated_neighbor_list,
        displacement,
        jnp.asarray(knots),
        box_size=box,
        r_onset=liquid.switch_onset,
        r_cutoff=liquid.cutoff,
        initialize_neighbor_list=False,
    )

    def template(parameters):
        return energy_of(y_vals=parameters)

    return template, jnp.asarray(values, jnp.float32)


def crystal_model(work, displacement, box, neighbour_function):
    """Energy template and parameters of DimeNet++ with springs to the sites."""
    crystal = work.system
    sites = jnp.asarray(crystal.sites() / crystal.box, jnp.float32)
    positions = jnp.asarray(crystal.positions() % crystal.box / crystal.box, jnp.float32)
    atoms = crystal.number_of_atoms
    edges, triplets = int(1.02 * 28 * atoms), int(1.02 * 28 * 27 * atoms)
    initialise, energy_function = neural_networks.dimenetpp_neighborlist(
        displacement, crystal.cutoff, n_species=1, max_edges=edges, max_triplets=triplets, embed_size=32
    )
    parameters = initialise(jax.random.PRNGKey(0), positions, neighbour_function.allocate(positions))

    def template(parameters):
        def potential(position, neighbor, **kwargs):
            network = jnp.sum(energy_function(parameters, position, neighbor=neighbor, **kwargs))
            stretch = jax.vmap(functools.partial(displacement, **kwargs))(position, sites)
            return crystal.network_scale * network + 0.5 * crystal.spring * jnp.sum(stretch**2)

        return potential

    return template, parameters


def main(name: str, energies_at_once: str = "10") -> None:
    with contextlib.redirect_stdout(sys.stderr):
        timings, metrics, details = _time(UPDATES[name], int(energies_at_once))
    report(name, timings, metrics, **details)


def _time(work, energies_at_once: int) -> tuple[dict, dict, dict]:
    system = work.system
    box = jnp.diag(jnp.asarray(np.broadcast_to(system.box, 3), jnp.float32))
    displacement, shift = space.periodic_general(box, fractional_coordinates=True)
    neighbour_function = partition.neighbor_list(
        displacement, box, system.cutoff, system.skin, capacity_multiplier=1.05, fractional_coordinates=True
    )
    liquid = isinstance(system, LennardJonesLiquid)
    template, parameters = (liquid_model if liquid else crystal_model)(work, displacement, box, neighbour_function)
    positions = jnp.asarray(system.positions() % system.box / system.box, jnp.float32)
    neighbours = neighbour_function.allocate(positions, extra_capacity=10 if liquid else 0)
    timestep, kT = system.timestep * FEMTOSECOND, BOLTZMANN * system.temperature
    every = (work.steps_between + 0.01) * timestep
    timings = sampling.process_printouts(
        timestep, total_time=(work.frames + 0.51) * every, t_equilib=0.5 * every, print_every=every
    )
    initialise, simulator = sampling.initialize_simulator_template(
        simulate.nvt_langevin,
        shift,
        neighbours,
        extra_simulator_kwargs={"dt": timestep, "kT": kT, "gamma": 0.001 / FEMTOSECOND},
    )
    state = initialise(
        jax.random.PRNGKey(1),
        positions,
        template(parameters),
        init_sim_kwargs={"mass": system.mass, "neighbor": neighbours, "box": box},
    )
    first, *functions = reweighting.init_pot_reweight_propagation_fns(
        template,
        simulator,
        neighbour_function,
        timings,
        {"kT": kT},
        0.9,
        False,
        energies_at_once,
        safe_propagation=False,
    )
    centers, boundaries, width = custom_quantity.rdf_discretization(work.rdf_range, work.bins)
    discretization = custom_quantity.RDFParams(None, centers, boundaries, width)
    quantities = {
        "rdf": custom_quantity.init_rdf(displacement, discretization, box),
        "pressure": custom_quantity.init_pressure(template, box),
    }
    loss_function = difftre.init_default_loss_fn(
        {name: observables.init_traj_mean_fn(name) for name in ("rdf", "pressure")}, {}
    )
    loss, *_ = difftre.init_difftre_gradient_and_propagation(
        tuple(functions), loss_function, quantities, template, wrapped=False
    )
    targets = {"rdf": {"target": jnp.ones(work.bins)}, "pressure": {"target": 0.0}}
    gradient_of = jax.jit(jax.value_and_grad(loss, has_aux=True))
    trajectory = None

    def simulate_frames():
        nonlocal trajectory, state
        trajectory = jax.block_until_ready(first(jax.random.PRNGKey(2), parameters, state, num_runs=1))
        state = trajectory.sim_state

    def gradient():
        return jax.block_until_ready(gradient_of(parameters, trajectory, {"kT": kT}, targets))

    parts = {"trajectory": simulate_frames, "gradient": gradient}
    timings_and_metrics = measure_parts(parts, {"update": ("trajectory", "gradient")})
    (value, predictions), slope = gradient()
    finite = all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves((value, slope)))
    if bool(trajectory.overflow) or not finite or len(trajectory.aux["energy"]) != work.frames:
        raise SystemExit("the neighbour list overflowed, or results are not finite: the timing is not valid")
    details = {
        "version": importlib.metadata.version("chemtrain"),
        "jax": jax.__version__,
        "loss": float(value),
        "rdf_maximum": float(predictions["rdf"].max()),
        "pressure_in_eV_per_cubic_angstrom": float(predictions["pressure"]),
        "energies_at_once": energies_at_once,
    }
    return *timings_and_metrics, details


if __name__ == "__main__":
    main(*sys.argv[1:])
