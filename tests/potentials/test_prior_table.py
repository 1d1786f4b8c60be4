"""Priors from tables and from the statistics of data."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import ModelFileError, PotentialError, UnitError
from mdfit.graph import build_graph
from mdfit.potentials import PriorTable, evaluate, prior_from_statistics
from mdfit.structure import Structure, Topology
from mdfit.units import BOLTZMANN, KILOJOULE_PER_MOLE

fast = eqx.filter_jit(evaluate)
BUTANE = Topology.from_bonds(4, [(0, 1), (1, 2), (2, 3)])
TABLE = """
units: {length: nm, energy: kJ/mol, angle: deg}
note: invented
types: [CH3, CH2, CH2, CH3]
bonds:
  - {types: [CH2, CH3], length: 0.15, stiffness: 1000}
  - {types: [CH2, CH2], length: 0.16, stiffness: 2000}
  - {atoms: [3, 2], length: 0.155, stiffness: 500}
angles:
  - {types: [CH3, CH2, CH2], angle: 110, stiffness: 0.3}
dihedrals:
  - atoms: [3, 2, 1, 0]
    terms:
      - {multiplicity: 1, amplitude: 2, phase: 0}
      - {multiplicity: 3, amplitude: 5, phase: 180}
pairs:
  - {types: [CH3, CH3], sigma: 0.3, epsilon: 0.5}
"""


def write(tmp_path, text=TABLE):
    path = tmp_path / "prior.yaml"
    path.write_text(text)
    return path


def molecule(bonds=(1.52, 1.58, 1.56), angles=(1.9, 2.0), turn=1.0):
    """Butane's carbon atoms in these internal coordinates."""
    places = np.zeros((4, 3))
    places[0] = bonds[0] * np.array([np.sin(angles[0]), 0, np.cos(angles[0])])
    places[2] = [0, 0, bonds[1]]
    out = np.sin(angles[1])
    places[3] = places[2] + bonds[2] * np.array([out * np.cos(turn), out * np.sin(turn), -np.cos(angles[1])])
    return Structure(np.full(4, 6, np.int32), places, np.zeros((3, 3)), np.zeros(3, bool), np.ones(4))


def energy_of(potential, structure):
    return float(fast(potential, build_graph(structure, potential.cutoff, dtype=jnp.float64)).energy[0])


def test_energies_from_a_table_in_other_units(tmp_path):
    table = PriorTable.read(write(tmp_path))
    stretch = 0.5 * 1000 * 0.002**2 + 0.5 * 2000 * 0.002**2 + 0.5 * 500 * 0.001**2
    bend = sum(0.5 * 0.3 * (np.degrees(angle) - 110) ** 2 for angle in (1.9, 2.0))
    turn = 2 * (1 + np.cos(1.0)) + 5 * (1 + np.cos(3.0 - np.pi))
    expected = (stretch + bend + turn) * KILOJOULE_PER_MOLE
    assert energy_of(table.bonded(BUTANE), molecule()) == pytest.approx(expected, rel=1e-9)
    ends = np.linalg.norm(molecule().positions[3] - molecule().positions[0]) / 10
    repulsion = 0.5 * (0.3 / ends) ** 6 * KILOJOULE_PER_MOLE
    found = energy_of(table.repulsion(BUTANE, "10 Å", power=6, bonds_apart=2), molecule())
    assert found == pytest.approx(repulsion, rel=1e-9)
    attraction = 2 * (0.3 / ends) ** 12 - 2 * (0.3 / ends) ** 6
    found = energy_of(table.lennard_jones(BUTANE, "10 Å", bonds_apart=2), molecule())
    assert found == pytest.approx(attraction * KILOJOULE_PER_MOLE, rel=1e-9)


def test_written_and_read_again(tmp_path):
    table = PriorTable.read(write(tmp_path))
    table.write(tmp_path / "again.json", note="in Å, eV and rad")
    again = PriorTable.read(tmp_path / "again.json")
    assert again == table
    assert json.loads((tmp_path / "again.json").read_text())["units"]["energy"] == "eV"


