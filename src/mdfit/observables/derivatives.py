"""Derivatives of the energy at the frames of a trajectory: twice by strain, and by temperature."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials import Potential, distinct_cutoffs, energy_and_derivatives, temperature_derivatives
from mdfit.simulate import Trajectory
from mdfit.simulate.frame_graphs import FrameGraphs


def stiffness_of_frames(potential: Potential, trajectory: Trajectory) -> np.ndarray:
    """(1/V) ∂²U/∂ε_ij∂ε_kl in eV/Å³ at every frame, in the number format of the simulation.

    Returns:
        ``(replicas, frames, 3, 3, 3, 3)`` in double precision.

    Raises:
        UnknownSpeciesError: when the potential was not made for the structure.
    """
    potential.check_species(set(trajectory.species.tolist()))
    batches = FrameGraphs(trajectory, distinct_cutoffs(potential))
    results = [np.asarray(_stiffness(potential, batch.graphs), np.float64)[: batch.number] for batch in batches]
    stacked = np.concatenate(results).reshape(trajectory.replicas, len(trajectory), 3, 3, 3, 3)
    return stacked / trajectory.volumes.astype(np.float64)[:, :, None, None, None, None]


def temperature_derivatives_of_frames(potential: Potential, trajectory: Trajectory) -> np.ndarray:
    """∂U/∂T in eV/K and ∂²U/∂T² in eV/K² at every frame, at the temperature of the trajectory.

    Returns:
        ``(replicas, frames, 2)`` in double precision.

    Raises:
        UnknownSpeciesError: when the potential was not made for the structure.
    """
    potential.check_species(set(trajectory.species.tolist()))
    batches = FrameGraphs(trajectory, distinct_cutoffs(potential))
    results = [np.asarray(_temperature_derivatives(potential, b.graphs))[: b.number] for b in batches]
    return np.concatenate(results).reshape(trajectory.replicas, len(trajectory), 2)


@eqx.filter_jit
def _temperature_derivatives(potential: Potential, graphs: tuple[Graph, ...]) -> Float[Array, "structures 2"]:
    return jnp.stack(temperature_derivatives(potential, graphs), axis=-1)


@eqx.filter_jit
def _stiffness(potential: Potential, graphs: tuple[Graph, ...]) -> Float[Array, "structures 3 3 3 3"]:
    return energy_and_derivatives(potential, graphs, True)[-1]
