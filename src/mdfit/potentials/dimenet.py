"""DimeNet++: directional message passing with distances and angles.

J. Gasteiger, S. Giri, J. T. Margraf, S. Günnemann, arXiv:2011.14115; J. Gasteiger, J. Groß, S. Günnemann,
arXiv:2003.03123.  The default sizes are those used for learning from experiment by S. Thaler and J. Zavadlav,
Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph, Reads
from mdfit.models import Constant
from mdfit.potentials.layers import Dense, SpeciesTable, bessel_basis, bessel_frequencies, polynomial_envelope, silu
from mdfit.potentials.neural import NeuralPotential
from mdfit.potentials.readout import (
    EnergiesAndFeatures,
    Scaling,
    keeps_isolated_atoms,
    reference_table,
    require_positive,
    with_isolated_atoms_at_reference,
)
from mdfit.potentials.spherical_bessel import bessel_matrix, chebyshev_polynomials, legendre
from mdfit.units import quantity

if TYPE_CHECKING:
    from mdfit.data import Dataset


class Geometry(NamedTuple):
    """What the blocks need to know of the positions.

    Edge ``(j, b)`` joins atom j to its neighbour k.  Seen from j, the message k → j lives on that edge, and the angle
    between edges ``a`` and ``b`` of j is the one at the corner of the triplet i–j–k.

    Attributes:
        radial: ``(atoms, neighbours, radial_functions)`` enveloped Bessel functions, zero in padding.
        distance: ``(atoms, neighbours, polynomials)`` enveloped Chebyshev polynomials of the distance, in which the
            radial part of the spherical basis is expanded.
        angular: ``(atoms, neighbours a, neighbours b, orders)`` angular part, zero for a = b and in padding.
    """

    radial: Float[Array, "atoms neighbours functions"]
    distance: Float[Array, "atoms neighbours polynomials"]
    angular: Float[Array, "atoms neighbours neighbours orders"]


class Residual(eqx.Module):
    """x + σ(W₂ σ(W₁ x))."""

    first: Dense
    second: Dense

    def __init__(self, channels: int, key: jax.Array):
        keys = jax.random.split(key)
        self.first, self.second = (Dense(channels, channels, k, orthogonal=True) for k in keys)

    def __call__(self, x: Float[Array, "... channels"]) -> Float[Array, "... channels"]:
        return x + silu(self.second(silu(self.first(x))))


class Interaction(eqx.Module):
    """Updates the message of each edge with those that arrive at its sender (arXiv:2011.14115, fig. 1)."""

    own: Dense
    incoming: Dense
    radial: tuple[Dense, Dense]
    spherical: tuple[Dense, Dense]
    down: Dense
    up: Dense
    before: list[Residual]
    skip: Dense
    after: list[Residual]

    def __init__(self, sizes: dict[str, int], key: jax.Array):
        keys = iter(jax.random.split(key, 10 + sizes["residuals_before"] + sizes["residuals_after"]))
        edge, triplet, basis = sizes["edge_channels"], sizes["triplet_channels"], sizes["basis_channels"]

        def dense(inputs: int, outputs: int, bias: bool = True) -> Dense:
            return Dense(inputs, outputs, next(keys), bias=bias, orthogonal=True)

        self.own, self.incoming = dense(edge, edge), dense(edge, edge)
        self.radial = (dense(sizes["radial_functions"], basis, False), dense(basis, edge, False))
        basis_inputs = sizes["angular_functions"] * sizes["radial_functions"]
        self.spherical = (dense(basis_inputs, basis, False), dense(basis, triplet, False))
        self.down, self.up = dense(edge, triplet, False), dense(triplet, edge, False)
        self.before = [Residual(edge, next(keys)) for _ in range(sizes["residuals_before"])]
        self.skip = dense(edge, edge)
        self.after = [Residual(edge, next(keys)) for _ in range(sizes["residuals_after"])]

    def __call__(
        self, graph: Graph, geometry: Geometry, messages: Float[Array, "atoms neighbours channels"]
    ) -> Float[Array, "atoms neighbours channels"]:
        atoms, width = graph.mask.shape
        orders = geometry.angular.shape[-1]
        # Two layers without bias act as one matrix, which is much smaller than what they act on.
        radial = self.radial[0].weight @ self.radial[1].weight
        gate = (geometry.radial.reshape(atoms * width, -1) @ radial).reshape(atoms, width, -1)
        sent = silu(self.down(silu(self.incoming(messages)) * gate))
        weights = geometry.distance.reshape(atoms * width, -1) @ self._spherical_matrix(orders)
        weighted = weights.reshape(atoms, width, orders, -1) * sent[:, :, None]
        collected = geometry.angular.reshape(atoms, width, -1) @ weighted.reshape(atoms, width * orders, -1)
        # What is collected at j for its edge to i belongs to the message j → i, which lives on the opposite edge.
        arrived = silu(self.up(graph.flip(collected)))
        x = silu(self.own(messages)) + arrived
        for residual in self.before:
            x = residual(x)
        x = messages + silu(self.skip(x))
        for residual in self.after:
            x = residual(x)
        return x

    def _spherical_matrix(self, orders: int) -> Float[Array, "polynomials weights"]:
        """From the polynomials of the distance to the weights ``orders · triplet_channels`` of the angular functions.

        The two bias-free layers of the spherical basis act as one matrix per order; they stand side by side in one
        block-diagonal matrix, so that this is one product.
        """
        matrix = self.spherical[0].weight @ self.spherical[1].weight
        blocks = matrix.reshape(orders, -1, 1, matrix.shape[-1]) * jnp.eye(orders, dtype=matrix.dtype)[:, None, :, None]
        expansion = bessel_matrix(orders, matrix.shape[0] // orders)
        return jnp.asarray(expansion, matrix.dtype) @ blocks.reshape(matrix.shape[0], -1)


class Output(eqx.Module):
    """Sums the messages at each atom into a contribution to its energy."""

    radial: Dense
    up: Dense
    hidden: list[Dense]
    final: Dense

    def __init__(self, sizes: dict[str, int], key: jax.Array):
        keys = jax.random.split(key, sizes["output_layers"] + 3)
        edge, output = sizes["edge_channels"], sizes["output_channels"]
        self.radial = Dense(sizes["radial_functions"], edge, keys[0], bias=False, orthogonal=True)
        self.up = Dense(edge, output, keys[1], bias=False, orthogonal=True)
        self.hidden = [Dense(output, output, k, orthogonal=True) for k in keys[2:-1]]
        self.final = Dense(output, 1, keys[-1], bias=False, orthogonal=True)

    def __call__(self, geometry: Geometry, messages: Float[Array, "atoms neighbours channels"]) -> EnergiesAndFeatures:
        """The contribution, and the features of the last layer that it is linear in."""
        x = self.up(jnp.sum(messages * self.radial(geometry.radial), axis=1))
        for layer in self.hidden:
            x = silu(layer(x))
        return self.final(x)[:, 0], x


class DimeNetPP(NeuralPotential):
    """Directional message passing on edges, with the true angle i–j–k of each triplet.

    The sum over triplets is a matrix product: the angular functions are Legendre polynomials of the cosine, so that no
    array has an entry per triplet and basis function, and no angle is ever computed (nothing is singular for straight
    angles).  Cost and memory grow with atoms × neighbours².

    Args:
        species: atomic numbers.
        cutoff: in Å.
        edge_channels, triplet_channels, basis_channels, type_channels, output_channels: sizes of the embeddings.
        blocks: interaction blocks.
        radial_functions, angular_functions: sizes of the bases.
        residuals_before, residuals_after: residual layers around the skip connection.
        output_layers: dense layers of each output block.
        scaling: reference energies and the scale of the data.
        key: of the random initial parameters.
        isolated_at_reference: whether atoms without neighbours have their reference energies; by default as the
            scaling says.

    Example:
        >>> import jax
        >>> from mdfit.potentials import DimeNetPP
        >>> sizes = {"edge_channels": 16, "triplet_channels": 16, "type_channels": 16, "output_channels": 16}
        >>> potential = DimeNetPP([14], cutoff=4.5, blocks=2, **sizes, key=jax.random.key(0))
        >>> potential.species, potential.embedding.shape, len(potential.interactions)
        ((14,), (1, 16), 2)
    """

    # What arrives at the sender of a message is collected on the opposite edge.
    reads = Reads(opposite_edges=True)
    later_settings = ("isolated_at_reference",)

    species: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    cutoff: float = eqx.field(static=True)
    edge_channels: int = eqx.field(static=True)
    triplet_channels: int = eqx.field(static=True)
    basis_channels: int = eqx.field(static=True)
    type_channels: int = eqx.field(static=True)
    output_channels: int = eqx.field(static=True)
    blocks: int = eqx.field(static=True)
    radial_functions: int = eqx.field(static=True)
    angular_functions: int = eqx.field(static=True)
    residuals_before: int = eqx.field(static=True)
    residuals_after: int = eqx.field(static=True)
    output_layers: int = eqx.field(static=True)
    isolated_at_reference: bool = eqx.field(static=True)
    embedding: Float[Array, "species type_channels"]
    frequencies: Float[Array, " radial_functions"]
    embed_radial: Dense
    embed: Dense
    interactions: list[Interaction]
    outputs: list[Output]
    scale: Constant
    reference: Constant

    def __init__(
        self,
        species: Iterable[int],
        cutoff: float,
        edge_channels: int = 32,
        triplet_channels: int = 16,
        basis_channels: int = 8,
        type_channels: int = 16,
        output_channels: int = 64,
        blocks: int = 4,
        radial_functions: int = 6,
        angular_functions: int = 7,
        residuals_before: int = 1,
        residuals_after: int = 2,
        output_layers: int = 3,
        scaling: Scaling | None = None,
        key: jax.Array | None = None,
        isolated_at_reference: bool | None = None,
    ):
        self.isolated_at_reference = keeps_isolated_atoms(isolated_at_reference, scaling)
        self.species = tuple(int(z) for z in species)
        self.cutoff = float(cutoff)
        require_positive("DimeNetPP", cutoff=self.cutoff)
        self.edge_channels, self.triplet_channels, self.basis_channels = edge_channels, triplet_channels, basis_channels
        self.type_channels, self.output_channels, self.blocks = type_channels, output_channels, blocks
        self.radial_functions, self.angular_functions = radial_functions, angular_functions
        self.residuals_before, self.residuals_after = residuals_before, residuals_after
        self.output_layers = output_layers
        keys = jax.random.split(jax.random.key(0) if key is None else key, 2 * blocks + 4)
        sizes = {
            name: value
            for name, value in self.settings().items()
            if name not in ("species", "cutoff", "isolated_at_reference")
        }
        width = 3**0.5
        self.embedding = jax.random.uniform(keys[0], (len(self.species), type_channels), jnp.float32, -width, width)
        self.frequencies = bessel_frequencies(radial_functions)
        self.embed_radial = Dense(radial_functions, edge_channels, keys[1], orthogonal=True)
        self.embed = Dense(2 * type_channels + edge_channels, edge_channels, keys[2], orthogonal=True)
        self.interactions = [Interaction(sizes, k) for k in keys[3 : blocks + 3]]
        self.outputs = [Output(sizes, k) for k in keys[blocks + 3 :]]
        self.scale = Constant(jnp.float32(1.0 if scaling is None else scaling.scale))
        self.reference = Constant(reference_table(self.species, scaling))

    @classmethod
    def for_data(
        cls,
        dataset: Dataset,
        cutoff: float | str = "5 Å",
        channels: int = 32,
        layers: int = 4,
        radial_functions: int = 6,
        key: jax.Array | None = None,
    ) -> DimeNetPP:
        """A new potential whose species, reference energies and scale come from a training set.

        Args:
            dataset: an :class:`mdfit.data.Dataset`.
            cutoff: a length, or a number in Å.
            channels: features per edge.
            layers: interaction blocks.
            radial_functions: Bessel functions of the distance.
            key: of the random initial parameters.
        """
        return cls(
            dataset.species,
            quantity(cutoff, "Å", "cutoff"),
            edge_channels=channels,
            blocks=layers,
            radial_functions=radial_functions,
            scaling=Scaling.of(dataset),
            key=key,
        )

    @property
    def last_layer(self) -> Float[Array, " features"]:
        return jnp.concatenate([output.final.weight[:, 0] for output in self.outputs])

    def with_last_layer(self, weights: Float[Array, " features"]) -> DimeNetPP:
        new = jnp.split(weights.astype(self.outputs[0].final.weight.dtype), len(self.outputs))
        return eqx.tree_at(
            lambda own: [output.final.weight for output in own.outputs], self, [part[:, None] for part in new]
        )

    def energies_and_features(self, graph: Graph) -> EnergiesAndFeatures:
        if self.isolated_at_reference:
            return with_isolated_atoms_at_reference(self._learned, graph, self.species, self.reference.value)
        return self._learned(graph)

    def _learned(self, graph: Graph) -> EnergiesAndFeatures:
        kinds = SpeciesTable(self.species)(graph.species)
        geometry = self._geometry(graph)
        own = self.embedding[kinds]
        sender, receiver = (
            graph.from_neighbours(own),
            jnp.broadcast_to(own[:, None], (*graph.mask.shape, own.shape[-1])),
        )
        radial = silu(self.embed_radial(geometry.radial))
        messages = silu(self.embed(jnp.concatenate([sender, receiver, radial], axis=-1)))
        found = [self.outputs[0](geometry, messages)]
        for interaction, output in zip(self.interactions, self.outputs[1:], strict=True):
            messages = interaction(graph, geometry, messages)
            found.append(output(geometry, messages))
        energies, features = zip(*found, strict=True)
        total = sum(energies[1:], start=energies[0])
        learned = (total * self.scale.value).astype(jnp.float64) + self.reference.value[kinds]
        return learned, jnp.concatenate(features, axis=1) * self.scale.value

    def _geometry(self, graph: Graph) -> Geometry:
        distances = graph.distances()
        x = distances / self.cutoff
        envelope = jnp.where(graph.mask, polynomial_envelope(x), jnp.zeros((), graph.dtype))
        directions = graph.vectors / distances[..., None]
        cosine = jnp.einsum("aid,ajd->aij", directions, directions)
        width = graph.mask.shape[1]
        valid = (graph.mask[:, :, None] & graph.mask[:, None, :]) & ~jnp.eye(width, dtype=bool)
        zero = jnp.zeros((), graph.dtype)
        polynomials = chebyshev_polynomials(x, len(bessel_matrix(self.angular_functions, self.radial_functions)))
        scaled = envelope / self.cutoff**1.5
        angular = [jnp.where(valid, function, zero) for function in legendre(cosine, self.angular_functions)]
        return Geometry(
            radial=bessel_basis(distances, self.cutoff, self.frequencies) * envelope[..., None],
            distance=jnp.stack([polynomial * scaled for polynomial in polynomials], axis=-1),
            angular=jnp.stack(angular, axis=-1),
        )