def test_kinds_without_entries_are_left_out(tmp_path):
    document = "units: {length: nm, energy: kJ/mol, angle: deg}\nbonds: [{atoms: [0, 1], length: 0.1, stiffness: 1}]"
    table = PriorTable.read(write(tmp_path, document))
    two = Topology.from_bonds(2, [(0, 1)])
    assert type(table.bonded(two)).__name__ == "HarmonicBonds"
    with pytest.raises(PotentialError, match="no pairs"):
        table.repulsion(two, 5.0)
    free = "units: {length: nm, energy: kJ/mol, angle: deg}\ndihedrals: [{atoms: [0, 1, 2, 3], terms: []}]"
    with pytest.raises(PotentialError, match="no bonded terms"):
        PriorTable.read(write(tmp_path, free)).bonded(BUTANE)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "types: [CH3, CH3]",
            "types: [CH2, CH3]",
            PotentialError,
            r"no entry in pairs for the atoms 0–3 \(types CH3–CH3\)",
        ),
        ("[CH3, CH2, CH2], angle", "[CH3, CH2, CH3], angle", PotentialError, "no entry in angles for the atoms 0–1–2"),
        (
            "types: [CH3, CH2, CH2, CH3]",
            "types: [CH3, CH2]",
            PotentialError,
            "types of 2 atoms, but the molecule has 4",
        ),
        ("{types: [CH2, CH2]", "{types: [CH3, CH2]", PotentialError, "two different entries in bonds for CH3–CH2"),
        ("energy: kJ/mol", "energy: kJ/mole/s", UnitError, "unit of energy"),
        (", angle: deg}", "}", UnitError, "length, energy and angle"),
        ("stiffness: 1000", "stiffnes: 1000", PotentialError, r"bonds\[0\] must have atoms or types, and length"),
        ("length: 0.15,", "length: 1.5 Å,", PotentialError, r"bonds\[0\].length must be a number"),
        ("{atoms: [3, 2]", "{atoms: [3]", PotentialError, "2 indices from 0"),
        ("multiplicity: 1, ", "", PotentialError, r"terms\[0\] must have multiplicity"),
        ("multiplicity: 1,", "multiplicity: 0,", PotentialError, "multiplicity must be a whole number from 1 to 100"),
        ("multiplicity: 1,", "multiplicity: .nan,", PotentialError, "multiplicity must be a whole number"),
        ("multiplicity: 1,", "multiplicity: [1],", PotentialError, "multiplicity must be a whole number"),
        ("stiffness: 1000", "stiffness: -1000", PotentialError, r"bonds\[0\].stiffness must be positive or zero"),
        ("stiffness: 1000", "stiffness: 1e300", PotentialError, r"bonds\[0\].stiffness must be a number"),
        ("sigma: 0.3", "sigma: 0", PotentialError, r"pairs\[0\].sigma must be positive, not 0"),
        ("dihedrals:", "dihedrals: 3\nimpropers:", PotentialError, "dihedrals must be a list"),
        ("types: [CH3, CH2, CH2, CH3]", "types: ABBA", PotentialError, "types must be a list"),
        ("types: [CH3, CH2, CH2, CH3]", "types: &t [*t]", ModelFileError, "an alias stands inside"),
        ("pairs:", "pair:", PotentialError, "did you mean 'pairs'"),
        ("units:", "units: [", ModelFileError, "neither JSON nor YAML"),
    ],
)
def test_bad_tables_are_refused_with_the_reason(tmp_path, old, new, error, message):
    assert old in TABLE
    path = write(tmp_path, TABLE.replace(old, new, 1))
    with pytest.raises(error, match=message):
        use(PriorTable.read(path))


def use(table):
    table.bonded(BUTANE)
    table.repulsion(BUTANE, 9.0, bonds_apart=2)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelFileError, match="check the path"):
        PriorTable.read(tmp_path / "none.json")


def frames(bonds, angles, turns):
    return np.array([molecule(*one).positions for one in zip(bonds, angles, turns, strict=True)])


def test_statistics_of_bonds_and_angles():
    """Exact mean and variance of the sample; k in eV/Å² and eV/rad², which a factor of two or degrees would miss."""
    random = np.random.default_rng(0)
    bonds = 1.5 + 0.03 * random.standard_normal((500, 3))
    angles = 1.95 + 0.05 * random.standard_normal((500, 2))
    table = prior_from_statistics(frames(bonds, angles, np.full(500, 0.7)), BUTANE, "300 K")
    thermal = 300 * BOLTZMANN
    for column, entry in enumerate(table.bonds):
        assert entry.minimum == pytest.approx(bonds[:, column].mean())
        assert entry.stiffness == pytest.approx(thermal / bonds[:, column].var())
    for column, entry in enumerate(table.angles):
        assert entry.minimum == pytest.approx(angles[:, column].mean())
        assert entry.stiffness == pytest.approx(thermal / angles[:, column].var())
    assert table.dihedrals is None


