"""Several last layers on one trunk."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import (
    ZBL,
    LennardJones,
    PaiNN,
    PotentialSet,
    ShallowEnsemble,
    evaluate,
    evaluate_set,
    evaluate_with_spread,
    load,
)
from mdfit.precision import cast
from mdfit.structure import Structure
from mdfit.testing import CONTRACT, SPREAD_CONTRACT


def network(layers=1):
    return PaiNN((6, 8), 4.0, channels=8, layers=layers, radial_functions=4, key=jax.random.key(1))


@pytest.fixture(scope="module")
def ensemble():
    return ShallowEnsemble.of(network() + ZBL(2.0), members=4, key=jax.random.key(2))


@pytest.fixture(scope="module")
def graph():
    positions = np.random.default_rng(0).uniform(0, 7, (6, 3))
    return build_graph(Structure(np.array([6, 8] * 3), positions, np.eye(3) * 7, np.ones(3, bool), np.ones(6)), 4.0)


@pytest.mark.parametrize("check", [*CONTRACT, *SPREAD_CONTRACT], ids=lambda check: check.__name__)
def test_contract(check):
    check(ShallowEnsemble.of(network(), members=3))


def test_it_is_the_set_of_its_members(ensemble, graph):
    found = evaluate_with_spread(ensemble, graph)
    as_set = evaluate_set(PotentialSet.of([ensemble.member(index) for index in range(4)]), graph)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(as_set), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
    assert np.abs(found.spread.forces).max() > 0.01


def test_its_mean_is_the_potential_it_was_made_of(ensemble, graph):
    expected = evaluate(network() + ZBL(2.0), graph)
    for found in (evaluate(ensemble, graph), evaluate_with_spread(ensemble, graph).mean):
        np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=1e-4, atol=1e-5)


def test_the_trunk_is_trained_as_well_and_gradients_are_finite_in_padding(ensemble):
    structure = Structure.in_open_space([[0, 0, 0], [0, 0, 1.5]], species=np.array([6, 8]))
    padded = build_graph(structure, 4.0, atoms=4, neighbours=3)
    parameters, rest = eqx.partition(ensemble, eqx.is_inexact_array)

    def total(parameters):
        spread = evaluate_with_spread(eqx.combine(parameters, rest), padded).spread
        return jnp.sum(spread.forces) + jnp.sum(spread.energy)

    gradient = eqx.filter_jit(jax.grad(total))(parameters)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient.weights).max() > 0
    assert np.abs(gradient.potential.terms[0].embedding).max() > 0


def test_one_file_that_loads_like_any_potential(ensemble, graph, tmp_path):
    back = load(ensemble.save(tmp_path / "ensemble.mdfit"))
    assert isinstance(back, ShallowEnsemble)
    assert (len(back), back.cutoff, back.species) == (4, 4.0, (6, 8))
    assert back.fingerprint() == ensemble.fingerprint()
    np.testing.assert_array_equal(back.members(graph).forces, ensemble.members(graph).forces)


def test_precision_of_the_members_is_that_of_the_graph(ensemble, graph):
    single, double = ensemble.members(graph), cast(ensemble, jnp.float64).members(cast(graph, jnp.float64))
    assert (single.forces.dtype, single.energy.dtype, double.forces.dtype) == (jnp.float32, jnp.float64, jnp.float64)
    np.testing.assert_allclose(single.energy, double.energy, rtol=1e-5, atol=1e-5)


def test_bad_input(ensemble):
    with pytest.raises(PotentialError, match="LennardJones has no last linear layer"):
        ShallowEnsemble.of(LennardJones())
    with pytest.raises(PotentialError, match="at least two members, not 1"):
        ShallowEnsemble.of(network(), members=1)
    with pytest.raises(PotentialError, match=r"shape \(3, 4\) are not those of at least two last layers with 5"):
        ShallowEnsemble(network(), np.zeros((3, 4)))
    with pytest.raises(IndexError, match="no member 4 in an ensemble of 4"):
        ensemble.member(4)
