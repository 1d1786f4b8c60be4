"""A potential with the uncertainty of its last layer: what it says, apart from how it was made."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdfit.errors import PotentialError, UnknownSpeciesError
from mdfit.graph import build_graph
from mdfit.models import trainable
from mdfit.potentials import (
    ZBL,
    LastLayer,
    LennardJones,
    PaiNN,
    Scales,
    evaluate,
    evaluate_with_spread,
    load,
)
from mdfit.potentials.neural import differentiate_with_features, network_of
from mdfit.precision import cast
from mdfit.structure import Structure
from mdfit.testing import SPREAD_CONTRACT

SCALES = Scales(energy=2.0, forces=3.0, stress=4.0)


def network(layers=1):
    return PaiNN((6, 8), 4.0, channels=8, layers=layers, radial_functions=4, key=jax.random.key(1))


def factor(features=5):
    return np.random.default_rng(2).normal(size=(features, features))


def uncertain(force_spread="cheap"):
    return LastLayer(network() + ZBL(2.0), factor(), SCALES, force_spread)


def structure(seed=0, positions=None):
    positions = np.random.default_rng(seed).uniform(0, 7, (6, 3)) if positions is None else positions
    return Structure(np.array([6, 8] * 3), positions, np.eye(3) * 7, np.ones(3, bool), np.ones(6))


@pytest.mark.parametrize("check", SPREAD_CONTRACT, ids=lambda check: check.__name__)
def test_contract(check):
    """That of potentials is kept by the one inside, whose numbers are the means bit by bit."""
    check(LastLayer(network(), factor(), SCALES))


def test_means_are_those_of_the_potential_bit_by_bit():
    graph = build_graph(structure(), 4.0)
    potential = uncertain()
    plain = eqx.filter_jit(evaluate)(potential.potential, graph)
    for found in (
        eqx.filter_jit(evaluate)(potential, graph),
        eqx.filter_jit(evaluate_with_spread)(potential, graph).mean,
    ):
        for name in ("energy", "forces", "strain_derivative", "atomic_energies"):
            np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))


def test_spreads_are_those_of_the_formulae():
    """|Aᵀ φ| of energies; forces and stresses by finite differences of the features."""
    potential = cast(uncertain("exact"), jnp.float64)
    place, matrix = structure(), factor()

    def features_at(positions, strain=0.0):
        deformed = replace(place, positions=positions @ (np.eye(3) + strain), cell=place.cell @ (np.eye(3) + strain))
        graph = build_graph(deformed, 4.0, dtype=jnp.float64)
        return np.asarray(differentiate_with_features(potential.potential, graph)[2])

    found = evaluate_with_spread(potential, build_graph(place, 4.0, dtype=jnp.float64)).spread
    own = features_at(place.positions)
    np.testing.assert_allclose(found.energy[0], 2 * np.linalg.norm(own.sum(0) @ matrix), rtol=1e-8)
    np.testing.assert_allclose(found.atomic_energies, 2 * np.linalg.norm(own @ matrix, axis=1), rtol=1e-8)
    step = 1e-5
    for atom, axis in ((0, 0), (4, 2)):
        shift = np.zeros((6, 3))
        shift[atom, axis] = step
        slope = (features_at(place.positions + shift) - features_at(place.positions - shift)).sum(0) / (2 * step)
        np.testing.assert_allclose(found.forces[atom, axis], 3 * np.linalg.norm(slope @ matrix), rtol=1e-5)
    strain = np.zeros((3, 3))
    strain[0, 1] = strain[1, 0] = step / 2
    slope = (features_at(place.positions, strain) - features_at(place.positions, -strain)).sum(0) / (2 * step)
    np.testing.assert_allclose(found.strain_derivative[0, 0, 1], 4 * np.linalg.norm(slope @ matrix), rtol=1e-5)


def test_cheap_forces_are_those_of_the_neighbourhood_and_stresses_are_not_known():
    graph = build_graph(structure(), 4.0)
    found = evaluate_with_spread(uncertain(), graph).spread
    squares = (np.asarray(found.atomic_energies) / 2) ** 2
    x = np.asarray(graph.distances()) / 4
    weights = np.where(graph.mask, 1 - 28 * x**6 + 48 * x**7 - 21 * x**8, 0) * (x < 1)
    near = (squares + (weights * squares[np.asarray(graph.neighbours)]).sum(1)) / (1 + weights.sum(1))
    np.testing.assert_allclose(found.forces, np.repeat(3 * np.sqrt(near)[:, None], 3, axis=1), rtol=1e-5)
    assert np.isnan(found.strain_derivative).all()


@pytest.mark.parametrize("force_spread", ["cheap", "exact"])
def test_turning_padding_and_wider_graphs_change_nothing(force_spread):
    potential, place = cast(uncertain(force_spread), jnp.float64), structure()
    before = evaluate_with_spread(potential, build_graph(place, 4.0, dtype=jnp.float64)).spread
    turn = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    turned = replace(place, positions=place.positions @ turn.T, cell=place.cell @ turn.T)
    width = build_graph(place, 4.0).mask.shape[1]
    graphs = {
        "turned": build_graph(turned, 4.0, dtype=jnp.float64),
        "padded": build_graph(place, 4.0, dtype=jnp.float64, atoms=9, neighbours=width + 3),
        "wider": build_graph(place, 4.6, dtype=jnp.float64),
    }
    for name, graph in graphs.items():
        after = evaluate_with_spread(potential, graph).spread
        np.testing.assert_allclose(after.energy, before.energy, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(after.atomic_energies[:6], before.atomic_energies, rtol=1e-9, err_msg=name)
        # The components of exact spreads depend on the axes, their norm does not.
        lengths = [np.linalg.norm(one.forces[:6], axis=1) for one in (after, before)]
        np.testing.assert_allclose(*lengths, rtol=1e-8, err_msg=name)
        assert (np.asarray(after.forces[6:]) == 0).all()
        assert (np.asarray(after.atomic_energies[6:]) == 0).all()


@pytest.mark.parametrize("force_spread", ["cheap", "exact"])
def test_several_structures_in_a_graph_are_like_each_alone(force_spread):
    from mdfit.data import Dataset, LabelledStructure
    from mdfit.graph.batches import Batches

    places = [structure(seed) for seed in (0, 1)]
    data = Dataset([LabelledStructure(place, energy=0.0) for place in places])
    together = evaluate_with_spread(uncertain(force_spread), next(Batches(data, 4.0, 2).in_order()).graph).spread
    for index, place in enumerate(places):
        alone = evaluate_with_spread(uncertain(force_spread), build_graph(place, 4.0)).spread
        np.testing.assert_allclose(together.energy[index], alone.energy[0], rtol=1e-5)
        np.testing.assert_allclose(together.forces[6 * index : 6 * index + 6], alone.forces, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("force_spread", ["cheap", "exact"])
def test_single_precision_agrees_with_double(force_spread):
    potential = uncertain(force_spread)
    single = evaluate_with_spread(potential, build_graph(structure(), 4.0)).spread
    double = evaluate_with_spread(cast(potential, jnp.float64), build_graph(structure(), 4.0, dtype=jnp.float64)).spread
    assert single.forces.dtype == jnp.float32
    np.testing.assert_allclose(single.energy, double.energy, rtol=1e-4)
    np.testing.assert_allclose(single.forces, double.forces, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("force_spread", "scales"), [("exact", SCALES), ("cheap", Scales(forces=3.0))])
def test_one_file_that_loads_like_any_potential(force_spread, scales, tmp_path):
    """Scales that are not known are not after loading either."""
    potential = LastLayer(network() + ZBL(2.0), factor(), scales, force_spread)
    back = load(potential.save(tmp_path / "potential.mdfit"))
    assert isinstance(back, LastLayer)
    assert (back.force_spread, back.cutoff, back.species) == (force_spread, 4.0, (6, 8))
    assert back.fingerprint() == potential.fingerprint()
    np.testing.assert_array_equal(back.scales, scales)
    graph = build_graph(structure(), 4.0)
    for one, other in zip(*(jax.tree.leaves(evaluate_with_spread(p, graph)) for p in (back, potential)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_not_trained_since_the_covariance_would_be_of_other_features():
    assert not any(jax.tree.leaves(trainable(uncertain())))


def test_bad_input():
    with pytest.raises(PotentialError, match="LennardJones has no last linear layer"):
        LastLayer(LennardJones(), np.eye(5), SCALES)
    with pytest.raises(PotentialError, match=r"shape \(4, 4\) does not belong to the 5 weights"):
        LastLayer(network(), np.eye(4), SCALES)
    with pytest.raises(PotentialError, match="'cheap' or 'exact', not 'fast'"):
        LastLayer(network(), np.eye(5), SCALES, "fast")
    with pytest.raises(UnknownSpeciesError):
        uncertain().check_species({14})


def test_draws_have_the_covariance_in_units_of_errors():
    """Standard deviation of the energies of 300 draws, to 17 %: four of its standard errors."""
    potential, graph = uncertain(), build_graph(structure(), 4.0)
    drawn = potential.sample(300, seed=1)
    features = differentiate_with_features(potential.potential, graph)[2]
    layers = drawn.map(lambda member: network_of(member).last_layer)
    energies = np.asarray(layers, np.float64) @ np.asarray(features, np.float64).sum(axis=0)
    expected = float(evaluate_with_spread(potential, graph).spread.energy[0])
    assert energies.std() == pytest.approx(expected, rel=0.17)
    with pytest.raises(PotentialError, match="scale of energies is not known"):
        LastLayer(network() + ZBL(2.0), factor(), Scales(forces=3.0)).sample(2, seed=0)
