"""Allegro: products of tensors against those of e3nn, what it sees and what it does not."""

import e3nn_jax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import Allegro, Scaling, evaluate
from mdfit.potentials.couplings import paths, spherical_harmonics
from mdfit.potentials.edge_tensors import Tensors, matrix_of
from mdfit.structure import Structure


def explicit(around, weights, tensors, order):
    """The product of the surroundings with the tensors of each edge, by e3nn's coefficients: a sum over all paths."""
    number = {out: sum(path.out == out for path in paths(order)) for out in range(order + 1)}
    found = dict.fromkeys(range(order + 1), 0.0)
    for path, own in zip(paths(order), weights, strict=True):
        coefficients = np.sqrt((2 * path.out + 1) / number[path.out]) * e3nn_jax.clebsch_gordan(*path)
        found[path.out] += jnp.einsum("xac,anyc,xyz->anzc", around[path.left] * own, tensors[path.right], coefficients)
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
def test_matrices_of_atoms_do_what_products_of_tensors_do(order):
    random = np.random.default_rng(order)
    atoms, neighbours, channels = 3, 4, 2
    directions = random.normal(size=(atoms, neighbours, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    harmonics = spherical_harmonics(jnp.asarray(directions), order)
    shares = [jnp.asarray(random.normal(size=(atoms, neighbours, channels))) for _ in range(order + 1)]
    short = Tensors(shares, harmonics)
    full = {one: shares[one][:, :, None] * harmonics[one][..., None] for one in range(order + 1)}
    for _ in range(2):
        around = {one: jnp.asarray(random.normal(size=(2 * one + 1, atoms, channels))) for one in range(order + 1)}
        weights = jnp.asarray(random.normal(size=(len(paths(order)), channels)))
        short = short.multiplied(matrix_of(around, weights, order))
        full = explicit(around, weights, full, order)
        np.testing.assert_allclose(short.scalars(), full[0][:, :, 0], rtol=1e-9, atol=1e-9)
    for one in range(order + 1):
        rows = jnp.asarray(random.normal(size=(2 * one + 1, atoms, channels)))
        expected = jnp.einsum("xac,anxc->anc", rows, full[one])
        np.testing.assert_allclose(short.inner({one: rows}), expected, rtol=1e-9, atol=1e-9)


def test_harmonics_have_unit_mean_square_and_none_where_there_is_no_direction():
    random = np.random.default_rng(0)
    directions = random.normal(size=(20000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for order, values in enumerate(spherical_harmonics(jnp.asarray(directions), 3)):
        np.testing.assert_allclose(np.mean(np.asarray(values) ** 2, axis=0), 1, atol=0.05)
        assert values.shape == (20000, 2 * order + 1)
    padding = spherical_harmonics(jnp.zeros((1, 3)), 2)
    assert np.asarray(padding[0]).item() == pytest.approx(1)
    assert not np.any(padding[1])
    assert not np.any(padding[2])


def potential(**sizes):
    scaling = Scaling({14: -5.0}, 1.0)
    return Allegro([14], 4.0, channels=16, tensor_channels=8, scaling=scaling, key=jax.random.key(3), **sizes)


def test_forces_see_twice_the_cutoff_and_nothing_beyond():
    """Layers do not reach farther, other than messages do."""
    chain = np.array([[0, 0, 0], [2.2, 0, 0], [4.4, 0.3, 0], [6.6, 0, 0.3]])

    def force_on_the_first(moved):
        own = potential(layers=3)
        graph = build_graph(Structure.in_open_space(chain + moved, species=14), own.cutoff, dtype=jnp.float64)
        return np.asarray(evaluate(own, graph).forces[0])

    still = force_on_the_first(np.zeros((4, 3)))
    seen, unseen = np.zeros((2, 4, 3))
    seen[2, 1], unseen[3, 1] = 0.1, 0.1
    assert np.abs(force_on_the_first(seen) - still).max() > 1e-6
    np.testing.assert_array_equal(force_on_the_first(unseen), still)


def test_an_atom_alone_has_its_reference_energy():
    graph = build_graph(Structure.in_open_space([[0, 0, 0], [30.0, 0, 0]], species=14), 4.0)
    np.testing.assert_array_equal(potential().atomic_energies(graph)[:2], [-5.0, -5.0])


def test_strained_diamond_differs_from_the_unstrained_one():
    """Where vectors vanish by symmetry, tensors of order 2 do not: angles are seen."""
    silicon = bulk("Si", "diamond", a=5.43, cubic=True)
    own = potential()
    lengths = []
    for strain in (0.0, 0.03):
        atoms = silicon.copy()
        atoms.set_cell(
            silicon.cell.array @ np.diag([1 + strain, (1 + strain) ** -0.5, (1 + strain) ** -0.5]), scale_atoms=True
        )
        graph = build_graph(Structure.from_ase(atoms), 3.0, dtype=jnp.float64)
        # At the same distances, so that only angles differ.
        same = graph.with_vectors(graph.vectors / graph.distances()[..., None] * 2.35)
        lengths.append(float(own.atomic_energies(same)[0]))
    assert abs(lengths[1] - lengths[0]) > 1e-5


@pytest.mark.parametrize(
    ("sizes", "message"), [({"order": 4}, "an order of spherical harmonics of 1 to 3, not 4"), ({"order": 0}, "not 0")]
)
def test_orders_out_of_range(sizes, message):
    with pytest.raises(PotentialError, match=message):
        potential(**sizes)
