"""Networks are linear in their last layer, and tell its features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import ZBL, Allegro, DimeNetPP, LennardJones, PaiNN, Scaling, evaluate
from mdfit.potentials.neural import (
    differentiate_with_features,
    network_of,
    with_each_last_layer,
    with_last_layer,
)
from mdfit.structure import Structure

REFERENCES = {6: -3.0, 8: -7.0}


def network(kind, isolated):
    scaling = Scaling(REFERENCES, 2.0)
    if kind == "allegro":
        return Allegro((6, 8), 4.0, channels=8, tensor_channels=4, scaling=scaling)
    if kind == "painn":
        found = PaiNN(
            (6, 8), 4.0, channels=8, layers=1, radial_functions=4, scaling=scaling, isolated_at_reference=isolated
        )
        return with_last_layer(found, found.last_layer + 0.3)
    sizes = {"edge_channels": 8, "triplet_channels": 8, "type_channels": 8, "output_channels": 8}
    return DimeNetPP((6, 8), 4.0, blocks=1, scaling=scaling, isolated_at_reference=isolated, **sizes)


def structure(seed=0):
    random = np.random.default_rng(seed)
    return Structure(np.array([6, 8] * 3), random.uniform(0, 7, (6, 3)), np.eye(3) * 7, np.ones(3, bool), np.ones(6))


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("kind", ["painn", "dimenet", "allegro"])
def test_energies_are_linear_in_the_last_layer(kind, isolated):
    """w · φ + e⁰ are the energies, also at other weights, alone and as a term of a sum."""
    own = network(kind, isolated)
    graph = build_graph(structure(), 4.0, dtype=jnp.float64)
    for potential in (own, own + ZBL(2.0)):
        rest = np.asarray([REFERENCES[int(number)] for number in graph.species])
        if potential is not own:
            rest = rest + np.asarray(ZBL(2.0).atomic_energies(graph.within(2.0)))
        local, gradient, features = differentiate_with_features(potential, graph)
        np.testing.assert_allclose(features @ own.last_layer + rest, local, rtol=0, atol=2e-6)
        np.testing.assert_array_equal(local, potential.differentiate(graph)[0])
        np.testing.assert_array_equal(gradient.edges, potential.differentiate(graph)[1].edges)
        weights = np.random.default_rng(1).normal(size=own.last_layer.shape)
        other = with_last_layer(potential, jnp.asarray(weights))
        np.testing.assert_allclose(features @ weights + rest, other.atomic_energies(graph), rtol=0, atol=1e-5)
        np.testing.assert_allclose(network_of(other).last_layer, weights, rtol=1e-6)
    # Neither is trivial.
    assert np.abs(features @ own.last_layer).max() > 0.01


def test_several_last_layers_are_those_of_the_potentials_one_by_one():
    potential = network("painn", False) + ZBL(2.0)
    graph = build_graph(structure(), 4.0)
    weights = jax.random.normal(jax.random.key(0), (3, 5))
    found = with_each_last_layer(potential, graph, weights)
    for index in range(3):
        alone = evaluate(with_last_layer(potential, weights[index]), graph)
        for name in ("energy", "forces", "strain_derivative", "atomic_energies"):
            np.testing.assert_allclose(getattr(found, name)[index], getattr(alone, name), rtol=1e-5, atol=1e-5)


def test_what_has_no_last_layer_or_several_says_so():
    with pytest.raises(PotentialError, match="LennardJones has no last linear layer; give a network"):
        network_of(LennardJones())
    with pytest.raises(PotentialError, match="Sum has 2 networks with a last layer each"):
        network_of(network("painn", False) + network("painn", True))
