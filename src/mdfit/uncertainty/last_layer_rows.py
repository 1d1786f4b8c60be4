"""What labels say of the weights of a last layer: one row of derivatives for each label."""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.graph.batches import Batch
from mdfit.potentials import Potential, Sum
from mdfit.potentials.base import seen_by
from mdfit.potentials.evaluation import VOIGT
from mdfit.potentials.last_layer import slopes_of_features
from mdfit.potentials.neural import AT_ONCE, network_of

#: Rows of a batch by label, zero where it is missing: of energies per atom, forces and stresses.
Rows = dict[str, Float[Array, "labels features"]]


def features_of(potential: Potential, graph: Graph) -> Float[Array, "atoms features"]:
    """φ_i in double precision, zero for padding atoms."""
    network, seen = _network_and_graph(potential, graph)
    features = network.energies_and_features(seen.only(network.reads))[1]
    return jnp.where(graph.atom_mask[:, None], features, 0).astype(jnp.float64)


def label_rows(potential: Potential, batch: Batch, labels: Mapping[str, float]) -> Rows:
    """∂label/∂w for every component of every label of these kinds, with as many derivatives as there are features.

    A symmetric stress has six components.
    """
    found = {}
    if "energy" in labels:
        found["energy"] = _energy_rows(potential, batch)
    if {"forces", "stress"} & labels.keys():
        units = jnp.eye(network_of(potential).last_layer.shape[0])
        slopes = slopes_of_features(potential, batch.graph, units)
        if "forces" in labels:
            found["forces"] = _rows(jnp.where(batch.forces_mask[:, None], slopes.forces, 0))
        if "stress" in labels:
            stress = slopes.strain_derivative[..., *VOIGT] / batch.volumes[:, None]
            found["stress"] = _rows(jnp.where(batch.stress_mask[:, None], stress, 0))
    return found


def probed_rows(
    potential: Potential, batch: Batch, labels: Mapping[str, float], signs: Float[Array, "probes atoms 3"]
) -> Rows:
    """The same with few rows in place of those of all forces, of which Σ row rowᵀ has the same expectation value.

    Each row is the derivative along one random displacement of all atoms, which costs about one evaluation.

    Args:
        potential: see :func:`mdfit.potentials.neural.network_of`.
        batch: structures with labels.
        labels: kinds of labels.
        signs: random numbers ±1.
    """
    network, seen = _network_and_graph(potential, batch.graph)

    def features_at(vectors: Float[Array, "atoms neighbours 3"]) -> Float[Array, "structures features"]:
        moved = seen.only(network.reads).with_vectors(vectors)
        return moved.sum_structures(network.energies_and_features(moved)[1])

    _, along = jax.linearize(features_at, seen.vectors)
    found = {}
    if "energy" in labels:
        found["energy"] = _energy_rows(potential, batch)
    if "forces" in labels:

        def displaced(sign: Float[Array, "atoms 3"]) -> Float[Array, "structures features"]:
            known = jnp.where(batch.forces_mask[:, None], sign, 0).astype(seen.dtype)
            return along(seen.from_neighbours(known) - known[:, None])

        found["forces"] = jnp.concatenate(jax.lax.map(displaced, signs, batch_size=AT_ONCE)) / len(signs) ** 0.5
    if "stress" in labels:
        units = jnp.eye(9, dtype=seen.dtype).reshape(9, 3, 3)
        strains = 0.5 * (units + jnp.swapaxes(units, 1, 2))[3 * VOIGT[0] + VOIGT[1]]
        slopes = jax.lax.map(lambda strain: along(seen.vectors @ strain), strains, batch_size=AT_ONCE)
        stress = slopes / batch.volumes[:, None]
        found["stress"] = jnp.concatenate(jnp.where(batch.stress_mask[:, None], stress, 0))
    return found


@eqx.filter_jit
def precision(
    potential: Potential,
    batch: Batch,
    noise: Mapping[str, float],
    signs: Float[Array, "probes atoms 3"] | None,
) -> Float[Array, "features features"]:
    """Σ row rowᵀ/σ² over the labels of a batch, in double precision.

    Args:
        potential: see :func:`mdfit.potentials.neural.network_of`.
        batch: structures with labels.
        noise: σ by label, of the energy per atom in eV, of forces in eV/Å and of stresses in eV/Å³.
        signs: random numbers ±1, see :func:`probed_rows`; None for all components of the forces.
    """
    rows = label_rows(potential, batch, noise) if signs is None else probed_rows(potential, batch, noise, signs)
    scaled = jnp.concatenate([own.astype(jnp.float64) / noise[name] for name, own in rows.items()])
    return scaled.T @ scaled


def _network_and_graph(potential: Potential, graph: Graph) -> tuple:
    network = network_of(potential)
    return network, seen_by(network, graph) if isinstance(potential, Sum) else graph


def _energy_rows(potential: Potential, batch: Batch) -> Float[Array, "structures features"]:
    per_atom = batch.graph.sum_structures(features_of(potential, batch.graph)) / batch.atom_counts[:, None]
    return jnp.where(batch.energy_mask[:, None], per_atom, 0)


def _rows(slopes: Float[Array, "features *components"]) -> Float[Array, "labels features"]:
    return slopes.reshape(slopes.shape[0], -1).T
