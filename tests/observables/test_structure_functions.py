"""RDF, ADF and coordination numbers against ideal gases, perfect crystals and brute force."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from mdfit.errors import ObservableError
from mdfit.graph import neighbor_table
from mdfit.observables import ADF, RDF, CoordinationNumber, Snapshot, estimate

TRICLINIC = np.array([[9.0, 0.0, 0.0], [4.0, 8.0, 0.0], [-3.0, 2.5, 10.0]])
R_MAX = 3.4


@pytest.mark.parametrize("smearing", [None, 0.05])
def test_ideal_gas_has_no_structure(known, smearing):
    run = known.ideal_gas(atoms=30, frames=4000, cell=TRICLINIC, seed=1)
    found = estimate(RDF(3.0, bins=10, smearing=smearing), run)
    inner = slice(1, None)  # the Gaussians of the first bin reach below zero, or it is nearly empty
    scores = (found.value - (1 - 1 / 30))[inner] / found.standard_error[inner]
    # Nine z-scores: the largest exceeds 4 by chance with probability 6e-4; a bias in all of them is seen in the mean.
    assert np.abs(scores).max() < 4
    assert np.abs(scores.mean()) < 4 / 3
    assert found.grid_unit == "Å"
    np.testing.assert_allclose(found.grid, (np.arange(10) + 0.5) * 0.3)


def test_histogram_equals_brute_force_over_images_in_a_triclinic_cell(known):
    # Atoms far outside the cell, as in unwrapped trajectories.
    random = np.random.default_rng(2)
    positions = random.random((12, 3)) @ TRICLINIC + random.integers(-3, 4, (12, 3)) @ TRICLINIC
    species = np.array([8] * 5 + [1] * 7, np.int32)
    run = known.trajectory(np.tile(positions, (1, 10, 1, 1)), TRICLINIC, species=species)
    table = neighbor_table(positions, TRICLINIC, [True] * 3, R_MAX)
    vectors = table.vectors(positions, TRICLINIC)
    distances = np.linalg.norm(vectors, axis=-1)
    volume = abs(np.linalg.det(TRICLINIC))
    edges = np.linspace(0, R_MAX, 18)
    for pair, first, second in ((("O", "H"), 8, 1), (("H", "H"), 1, 1), (None, None, None)):
        kinds = [species == kind if kind else np.ones(12, bool) for kind in (first, second)]
        counted = table.mask & kinds[0][:, None] & kinds[1][table.neighbours]
        counts = np.histogram(distances[counted], edges)[0]
        shells = 4 * np.pi / 3 * np.diff(edges**3)
        expected = counts * volume / (kinds[0].sum() * kinds[1].sum() * shells)
        np.testing.assert_allclose(estimate(RDF("3.4 Å", bins=17, pair=pair), run).value, expected, rtol=1e-10)
        coordination = estimate(CoordinationNumber(R_MAX, pair=pair), run).value
        assert coordination == pytest.approx(counted.sum() / kinds[0].sum())


CRYSTALS = {
    # Structure; shells (distance in nearest neighbours: number); angles between nearest neighbours (and their ratio).
    "fcc": ("Ar", {"crystalstructure": "fcc", "a": 5.3}, {1: 12, np.sqrt(2): 6}, {60: 24, 90: 12, 120: 24, 180: 6}),
    "diamond": ("Si", {"crystalstructure": "diamond", "a": 5.431}, {1: 4, np.sqrt(8 / 3): 12}, {109.4712: 6}),
    "bcc": (
        "Fe",
        {"crystalstructure": "bcc", "a": 2.87},
        {1: 8, np.sqrt(4 / 3): 6},
        {70.5288: 3, 109.4712: 3, 180: 1},
    ),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_perfect_crystals(known, name):
    symbol, settings, shells, angles = CRYSTALS[name]
    run = known.crystal(bulk(symbol, **settings), (4, 4, 4), frames=10)
    cell = run.cells[0, 0]
    nearest = settings["a"] * {"fcc": np.sqrt(1 / 2), "diamond": np.sqrt(3) / 4, "bcc": np.sqrt(3) / 2}[name]
    middle = nearest * (1 + list(shells)[1]) / 2
    # Counts per shell, from g(r) and from the coordination number.
    r_max = nearest * list(shells)[1] * 1.06
    function = RDF(r_max, bins=300)
    found = estimate(function, run)
    edges = np.linspace(0, r_max, 301)
    density = len(run.species) / abs(np.linalg.det(cell))
    counts = found.value * density * 4 * np.pi / 3 * np.diff(edges**3)
    for shell, number in shells.items():
        near = np.abs(found.grid - shell * nearest) < 0.05 * nearest
        assert counts[near].sum() == pytest.approx(number, rel=1e-9)
    assert found.standard_error.max() == 0
    assert estimate(CoordinationNumber(middle), run).value == shells[1]
    # Half of the smooth switch: a shell exactly at the cutoff counts half.
    smooth = CoordinationNumber(nearest, width=0.02)
    assert estimate(smooth, run).value == pytest.approx(shells[1] / 2, rel=1e-6)
    # Peaks of the angular distribution and their weights.
    found = estimate(ADF(middle, bins=181, smearing=0), run)
    width = np.pi / 181
    assert found.value.sum() * width == pytest.approx(1)
    total = sum(angles.values())
    for angle, number in angles.items():
        near = np.abs(np.degrees(found.grid) - angle) < 1.1
        assert found.value[near].sum() * width == pytest.approx(number / total, rel=1e-9)


def test_smeared_angles_keep_their_mean_and_width(known):
    run = known.crystal(bulk("Si", a=5.431), (4, 4, 4))
    found = estimate(ADF("2.9 Å", bins=180), run)
    mean = np.sum(found.grid * found.value) * np.pi / 180
    spread = np.sqrt(np.sum((found.grid - mean) ** 2 * found.value) * np.pi / 180)
    assert np.degrees(mean) == pytest.approx(109.4712, abs=1e-3)
    assert np.degrees(spread) == pytest.approx(1.0, rel=1e-3)


def test_angles_of_a_species_triplet(known):
    water = Atoms("OHH", [[0, 0, 0], [0.9572, 0, 0], [-0.2400, 0.9266, 0]])
    run = known.trajectory(
        np.tile(water.positions, (1, 10, 1, 1)), np.zeros((3, 3)), species=water.numbers.astype(np.int32),
        masses=water.get_masses(), periodic=np.zeros(3, bool),
    )  # fmt: skip
    inside = estimate(ADF(2.0, bins=360, triplet=("H", "O", "H"), smearing=0), run)
    assert np.degrees(inside.grid[np.argmax(inside.value)]) == pytest.approx(water.get_angle(1, 0, 2), abs=0.26)
    assert np.count_nonzero(inside.value) == 1
    outside = estimate(ADF(2.0, bins=360, triplet=("O", "H", "H"), smearing=0), run)
    assert np.degrees(outside.grid[np.argmax(outside.value)]) == pytest.approx(water.get_angle(0, 1, 2), abs=0.26)


@pytest.mark.parametrize(
    "observable",
    [RDF(3.0, bins=20, smearing=0.08), ADF(3.5, bins=30, width=0.3), CoordinationNumber(3.0, width=0.4)],
    ids=lambda observable: observable.name,
)
def test_gradients_agree_with_finite_differences(known, observable):
    snapshot = Snapshot.of(known.ideal_gas(atoms=10, frames=1, cell=TRICLINIC, seed=7))
    shape = jax.eval_shape(observable.per_snapshot, snapshot).shape
    weights = jnp.asarray(np.random.default_rng(8).standard_normal(shape))
    direction = np.random.default_rng(9).standard_normal((10, 3))

    @jax.jit
    def value(step):
        moved = dataclasses.replace(snapshot, positions=snapshot.positions + step * direction)
        return jnp.sum(weights * observable.combine(observable.per_snapshot(moved)))

    numerical = (value(1e-5) - value(-1e-5)) / 2e-5
    assert float(jax.grad(value)(0.0)) == pytest.approx(float(numerical), rel=2e-4)


def test_large_systems_give_the_same(known, monkeypatch):
    from mdfit.observables import pairs

    snapshot = Snapshot.of(known.ideal_gas(atoms=25, frames=1, cell=TRICLINIC))
    whole = jax.jit(RDF(3.0, bins=20).per_snapshot)(snapshot)
    monkeypatch.setattr(pairs, "_PAIRS_AT_ONCE", 100)
    rows = jax.jit(RDF(3.0, bins=20).per_snapshot)(snapshot)
    np.testing.assert_allclose(rows, whole, rtol=1e-12)


def test_every_pair_of_species():
    functions = RDF.for_species_pairs([8, 1, 1, 8], "3 Å", bins=5)
    assert [function.name for function in functions] == ["RDF H-H", "RDF H-O", "RDF O-O"]


@pytest.mark.parametrize(
    ("observable", "message"),
    [
        (RDF(4.0), r"RDF reaches 4 Å, but .* up to 3\.762 Å"),
        (RDF(3.4, bins=10, smearing=0.1), r"RDF reaches 3.9 Å"),
        (CoordinationNumber("1 nm"), r"CoordinationNumber reaches 10 Å"),
        (ADF(4.0), r"ADF reaches"),
        (RDF(3.0, pair=("Si", "O")), r"RDF Si-O asks for O, but the trajectory holds only Si"),
        (ADF(3.4, max_neighbours=2), r"ADF is not finite .* raise max_neighbours"),
    ],
)
def test_clear_errors(known, observable, message):
    run = known.ideal_gas(atoms=30, frames=12, cell=TRICLINIC)
    with pytest.raises(ObservableError, match=message):
        estimate(observable, run)


def test_unknown_symbol_is_refused():
    with pytest.raises(ObservableError, match="'Sj' is no chemical symbol"):
        RDF(3.0, pair=("Sj", "Si"))


@pytest.mark.parametrize("make", [RDF, CoordinationNumber])
@pytest.mark.parametrize("pair", ["Si", ("Si",), ("Si", "O", "H")])
def test_a_pair_has_two_species(make, pair):
    with pytest.raises(ObservableError, match=r'pair is .*, but needs 2 species, such as \("Si", "O"\)'):
        make(3.0, pair=pair)
