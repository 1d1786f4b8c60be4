"""A set of potentials is the mean of its members, and knows how far they differ."""

import jax
import numpy as np
import pytest
from ase import Atoms

from mdfit.engines import Calculator
from mdfit.errors import ModelFileError, PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import (
    ZBL,
    LennardJones,
    PaiNN,
    Potential,
    PotentialSet,
    evaluate,
    evaluate_set,
    forces,
    load,
)
from mdfit.storage import read_header, write_tree
from mdfit.structure import Structure

WEIGHTS = np.array([1.0, 1.0, 2.0, 4.0]) / 8


def member(number: int) -> Potential:
    return PaiNN((6, 8), 4.0, channels=4, layers=1, radial_functions=4, key=jax.random.key(number)) + ZBL(2.0)


@pytest.fixture(scope="module")
def members() -> list[Potential]:
    return [member(number) for number in range(4)]


@pytest.fixture(scope="module")
def graph():
    random = np.random.default_rng(0)
    positions = random.uniform(0, 7, (6, 3))
    structure = Structure(np.array([6, 8] * 3), positions, np.eye(3) * 7, np.ones(3, bool), np.ones(6))
    return build_graph(structure, 4.0)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_mean_and_spread_are_those_of_the_members(members, graph, weights):
    together = PotentialSet.of(members, weights)
    share = np.full(4, 0.25) if weights is None else weights
    each, found = [evaluate(one, graph) for one in members], evaluate_set(together, graph)
    mean = evaluate(together, graph)
    number = 1 / np.sum(share**2)
    for name in ("energy", "forces", "strain_derivative", "atomic_energies"):
        values = np.stack([np.asarray(getattr(one, name), np.float64) for one in each])
        middle = np.tensordot(share, values, 1)
        scatter = np.sqrt(np.tensordot(share, (values - middle) ** 2, 1) * number / (number - 1))
        for one in (mean, found.mean):
            np.testing.assert_allclose(getattr(one, name), middle, rtol=2e-5, atol=1e-5)
        np.testing.assert_allclose(getattr(found.members, name), values, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(getattr(found.spread, name), scatter, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(forces(together, graph), mean.forces, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(together[2].terms[0].embedding, members[2].terms[0].embedding)


def test_one_file_that_loads_like_any_potential(members, graph, tmp_path):
    together = PotentialSet.of(members, WEIGHTS)
    back = load(together.save(tmp_path / "set.mdfit"))
    assert isinstance(back, PotentialSet)
    assert (len(back), back.cutoff, back.species) == (4, 4.0, (6, 8))
    np.testing.assert_array_equal(back.weights.value, WEIGHTS)
    np.testing.assert_array_equal(evaluate(back, graph).forces, evaluate(together, graph).forces)
    assert back.fingerprint() == together.fingerprint()


def test_a_file_whose_number_of_members_is_wrong_is_refused(members, tmp_path):
    path = PotentialSet.of(members).save(tmp_path / "set.mdfit")
    header, arrays = read_header(path, ModelFileError, 1)
    header["architecture"]["settings"]["number"] = 3
    write_tree(path, arrays, {name: value for name, value in header.items() if name != "checksum"})
    with pytest.raises(ModelFileError, match=r"set\.mdfit"):
        load(path)


def alone_stress(potential, atoms):
    alone = atoms.copy()
    alone.calc = Calculator(potential)
    return alone.get_stress()


def test_sets_add_to_other_potentials_and_are_calculators(tmp_path):
    pairs = PotentialSet.of([LennardJones(epsilon=0.01 * n, sigma=3.4, cutoff=8.0) for n in (1, 2, 3)])
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.9]])
    atoms.calc = Calculator(pairs)
    mean = LennardJones(epsilon=0.02, sigma=3.4, cutoff=8.0)
    alone = atoms.copy()
    alone.calc = Calculator(mean)
    # A Lennard-Jones energy is linear in ε, so that the mean of the members is that of the mean ε.
    assert atoms.get_potential_energy() == pytest.approx(alone.get_potential_energy(), rel=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), alone.get_forces(), rtol=1e-4, atol=1e-8)
    # Of ε = 0.01, 0.02 and 0.03 the standard deviation is half the mean.
    results = atoms.calc.results
    assert results["energy_spread"] == pytest.approx(0.5 * abs(results["energy"]), rel=1e-4)
    np.testing.assert_allclose(results["forces_spread"], 0.5 * np.abs(results["forces"]), rtol=1e-4, atol=1e-8)
    assert "stress_spread" not in results
    atoms.set_cell(np.eye(3) * 20)
    atoms.pbc = True
    np.testing.assert_allclose(atoms.calc.get_stress(atoms), alone_stress(mean, atoms), rtol=1e-4, atol=1e-10)
    assert atoms.calc.results["stress_spread"] == pytest.approx(0.5 * np.abs(atoms.calc.results["stress"]), rel=1e-4)
    atoms.calc = Calculator(pairs + ZBL(2.0))
    assert np.isfinite(atoms.get_potential_energy())


@pytest.mark.parametrize(
    ("members", "weights", "words"),
    [
        ([], None, "at least two members, not 0"),
        ([LennardJones()], None, "at least two members, not 1"),
        ([LennardJones(), "lj"], None, "Member 1 is a str"),
        ([LennardJones(), LennardJones(cutoff=3.0)], None, "Member 1 of a set is not built like member 0"),
        ([LennardJones(), ZBL()], None, "Member 1 of a set is not built like member 0"),
        ([LennardJones(), LennardJones()], [1.0], "weights of 2 members"),
        ([LennardJones(), LennardJones()], [1.0, 0.0], "two of them above 0"),
        ([LennardJones(), LennardJones()], [1.0, -1.0], "none negative"),
        ([LennardJones(), LennardJones()], [np.nan, 1.0], "none negative"),
    ],
)
def test_bad_input(members, weights, words):
    with pytest.raises(PotentialError, match=words):
        PotentialSet.of(members, weights)


def test_species_of_members_must_agree():
    with pytest.raises(PotentialError, match="not built like member 0"):
        PotentialSet.of([PaiNN((6,), 4.0, channels=4, layers=1), PaiNN((8,), 4.0, channels=4, layers=1)])
