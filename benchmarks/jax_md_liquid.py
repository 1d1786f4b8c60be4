"""The Lennard-Jones liquid in jax-md, for the programs that build on it; each imports jax in its own environment."""

import jax.numpy as jnp
from jax_md import energy, partition, space

from workloads import LennardJonesLiquid


def build(liquid: LennardJonesLiquid, neighbour_format: str):
    """Neighbour function, energy function, shift function and initial positions."""
    displacement, shift = space.periodic(liquid.box)
    neighbour_function, energy_function = energy.lennard_jones_neighbor_list(
        displacement,
        liquid.box,
        sigma=liquid.sigma,
        epsilon=liquid.epsilon,
        r_onset=liquid.switch_onset / liquid.sigma,
        r_cutoff=liquid.cutoff / liquid.sigma,
        dr_threshold=liquid.skin,
        format=getattr(partition, neighbour_format),
    )
    positions = jnp.asarray(liquid.positions() % liquid.box, jnp.float32)
    return neighbour_function, energy_function, shift, positions