def test_statistics_do_not_care_for_the_faces_of_the_cell_and_pool_molecules():
    random = np.random.default_rng(0)
    places = frames(
        1.5 + 0.03 * random.standard_normal((20, 3)),
        1.95 + 0.05 * random.standard_normal((20, 2)),
        random.uniform(-3, 3, 20),
    )
    cell = np.array([[9.0, 0, 0], [1.0, 8.0, 0], [0, 2.0, 10.0]])
    moved = places + random.integers(-1, 2, places.shape) @ cell
    plain = prior_from_statistics(places, BUTANE, 300.0, dihedral_order=1)
    wrapped = prior_from_statistics(moved, BUTANE, 300.0, dihedral_order=1, cells=cell)
    pooled = prior_from_statistics(places.reshape(10, 8, 3), BUTANE, 300.0, dihedral_order=1)
    for other in (wrapped, pooled):
        for one, two in zip((*plain.bonds, *plain.angles), (*other.bonds, *other.angles), strict=True):
            assert (one.minimum, one.stiffness) == pytest.approx((two.minimum, two.stiffness), rel=1e-9)
        first, second = plain.dihedrals[0].terms[0], other.dihedrals[0].terms[0]
        assert (first.amplitude, first.phase) == pytest.approx((second.amplitude, second.phase), rel=1e-6)


def test_series_of_a_dihedral_angle_is_found_again():
    """Quantiles of the density of a known series, across ±π."""
    thermal = 300 * BOLTZMANN
    known = ((1, 0.03, 0.4), (2, 0.02, -1.0), (3, 0.05, 3.0))
    grid = np.linspace(-np.pi, np.pi, 40_001)
    energy = sum(amplitude * (1 + np.cos(n * grid - phase)) for n, amplitude, phase in known)
    density = np.exp(-energy / thermal)
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    turns = np.interp((np.arange(4000) + 0.5) / 4000, cumulative / cumulative[-1], grid)
    random = np.random.default_rng(0)
    bonds, angles = 1.5 + 0.01 * random.random((4000, 3)), 1.9 + 0.1 * random.random((4000, 2))
    table = prior_from_statistics(frames(bonds, angles, turns), BUTANE, 300.0, dihedral_order=3)
    for term, (n, amplitude, phase) in zip(table.dihedrals[0].terms, known, strict=True):
        assert term.multiplicity == n
        assert term.amplitude == pytest.approx(amplitude, rel=2e-3)
        assert np.cos(term.phase - phase) == pytest.approx(1, abs=1e-5)
    assert table.impropers == ()


def test_a_narrow_dihedral_angle_at_trans_has_the_stiffness_of_its_variance():
    """Around ±π, where plain averages of angles fail: k = k_B T/variance for a narrow distribution of width 0.1."""
    random = np.random.default_rng(1)
    turns = np.pi + 0.1 * random.standard_normal(3000)
    bonds, angles = 1.5 + 0.01 * random.random((3000, 3)), 1.9 + 0.1 * random.random((3000, 2))
    table = prior_from_statistics(frames(bonds, angles, turns), BUTANE, 300.0, dihedral_order=1)
    (term,) = table.dihedrals[0].terms
    assert term.amplitude == pytest.approx(300 * BOLTZMANN / turns.var(), rel=0.02)
    # The minimum of k (1 + cos(φ − φ₀)) is at φ₀ + π.
    assert np.cos(term.phase + np.pi - turns.mean()) == pytest.approx(1, abs=1e-6)


def test_statistics_of_unsuitable_data():
    one = molecule().positions
    with pytest.raises(PotentialError, match="at least two frames"):
        prior_from_statistics(one[None], BUTANE, 300.0)
    with pytest.raises(PotentialError, match="multiple of 4 atoms"):
        prior_from_statistics(np.tile(one[:3], (5, 1, 1)), BUTANE, 300.0)
    with pytest.raises(PotentialError, match="bond 0–1 does not vary"):
        prior_from_statistics(np.tile(one, (5, 1, 1)), BUTANE, 300.0)
