"""PaiNN: polarizable atom interaction neural network, an equivariant message-passing potential.

K. T. Schütt, O. T. Unke, M. Gastegger, ICML 2021, arXiv:2102.03150.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.layers import Dense, SpeciesTable, bessel_basis, bessel_frequencies, polynomial_envelope, silu
from mdfit.potentials.neural import NeuralPotential
from mdfit.potentials.readout import (
    EnergiesAndFeatures,
    Readout,
    Scaling,
    keeps_isolated_atoms,
    require_positive,
    with_isolated_atoms_at_reference,
)

if TYPE_CHECKING:
    from mdfit.data import Dataset


class Message(eqx.Module):
    """Sends scalars and vectors along the edges (arXiv:2102.03150, eq. 7 and 8)."""

    hidden: Dense
    outer: Dense
    filters: Dense
    channels: int = eqx.field(static=True)
    from_vectors: bool = eqx.field(static=True)

    def __init__(self, channels: int, radial_functions: int, key: jax.Array, *, from_vectors: bool):
        keys = jax.random.split(key, 3)
        outputs = channels * (3 if from_vectors else 2)
        self.hidden = Dense(channels, channels, keys[0])
        self.outer = Dense(channels, outputs, keys[1])
        self.filters = Dense(radial_functions, outputs, keys[2], bias=False)
        self.channels = channels
        self.from_vectors = from_vectors

    def __call__(
        self,
        graph: Graph,
        scalars: Float[Array, "atoms channels"],
        vectors: Float[Array, "atoms 3 channels"],
        radial: Float[Array, "atoms neighbours functions"],
        directions: Float[Array, "atoms neighbours 3"],
    ) -> tuple[Float[Array, "atoms channels"], Float[Array, "atoms 3 channels"]]:
        """Increments of the scalars ``(atoms, channels)`` and of the vectors ``(atoms, 3, channels)``.

        ``radial`` holds the enveloped basis, zero in padding, so that padding sends nothing.
        """
        content = graph.from_neighbours(self.outer(silu(self.hidden(scalars)))) * self.filters(radial)
        parts = jnp.split(content, 3 if self.from_vectors else 2, axis=-1)
        scalar_increment = jnp.sum(parts[0], axis=1)
        # One channel block per Cartesian component keeps the intermediate arrays at (atoms, neighbours, channels).
        components = []
        for axis in range(3):
            sent = parts[1] * directions[..., axis, None]
            if self.from_vectors:
                sent = sent + parts[2] * graph.from_neighbours(vectors[:, axis])
            components.append(jnp.sum(sent, axis=1))
        return scalar_increment, jnp.stack(components, axis=1)


class Update(eqx.Module):
    """Mixes the channels of each atom (arXiv:2102.03150, eq. 9 and 10)."""

    left: Dense
    right: Dense
    hidden: Dense
    outer: Dense
    channels: int = eqx.field(static=True)
    to_vectors: bool = eqx.field(static=True)

    def __init__(self, channels: int, key: jax.Array, *, to_vectors: bool):
        keys = jax.random.split(key, 4)
        self.left = Dense(channels, channels, keys[0], bias=False)
        self.right = Dense(channels, channels, keys[1], bias=False)
        self.hidden = Dense(2 * channels, channels, keys[2])
        self.outer = Dense(channels, channels * (3 if to_vectors else 2), keys[3])
        self.channels = channels
        self.to_vectors = to_vectors

    def __call__(
        self, scalars: Float[Array, "atoms channels"], vectors: Float[Array, "atoms 3 channels"]
    ) -> tuple[Float[Array, "atoms channels"], Float[Array, "atoms 3 channels"]]:
        left, right = self.left(vectors), self.right(vectors)
        # Smooth where a vector vanishes by symmetry: the plain norm has a kink there, which would give perfect crystals
        # negative elastic constants.
        norm = jnp.sqrt(jnp.sum(right**2, axis=1) + 1) - 1
        mixed = self.outer(silu(self.hidden(jnp.concatenate([scalars, norm], axis=-1))))
        parts = jnp.split(mixed, 3 if self.to_vectors else 2, axis=-1)
        scalars = scalars + parts[0] + parts[1] * jnp.sum(left * right, axis=1)
        return scalars, vectors + parts[2][:, None] * left if self.to_vectors else vectors


class PaiNN(NeuralPotential):
    """Equivariant message passing with scalar and vector features.

    The cutoff is the polynomial envelope, smooth to second order, in place of the paper's cosine; the messages are
    divided by the root of the mean number of neighbours, so that the features keep their scale at any density; and the
    norm ‖v‖ of a vector is √(‖v‖² + 1) − 1, which has no kink at v = 0.

    Args:
        species: atomic numbers.
        cutoff: in Å.
        channels: features per atom.
        layers: interaction blocks.
        radial_functions: Bessel functions of the distance.
        mean_neighbours: within the cutoff, to scale the messages.
        scaling: reference energies and the scale of the data.
        key: of the random initial parameters.
        isolated_at_reference: whether atoms without neighbours have their reference energies; by default as the
            scaling says.

    Example:
        >>> import jax
        >>> from mdfit.potentials import PaiNN
        >>> potential = PaiNN([1, 8], cutoff=5.0, channels=16, layers=2, key=jax.random.key(0))
        >>> potential.species, potential.embedding.shape, len(potential.messages)
        ((1, 8), (2, 16), 2)
    """

    later_settings = ("isolated_at_reference",)

    species: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    cutoff: float = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    radial_functions: int = eqx.field(static=True)
    mean_neighbours: float = eqx.field(static=True)
    isolated_at_reference: bool = eqx.field(static=True)
    embedding: Float[Array, "species channels"]
    frequencies: Float[Array, " functions"]
    messages: list[Message]
    updates: list[Update]
    readout: Readout

    def __init__(
        self,
        species: Iterable[int],
        cutoff: float,
        channels: int = 64,
        layers: int = 3,
        radial_functions: int = 12,
        mean_neighbours: float = 20.0,
        scaling: Scaling | None = None,
        key: jax.Array | None = None,
        isolated_at_reference: bool | None = None,
    ):
        key = jax.random.key(0) if key is None else key
        self.isolated_at_reference = keeps_isolated_atoms(isolated_at_reference, scaling)
        keys = jax.random.split(key, 2 * layers + 2)
        self.species = tuple(int(z) for z in species)
        self.cutoff = float(cutoff)
        self.channels, self.layers, self.radial_functions = channels, layers, radial_functions
        self.mean_neighbours = float(mean_neighbours)
        require_positive("PaiNN", cutoff=self.cutoff, mean_neighbours=self.mean_neighbours)
        self.embedding = jax.random.normal(keys[0], (len(self.species), channels), jnp.float32)
        self.frequencies = bessel_frequencies(radial_functions)
        # There are no vectors before the first block, and none is read after the last.
        self.messages = [
            Message(channels, radial_functions, k, from_vectors=i > 0) for i, k in enumerate(keys[1 : layers + 1])
        ]
        self.updates = [
            Update(channels, k, to_vectors=i < layers - 1) for i, k in enumerate(keys[layers + 1 : 2 * layers + 1])
        ]
        self.readout = Readout(self.species, channels, keys[-1], scaling)

    @classmethod
    def for_data(
        cls,
        dataset: Dataset,
        cutoff: float | str = "5 Å",
        channels: int = 64,
        layers: int = 3,
        radial_functions: int = 12,
        key: jax.Array | None = None,
    ) -> PaiNN:
        """A new potential whose species, reference energies and scales come from a training set.

        Args:
            dataset: an :class:`mdfit.data.Dataset`.
            cutoff: a length, or a number in Å.
            channels: features per atom.
            layers: interaction blocks.
            radial_functions: Bessel functions of the distance.
            key: of the random initial parameters.
        """
        from mdfit.potentials.statistics import cutoff_and_neighbours

        length, neighbours = cutoff_and_neighbours(dataset, cutoff)
        scaling = Scaling.of(dataset)
        return cls(dataset.species, length, channels, layers, radial_functions, neighbours, scaling, key)

    @property
    def last_layer(self) -> Float[Array, " features"]:
        outer = self.readout.outer
        assert outer.bias is not None
        return jnp.concatenate([outer.weight[:, 0], outer.bias])

    def with_last_layer(self, weights: Float[Array, " features"]) -> PaiNN:
        outer = self.readout.outer
        new = weights.astype(outer.weight.dtype)
        parts = (new[:-1, None], new[-1:])
        return eqx.tree_at(lambda own: (own.readout.outer.weight, own.readout.outer.bias), self, parts)

    def energies_and_features(self, graph: Graph) -> EnergiesAndFeatures:
        if self.isolated_at_reference:
            return with_isolated_atoms_at_reference(self._learned, graph, self.species, self.readout.reference.value)
        return self._learned(graph)

    def _learned(self, graph: Graph) -> EnergiesAndFeatures:
        kinds = SpeciesTable(self.species)(graph.species)
        distances = graph.distances()
        weight = jnp.where(graph.mask, polynomial_envelope(distances / self.cutoff), 0) / self.mean_neighbours**0.5
        radial = bessel_basis(distances, self.cutoff, self.frequencies) * weight[..., None].astype(graph.dtype)
        directions = graph.vectors / distances[..., None]
        scalars = self.embedding[kinds]
        vectors = jnp.zeros((kinds.shape[0], 3, self.channels), scalars.dtype)
        for message, update in zip(self.messages, self.updates, strict=True):
            scalar_increment, vector_increment = message(graph, scalars, vectors, radial, directions)
            scalars, vectors = update(scalars + scalar_increment, vectors + vector_increment)
        return self.readout(scalars, kinds)
