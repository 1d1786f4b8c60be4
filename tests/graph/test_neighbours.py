"""Host-side lists against ASE, and device-side lists against host-side ones, on random cells."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from mdfit.errors import NeighborListError
from mdfit.graph import build_graph, neighbor_table
from mdfit.graph.host import check_reach
from mdfit.potentials import PaiNN, StillingerWeber, evaluate
from mdfit.simulate.jax_md.neighbours import DeviceLists, HostLists, cell_heights, list_builder
from mdfit.structure import Structure

jitted = eqx.filter_jit(evaluate)


@eqx.filter_jit
def packed_and_flipped(graph, width):
    packed = graph.packed(3.0, width)
    return packed, packed.flip(packed.vectors)


@eqx.filter_jit
def graph_and_flipped(lists, species, positions):
    graph = lists.graph(species, positions)
    return graph, graph.flip(graph.vectors)


def random_structure(seed: int, atoms: int, length: float, skew: float, periodic, spread: float = 1.0) -> Structure:
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(0.7, 1.3, 3)) * length + np.tril(random.uniform(-skew, skew, (3, 3)), -1) * length
    fractional = random.uniform(0, spread, (atoms, 3))
    return Structure(
        species=np.full(atoms, 14, np.int32),
        positions=fractional @ cell,
        cell=cell,
        periodic=np.array(periodic),
        masses=np.full(atoms, 28.085),
        velocities=None,
    )


def edges_of(table, positions, cell):
    vectors = table.vectors(positions, cell)
    rows, _ = np.nonzero(table.mask)
    return sorted_edges(rows, table.neighbours[table.mask], vectors[table.mask])


def sorted_edges(first, second, vectors):
    table = np.column_stack([first, second, np.round(vectors, 5) + 0.0])
    return table[np.lexsort(table.T[::-1])]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    atoms=st.integers(1, 12),
    length=st.floats(2.5, 9.0),
    skew=st.floats(0, 0.6),
    periodic=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_host_list_equals_ase(seed, atoms, length, skew, periodic):
    # Small and skewed cells need several images; positions lie outside the cell, too.
    structure = random_structure(seed, atoms, length, skew, periodic, spread=2.5)
    table = neighbor_table(structure.positions, structure.cell, structure.periodic, 5.0)
    reference = Atoms("Si" * atoms, structure.positions, cell=structure.cell, pbc=periodic)
    i, j, vectors = neighbor_list("ijD", reference, 5.0)
    np.testing.assert_allclose(
        edges_of(table, structure.positions, structure.cell), sorted_edges(i, j, vectors), atol=2e-5
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), atoms=st.integers(1, 10), skew=st.floats(0, 0.4))
def test_reverse_points_to_the_opposite_edge(seed, atoms, skew):
    structure = random_structure(seed, atoms, 4.0, skew, (True, True, True))
    graph = build_graph(structure, 5.0, dtype=jnp.float64)
    mask = np.asarray(graph.mask)
    flipped = np.asarray(graph.flip(graph.vectors))
    np.testing.assert_allclose(flipped[mask], -np.asarray(graph.vectors)[mask], atol=1e-12)
    flat = np.asarray(graph.reverse)[mask]
    assert len(np.unique(flat)) == len(flat)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), atoms=st.integers(1, 10), skew=st.floats(0, 0.4), spare=st.integers(0, 2))
def test_packed_graph_is_that_of_a_list_with_the_cutoff(seed, atoms, skew, spare):
    structure = random_structure(seed, atoms, 4.0, skew, (True, True, True))
    exact, wide = (build_graph(structure, cutoff, dtype=jnp.float64) for cutoff in (3.0, 4.5))
    width = int(exact.mask.sum(axis=1).max()) + spare
    if width == 0:
        return
    packed, flipped = packed_and_flipped(wide, width)
    assert packed.mask.shape == (atoms, width)
    mask = np.asarray(packed.mask)
    own, theirs = (
        sorted_edges(
            np.nonzero(np.asarray(g.mask))[0],
            np.asarray(g.neighbours)[np.asarray(g.mask)],
            np.asarray(g.vectors)[np.asarray(g.mask)],
        )
        for g in (packed, exact)
    )
    np.testing.assert_allclose(own, theirs, atol=2e-5)
    vectors = np.asarray(packed.vectors)
    np.testing.assert_allclose(np.asarray(flipped)[mask], -vectors[mask], atol=1e-12)
    assert (vectors[~mask] == 0).all()
    assert (np.asarray(packed.reverse)[~mask] == 0).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), skew=st.floats(0, 0.3))
def test_device_list_equals_host_list(seed, skew):
    reach = 3.0
    structure = random_structure(seed, 40, 11.0, skew, (True, True, True), spread=2.5)
    if (cell_heights(structure.cell) < 2 * reach).any():
        return
    positions, cells = jnp.asarray(structure.positions)[None], jnp.asarray(structure.cell)[None]
    host = HostLists(structure.periodic, reach).build(positions, cells)
    device = DeviceLists(structure.cell, reach).build(positions, cells)
    edges = []
    for lists in (host, device):
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[0], lists)
        graph, flipped = graph_and_flipped(one, structure.species, structure.positions)
        mask = np.asarray(graph.mask)
        vectors = np.asarray(graph.vectors)[mask]
        edges.append(sorted_edges(np.nonzero(mask)[0], np.asarray(graph.neighbours)[mask], vectors))
        np.testing.assert_allclose(np.asarray(flipped)[mask], -vectors, atol=1e-9)
    np.testing.assert_allclose(*edges, atol=2e-5)


def test_a_potential_sees_the_same_in_both_lists():
    structure = random_structure(3, 40, 11.0, 0.2, (True, True, True), spread=2.5)
    positions, cells = jnp.asarray(structure.positions)[None], jnp.asarray(structure.cell)[None]
    builders = (HostLists(structure.periodic, 3.0), DeviceLists(structure.cell, 3.0))
    found = []
    for builder in builders:
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[0], builder.build(positions, cells))
        graph, _ = graph_and_flipped(one, structure.species, structure.positions)
        found.append(jitted(StillingerWeber(sigma=1.6), graph))
    np.testing.assert_allclose(found[0].energy, found[1].energy, rtol=1e-10)
    scale = np.abs(found[0].forces).max()
    assert scale > 0
    np.testing.assert_allclose(found[0].forces, found[1].forces, atol=1e-8 * scale)


def test_overflow_of_the_device_list_is_repaired():
    sparse = random_structure(0, 60, 14.0, 0.0, (True, True, True))
    dense = sparse.positions.copy()
    dense[:30] = dense[0] + np.random.default_rng(1).normal(0, 0.8, (30, 3))
    builder = DeviceLists(sparse.cell, 3.0)
    cells = jnp.asarray(sparse.cell)[None]
    first = builder.build(jnp.asarray(sparse.positions)[None], cells)
    crowded = builder.build(jnp.asarray(dense)[None], cells)
    expected = HostLists(sparse.periodic, 3.0).build(jnp.asarray(dense)[None], cells)
    assert crowded.indices.shape[-1] > first.indices.shape[-1]
    assert int(crowded.mask.sum()) == int(expected.mask.sum())


def test_cell_too_narrow_for_the_device_names_the_smallest_supercell():
    structure = random_structure(0, 8, 5.0, 0.0, (True, True, True))
    with pytest.raises(NeighborListError, match="repeat") as error:
        list_builder("device", structure.periodic, structure.cell, 4.0, structure.number_of_atoms)
    repeats = tuple(int(n) for n in str(error.value).split("structure.repeat((")[1].split("))")[0].split(","))
    larger = structure.repeat(repeats)
    assert (cell_heights(larger.cell) >= 8.0).all()
    smaller = structure.repeat(tuple(max(1, n - 1) for n in repeats))
    assert (cell_heights(smaller.cell) < 8.0).any()


def test_small_cell_falls_back_to_the_host_list():
    structure = random_structure(0, 8, 5.0, 0.0, (True, True, True))
    assert isinstance(
        list_builder("auto", structure.periodic, structure.cell, 4.0, structure.number_of_atoms), HostLists
    )


def test_supercell_has_the_energy_of_its_copies():
    structure = random_structure(4, 5, 4.0, 0.3, (True, True, True))
    potential = PaiNN((14,), 5.0, channels=8, layers=2)
    one = jitted(potential, build_graph(structure, 5.0))
    many = jitted(potential, build_graph(structure.repeat((2, 1, 2)), 5.0))
    np.testing.assert_allclose(many.energy, 4 * one.energy, rtol=1e-5)


def test_position_that_is_not_finite_is_named():
    with pytest.raises(NeighborListError, match="atom 1"):
        neighbor_table(np.array([[0.0, 0, 0], [np.nan, 0, 0]]), np.eye(3) * 9, (True,) * 3, 3.0)


@pytest.mark.parametrize("shift", [[0, 0, 0], [9.0, 0, 0]])
def test_coinciding_atoms_are_named(shift):
    # Also when they coincide only through a periodic image.
    positions = np.array([[1.0, 1, 1], [4.0, 4, 4], np.add([1.0, 1, 1], shift)])
    with pytest.raises(NeighborListError, match="Atoms 0 and 2"):
        neighbor_table(positions, np.eye(3) * 9, (True,) * 3, 3.0)


@pytest.mark.parametrize(
    ("length", "periodic", "cutoff"),
    [(5.4, [True] * 3, 400.0), (0.01, [True] * 3, 5.0), (5.4, [True, True, False], 1e4), (5.4, [True] * 3, 1e200)],
)
def test_cutoffs_that_reach_too_far_are_refused_before_a_list_is_made(length, periodic, cutoff, monkeypatch):
    monkeypatch.setattr("mdfit.graph.host._half_list", None)
    with pytest.raises(NeighborListError, match=r"reaches about .* neighbours of each atom, .*lower the cutoff"):
        neighbor_table(length * np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.6]]), length * np.eye(3), periodic, cutoff)


def test_large_clusters_are_not_taken_for_dense_ones():
    side = np.arange(60.0) * 3
    cluster = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    check_reach(cluster, np.zeros((3, 3)), np.zeros(3, bool), 12.0)
    with pytest.raises(NeighborListError, match="lower the cutoff"):
        check_reach(cluster, np.zeros((3, 3)), np.zeros(3, bool), 300.0)


@pytest.mark.parametrize("atoms", [2, 5, 11])
def test_all_pairs_are_what_a_search_finds(atoms):
    """The same edges, opposite edges and vectors, and the same energies and forces from a network."""
    from mdfit.graph.complete import all_pairs_suit, complete_graph

    rng = np.random.default_rng(atoms)
    species = rng.choice([1, 8], atoms).astype(np.int32)
    positions = rng.uniform(0, 4, (3, atoms, 3))
    structures = [Structure(species, x, np.zeros((3, 3)), np.zeros(3, bool), np.ones(atoms)) for x in positions]
    found = complete_graph(species, positions, np.zeros((3, 3, 3)), jnp.float64)
    searched = build_graph(structures, 100.0, dtype=jnp.float64)
    assert np.array_equal(found.flip(found.vectors), -found.vectors)
    potential = PaiNN((1, 8), 3.0, channels=8, layers=2, key=jax.random.key(0))
    ours, expected = (jitted(potential, graph) for graph in (found, searched))
    assert np.allclose(ours.energy, expected.energy, rtol=1e-6)
    assert np.allclose(ours.forces, expected.forces, atol=1e-5)
    assert all_pairs_suit(atoms, structures[0].periodic)
    assert not all_pairs_suit(atoms, np.array([True, False, False]))
    both = np.concatenate([positions[:1], np.zeros((1, atoms, 3))])
    with pytest.raises(NeighborListError, match="of frame 1 coincide"):
        complete_graph(species, both, np.zeros((2, 3, 3)), jnp.float64)


def neighbours_within(lists, reach):
    """Sorted distances of all pairs of each replica."""
    graphs = jax.vmap(lambda one, place: one.graph(jnp.zeros(place.shape[0], jnp.int32), place).vectors)
    masks = jax.vmap(lambda one, place: one.graph(jnp.zeros(place.shape[0], jnp.int32), place).mask)
    found = np.linalg.norm(graphs(lists, lists.origin), axis=-1)
    return [np.sort(d[m & (d < reach)]) for d, m in zip(found, np.asarray(masks(lists, lists.origin)), strict=True)]


def test_a_list_of_the_device_is_whole_after_the_cell_has_shrunk():
    """Four cells along 30 Å are wide enough for 7.4 Å, but not along 27 Å: two atoms on both sides of one meet there.

    Others, close together, have made enough room for them, so that the list does not overflow.
    """
    reach, cluster = 7.4, 0.8 + 0.02 * np.random.default_rng(0).random((20, 3))
    fractional = np.concatenate([[[0.2499, 0.1, 0.1], [0.5001, 0.1, 0.1]], cluster])[None]
    builder, pairs = DeviceLists(np.eye(3) * 30.0, reach), []
    for edge in (30.0, 27.0):
        positions, cells = jnp.asarray(fractional * edge), jnp.eye(3)[None] * edge
        (found,) = neighbours_within(builder.build(positions, cells), reach)
        (host,) = neighbours_within(HostLists(np.ones(3, bool), reach).build(positions, cells), reach)
        np.testing.assert_allclose(found, host, rtol=1e-9)
        pairs.append(len(host))
    assert pairs == [20 * 19, 20 * 19 + 2]


def test_the_cell_of_every_replica_must_be_wide_enough_for_the_device():
    builder = DeviceLists(np.eye(3) * 20.0, 7.0)
    cells = jnp.stack([jnp.eye(3) * 20.0, jnp.eye(3) * 10.0])
    with pytest.raises(NeighborListError, match=r"The cell is 10\.00 Å wide"):
        builder.build(jnp.zeros((2, 4, 3)), cells)
