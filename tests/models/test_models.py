"""Models that are no potentials, and sets of models: evaluated, saved and loaded."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import ModelFileError, PotentialError
from mdfit.graph.batches import Batches
from mdfit.models import Constant, Model, ModelSet, load, trainable
from mdfit.potentials import LennardJones, PaiNN, evaluate
from mdfit.potentials import load as load_potential
from mdfit.structure import Structure


class Power(Model):
    """y = slope · x^power + offset."""

    power: int = eqx.field(static=True)
    slope: jax.Array
    offset: Constant

    def __init__(self, power: int, slope=0.0, offset=0.0):
        self.power, self.slope, self.offset = power, jnp.asarray(slope), Constant(jnp.asarray(offset))

    def __call__(self, x):
        return self.slope * x**self.power + self.offset.value


@pytest.fixture(scope="module")
def graph():
    atoms = bulk("Si", "diamond", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=1)
    dataset = Dataset((LabelledStructure(Structure.from_ase(atoms)),))
    return next(iter(Batches(dataset, 4.0, 1, np.float64).in_order())).graph


def networks(number: int) -> list[PaiNN]:
    return [PaiNN((14,), 4.0, 8, 1, key=jax.random.key(seed)) for seed in range(number)]


def test_a_model_that_is_no_potential_goes_through_a_file(tmp_path):
    line = Power(3, 0.1, 2.0)
    path = line.save(tmp_path / "line.mdfit", {"origin": "test"})
    again = load(path)
    assert isinstance(again, Power)
    assert again.fingerprint() == line.fingerprint()
    assert float(again(2.0)) == float(line(2.0))
    assert [bool(flag) for flag in jax.tree.leaves(trainable(again))] == [True, False]
    with pytest.raises(ModelFileError, match="holds a mdfit model, not a potential"):
        load_potential(path)
    with pytest.raises(ModelFileError, match="not a potential"):
        load(path, PaiNN)
    assert isinstance(load(LennardJones(0.01, 3.4, 8.0).save(tmp_path / "potential.mdfit")), LennardJones)


@pytest.mark.parametrize("with_prior", [False, True])
def test_a_set_is_evaluated_saved_and_loaded_as_one_model(graph, tmp_path, with_prior):
    members = [one + LennardJones(0.01, 2.0, 4.0) for one in networks(3)] if with_prior else networks(3)
    ensemble = ModelSet.of(members)
    side_by_side = eqx.filter_jit(lambda s, g: s.map(evaluate, g))(ensemble, graph)
    assert side_by_side.forces.shape == (3, *graph.species.shape, 3)
    for index, member in enumerate(members):
        alone = evaluate(member, graph)
        np.testing.assert_allclose(side_by_side.energy[index], alone.energy, rtol=1e-5)
        np.testing.assert_allclose(side_by_side.forces[index], alone.forces, rtol=1e-4, atol=1e-6)
        assert ensemble[index].fingerprint() == member.fingerprint()
    assert float(np.ptp(np.asarray(side_by_side.energy))) > 0
    again = load(ensemble.save(tmp_path / "set.mdfit"), ModelSet)
    assert len(again) == 3
    assert again.fingerprint() == ensemble.fingerprint()
    assert [one.fingerprint() for one in again] == [one.fingerprint() for one in members]


def test_a_name_that_stands_twice_is_not_guessed(tmp_path):
    kinds = [type("Twice", (Model,), {"__module__": place, "__annotations__": {}}) for place in ("here", "there")]
    with pytest.raises(ModelFileError, match=r"2 classes of the name Twice: here\.Twice, there\.Twice; rename"):
        load(kinds[0]().save(tmp_path / "twice.mdfit"))


def test_members_must_be_built_alike():
    first, other = PaiNN((14,), 4.0, 8, 1), PaiNN((14,), 4.5, 8, 1)
    for members in ([first, other], [first, LennardJones(0.01, 3.4, 8.0)], [Power(1, 0.0), Power(1, np.zeros(2))]):
        with pytest.raises(PotentialError, match="Member 1 of a set is not built like member 0"):
            ModelSet.of(members)
    with pytest.raises(PotentialError, match="at least one member"):
        ModelSet.of([])
    with pytest.raises(IndexError, match="no member 2 in a set of 2"):
        ModelSet.of([Power(1), Power(1)])[2]


def test_a_set_whose_file_was_changed_is_refused(tmp_path):
    from mdfit.storage import read_header, write_tree

    path = ModelSet.of([Power(1, 1.0), Power(1, 2.0)]).save(tmp_path / "set.mdfit")
    header, arrays = read_header(path, ModelFileError)
    for change in ({"settings": {"number": 3}}, {"settings": {"number": 10**9}}, {"settings": {}}, {"member": {}}):
        write_tree(path, arrays, {**header, "architecture": {**header["architecture"], **change}})
        with pytest.raises(ModelFileError):
            load(path)
