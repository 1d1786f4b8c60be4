"""Potentials whose energies are linear in the weights of their last layer."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.potentials.base import (
    Potential,
    Sum,
    differentiate_with,
    gradient_of,
    read_by,
    seen_by,
    terms_of,
)
from mdfit.potentials.evaluation import Prediction, prediction_of
from mdfit.potentials.gradient import Gradient

#: Derivatives that are computed side by side where that pays; more of them need more memory.
AT_ONCE = 16

Kind = TypeVar("Kind", bound=Potential)


class NeuralPotential(Potential):
    """A network whose energies of atoms are e_i = w · φ_i + e⁰_i, with the weights w of its last layer.

    The features φ_i (eV) depend on the graph and on the other parameters, e⁰_i on the species alone.  Last-layer
    uncertainties and shallow ensembles need no more than the three members that a subclass implements.

    Example:
        >>> import jax
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import PaiNN
        >>> network = PaiNN([14], cutoff=4.0, channels=8, layers=1, key=jax.random.key(0))
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 2.3]], species=14), cutoff=4.0)
        >>> energies, features = network.energies_and_features(dimer)
        >>> features.shape, bool(abs(features @ network.last_layer - energies).max() < 1e-6)
        ((2, 5), True)
    """

    @property
    @abc.abstractmethod
    def last_layer(self) -> Float[Array, " features"]:
        """The weights w, in the order of the features; a bias is one of them."""
        raise NotImplementedError

    @abc.abstractmethod
    def with_last_layer(self: Kind, weights: Float[Array, " features"]) -> Kind:
        """The same network with other weights w."""
        raise NotImplementedError

    @abc.abstractmethod
    def energies_and_features(self, graph: Graph) -> tuple[Float[Array, " atoms"], Float[Array, "atoms features"]]:
        """Energies of the atoms in eV and their features φ in eV, in one pass; those of padding atoms are ignored."""
        raise NotImplementedError

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.energies_and_features(graph)[0]


def network_of(potential: Potential) -> NeuralPotential:
    """The potential, or the one term of a sum, that has a last layer.

    Raises:
        PotentialError: when none has one, or several.
    """
    found = [term for term in terms_of(potential) if isinstance(term, NeuralPotential)]
    if len(found) == 1:
        return found[0]
    what = "no last linear layer" if not found else f"{len(found)} networks with a last layer each"
    raise PotentialError(
        f"{type(potential).__name__} has {what}; give a network (PaiNN, DimeNetPP, Allegro), alone or as the one network "
        "of a sum."
    )


def with_last_layer(potential: Kind, weights: Float[Array, " features"]) -> Kind:
    """The same potential, whose network has other weights in its last layer.

    Raises:
        PotentialError: see :func:`network_of`.
    """
    network = network_of(potential)
    if not isinstance(potential, Sum):
        return network.with_last_layer(weights)  # type: ignore[return-value]
    place = next(index for index, term in enumerate(potential.terms) if term is network)
    return eqx.tree_at(lambda own: own.terms[place], potential, network.with_last_layer(weights))


def differentiate_with_features(
    potential: Potential, graph: Graph
) -> tuple[Float[Array, " atoms"], Gradient, Float[Array, "atoms features"]]:
    """What :meth:`Potential.differentiate` gives, and the features of the network, all in one pass.

    Raises:
        PotentialError: see :func:`network_of`.
    """
    network, parts, features = network_of(potential), [], None
    for term in terms_of(potential):
        seen = seen_by(term, graph) if isinstance(potential, Sum) else graph
        if term is network:
            *part, features = differentiate_with(network, seen, network.energies_and_features)
            parts.append(tuple(part))
        else:
            parts.append(term.differentiate(seen))
    assert features is not None
    energies, gradients = zip(*parts, strict=True)
    return _sum(energies), _sum(gradients), features


def with_each_last_layer(potential: Potential, graph: Graph, weights: Float[Array, "members features"]) -> Prediction:
    """What the potential says with each of these last layers; arrays have a leading axis of members.

    The features are computed once, and one derivative for each member, which takes about half an evaluation.

    Args:
        potential: see :func:`network_of`.
        graph: where it is evaluated.
        weights: one last layer in each row.

    Raises:
        PotentialError: see :func:`network_of`.
    """
    network = network_of(potential)
    others = [term for term in terms_of(potential) if term is not network]
    rest = [prediction_of(*term.differentiate(seen), graph) for term in others for seen in (seen_by(term, graph),)]
    own = seen_by(network, graph) if others else graph
    seen, arguments = read_by(network, own)

    def features_at(arguments: dict[str, Any]) -> tuple[Float[Array, "atoms features"], Float[Array, " atoms"]]:
        bare = network.with_last_layer(jnp.zeros_like(network.last_layer))
        reference, features = bare.energies_and_features(dataclasses.replace(seen, **arguments))
        return jnp.where(seen.atom_mask[:, None], features, 0), jnp.where(seen.atom_mask, reference, 0)

    features, pull, reference = jax.vjp(features_at, arguments, has_aux=True)

    def member(layer: Float[Array, " features"]) -> Prediction:
        (slopes,) = pull(jnp.broadcast_to(layer, features.shape))
        local = (features @ layer).astype(reference.dtype) + reference
        found = prediction_of(local, gradient_of(network, seen, slopes), own)
        return jax.tree.map(lambda *parts: _sum(parts), found, *rest)

    # One after the other on a CPU, whose products of batches are slower than that; side by side on other devices.
    layers = weights.astype(features.dtype)
    return jax.lax.map(member, layers, batch_size=None if jax.default_backend() == "cpu" else AT_ONCE)


def _sum(parts: Any) -> Any:
    return sum(parts[1:], start=parts[0])
