"""Allegro: a strictly local equivariant potential.

A. Musaelian, S. Batzner, A. Johansson, L. Sun, C. J. Owen, M. Kornbluth, B. Kozinsky, Nat. Commun. 14, 579 (2023),
doi:10.1038/s41467-023-36329-y.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.models import Constant
from mdfit.potentials.couplings import paths, spherical_harmonics
from mdfit.potentials.edge_tensors import Tensors, matrix_of, surroundings_of
from mdfit.potentials.layers import Dense, SpeciesTable, bessel_basis, bessel_frequencies, polynomial_envelope, silu
from mdfit.potentials.neural import NeuralPotential
from mdfit.potentials.readout import EnergiesAndFeatures, Scaling, reference_table, require_positive

if TYPE_CHECKING:
    from mdfit.data import Dataset

#: One over the root mean square of silu(x) for normal x, so that layers keep the scale of what they are given.
SILU_GAIN = 1.6765
#: Spherical harmonics of higher orders cost more than they bring.
HIGHEST_ORDER = 3


class Perceptron(eqx.Module):
    """Dense layers with silu between them, that keep the scale of their inputs at the start."""

    layers: list[Dense]

    def __init__(self, sizes: Sequence[int], key: jax.Array):
        keys = jax.random.split(key, len(sizes) - 1)
        pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
        self.layers = [_unit_variance(first, last, one) for first, last, one in pairs]

    def __call__(self, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
        for layer in self.layers[:-1]:
            x = SILU_GAIN * silu(layer(x))
        return self.layers[-1](x)


def _unit_variance(inputs: int, outputs: int, key: jax.Array, bias: bool = True) -> Dense:
    """Outputs of unit variance for inputs of unit variance."""
    return Dense(inputs, outputs, key, bias=bias, gain=float(np.sqrt((inputs + outputs) / (2 * inputs))))


class Interaction(eqx.Module):
    """Multiplies the tensors of each edge by those of the surroundings of its atom, and tells its scalars of the result.

    Musaelian et al., eq. 5 to 10, with weights for each channel of each path in place of a mixture of channels.
    """

    surroundings: Dense
    latent: Perceptron
    mixing: Float[Array, ""]
    path_weights: Float[Array, "paths tensor_channels"] | None
    order: int = eqx.field(static=True)

    def __init__(self, channels: int, tensor_channels: int, order: int, key: jax.Array, *, to_tensors: bool):
        first, second, third = jax.random.split(key, 3)
        self.order = order
        self.surroundings = _unit_variance(channels, tensor_channels * (order + 1), first, bias=False)
        shape = (len(paths(order)), tensor_channels)
        self.path_weights = jax.random.normal(third, shape, jnp.float32) if to_tensors else None
        scalars = tensor_channels * (1 if to_tensors else order + 1)
        self.latent = Perceptron((channels + scalars, channels, channels), second)
        self.mixing = jnp.zeros((), jnp.float32)

    def __call__(
        self,
        scalars: Float[Array, "atoms neighbours channels"],
        tensors: Tensors,
        weight: Float[Array, "atoms neighbours 1"],
        envelope: Float[Array, "atoms neighbours 1"],
    ) -> tuple[Float[Array, "atoms neighbours channels"], Tensors]:
        """Scalars and tensors of the edges; ``weight`` is the envelope over the root of the mean number of neighbours."""
        shares = jnp.split(self.surroundings(scalars) * weight, self.order + 1, axis=-1)
        around = {order: surroundings_of(shares[order], own) for order, own in enumerate(tensors.harmonics)}
        if self.path_weights is None:
            products = [tensors.inner({order: own / np.float32(len(own)) ** 0.5}) for order, own in around.items()]
        else:
            tensors = tensors.multiplied(matrix_of(around, self.path_weights, self.order))
            products = [tensors.scalars()]
        update = envelope * self.latent(jnp.concatenate([scalars, *products], axis=-1))
        share = jax.nn.sigmoid(self.mixing)
        return jnp.sqrt(1 - share) * scalars + jnp.sqrt(share) * update, tensors


class Allegro(NeuralPotential):
    """Edges with scalar and tensor features, which see the surroundings of their atom and nothing beyond the cutoff.

    No messages are passed on: forces on an atom depend on what is within twice the cutoff, whatever the number of layers,
    and atoms without neighbours have their reference energies.  Tensors have the parity of their order.

    Args:
        species: atomic numbers.
        cutoff: in Å.
        channels: scalar features of an edge.
        layers: products with the surroundings; the energy is of body order ``layers + 2`` in them.
        radial_functions: Bessel functions of the distance.
        tensor_channels: tensors of each order of an edge.
        order: highest one of the spherical harmonics, 1 to 3.
        mean_neighbours: within the cutoff, to scale sums over them.
        scaling: reference energies and the scale of the data.
        key: of the random initial parameters.

    Raises:
        PotentialError: for sizes out of range.

    Example:
        >>> import jax
        >>> from mdfit.potentials import Allegro
        >>> potential = Allegro([1, 8], cutoff=5.0, channels=16, tensor_channels=4, key=jax.random.key(0))
        >>> potential.species, potential.embedding.shape, len(potential.interactions)
        ((1, 8), (2, 2, 16), 2)
    """

    species: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    cutoff: float = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    radial_functions: int = eqx.field(static=True)
    tensor_channels: int = eqx.field(static=True)
    order: int = eqx.field(static=True)
    mean_neighbours: float = eqx.field(static=True)
    embedding: Float[Array, "species species channels"]
    frequencies: Float[Array, " functions"]
    radial: Dense
    two_body: Perceptron
    to_tensors: Dense
    interactions: list[Interaction]
    hidden: Dense
    outer: Dense
    species_scale: Float[Array, " species"]
    scale: Constant
    reference: Constant

    def __init__(
        self,
        species: Iterable[int],
        cutoff: float,
        channels: int = 64,
        layers: int = 2,
        radial_functions: int = 8,
        tensor_channels: int = 32,
        order: int = 2,
        mean_neighbours: float = 20.0,
        scaling: Scaling | None = None,
        key: jax.Array | None = None,
    ):
        self.species = tuple(int(z) for z in species)
        self.cutoff, self.mean_neighbours = float(cutoff), float(mean_neighbours)
        self.channels, self.layers, self.radial_functions = channels, layers, radial_functions
        self.tensor_channels, self.order = tensor_channels, order
        require_positive("Allegro", cutoff=self.cutoff, mean_neighbours=self.mean_neighbours)
        if not 1 <= order <= HIGHEST_ORDER:
            raise PotentialError(f"Allegro needs an order of spherical harmonics of 1 to {HIGHEST_ORDER}, not {order}.")
        keys = jax.random.split(jax.random.key(0) if key is None else key, layers + 6)
        number = len(self.species)
        self.embedding = jax.random.normal(keys[0], (number, number, channels), jnp.float32)
        self.frequencies = bessel_frequencies(radial_functions)
        self.radial = _unit_variance(radial_functions, channels, keys[5], bias=False)
        self.two_body = Perceptron((channels, channels, channels), keys[1])
        self.to_tensors = _unit_variance(channels, tensor_channels * (order + 1), keys[2], bias=False)
        # No tensor is read after the last product.
        self.interactions = [
            Interaction(channels, tensor_channels, order, k, to_tensors=i < layers - 1) for i, k in enumerate(keys[6:])
        ]
        self.hidden = _unit_variance(channels, channels // 2, keys[3])
        self.outer = _unit_variance(channels // 2, 1, keys[4], bias=False)
        self.species_scale = jnp.ones(len(self.species), jnp.float32)
        self.scale = Constant(jnp.float32(1.0 if scaling is None else scaling.scale))
        self.reference = Constant(reference_table(self.species, scaling))

    @classmethod
    def for_data(
        cls,
        dataset: Dataset,
        cutoff: float | str = "5 Å",
        channels: int = 64,
        layers: int = 2,
        radial_functions: int = 8,
        tensor_channels: int = 32,
        order: int = 2,
        key: jax.Array | None = None,
    ) -> Allegro:
        """A new potential whose species, reference energies and scales come from a training set.

        Args:
            dataset: an :class:`mdfit.data.Dataset`.
            cutoff: a length, or a number in Å.
            channels: scalar features of an edge.
            layers: products with the surroundings.
            radial_functions: Bessel functions of the distance.
            tensor_channels: tensors of each order of an edge.
            order: highest one of the spherical harmonics.
            key: of the random initial parameters.
        """
        from mdfit.potentials.statistics import cutoff_and_neighbours

        length, neighbours = cutoff_and_neighbours(dataset, cutoff)
        scaling = Scaling.of(dataset)
        sizes = (channels, layers, radial_functions, tensor_channels, order)
        return cls(dataset.species, length, *sizes, neighbours, scaling, key)

    @property
    def last_layer(self) -> Float[Array, " features"]:
        return self.outer.weight[:, 0]

    def with_last_layer(self, weights: Float[Array, " features"]) -> Allegro:
        new = weights.astype(self.outer.weight.dtype)[:, None]
        return eqx.tree_at(lambda own: own.outer.weight, self, new)

    def energies_and_features(self, graph: Graph) -> EnergiesAndFeatures:
        kinds = SpeciesTable(self.species)(graph.species)
        distances = graph.distances()
        envelope = jnp.where(graph.mask, polynomial_envelope(distances / self.cutoff), 0)[..., None].astype(graph.dtype)
        weight = envelope / np.sqrt(self.mean_neighbours).astype(graph.dtype)
        harmonics = spherical_harmonics(graph.vectors / distances[..., None], self.order)
        scalars = envelope * self.two_body(self._pairs(graph, kinds, distances, envelope))
        shares = jnp.split(self.to_tensors(scalars), self.order + 1, axis=-1)
        tensors = Tensors(shares, harmonics)
        for interaction in self.interactions:
            scalars, tensors = interaction(scalars, tensors, weight, envelope)
        hidden = jnp.sum(weight * silu(self.hidden(scalars)), axis=1) * self.species_scale[kinds][:, None]
        raw = self.outer(hidden)[:, 0]
        energies = (raw * self.scale.value).astype(jnp.float64) + self.reference.value[kinds]
        return energies, hidden * self.scale.value

    def _pairs(self, graph: Graph, kinds: Array, distances: Array, envelope: Array) -> Float[Array, "a n channels"]:
        """What an edge knows of itself: its length, seen in a way of its own by each pair of species."""
        # Functions of unit mean square in the sphere.
        size = np.sqrt(self.cutoff**3 / 3).astype(graph.dtype)
        radial = self.radial(size * bessel_basis(distances, self.cutoff, self.frequencies) * envelope)
        # A product with flags, whose derivative is one, too; that of fetching rows is a scattered addition.
        flags = jax.nn.one_hot(graph.from_neighbours(kinds), len(self.species), dtype=radial.dtype)
        return jnp.einsum("ans,asc->anc", flags, self.embedding[kinds]) * radial
