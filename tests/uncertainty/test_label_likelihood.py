"""The likelihood of labels against numpy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import TrainingError
from mdfit.potentials import LennardJones
from mdfit.structure import Structure
from mdfit.uncertainty import LabelLikelihood

POTENTIAL = LennardJones(0.5, 1.1, 4.0)


def frames(number=6):
    random, found = np.random.default_rng(0), []
    for index in range(number):
        atoms = 2 + index % 3
        positions = np.stack([np.arange(atoms) * 1.3, random.normal(0, 0.1, atoms), np.zeros(atoms)], axis=-1)
        structure = Structure(np.full(atoms, 18), positions, np.eye(3) * 12, np.ones(3, bool), np.ones(atoms))
        forces = random.normal(0, 0.5, (atoms, 3)) if index != 2 else None
        stress = np.eye(3) * random.normal(0, 0.01) if index != 3 else None
        found.append(LabelledStructure(structure, random.normal(-1, 0.2), forces, stress))
    return Dataset(tuple(found))


def expected(dataset, sigma):
    from mdfit.engines import Calculator

    total = 0.0
    for frame in dataset:
        atoms = frame.structure.to_ase()
        atoms.calc = Calculator(POTENTIAL)
        errors = {"energy": (atoms.get_potential_energy() - frame.energy) / len(atoms)}
        if frame.forces is not None:
            errors["forces"] = atoms.get_forces() - frame.forces
        if frame.stress is not None:
            # Six independent numbers.
            errors["stress"] = (atoms.get_stress(voigt=False) - frame.stress)[np.triu_indices(3)]
        total += sum(
            stats.norm.logpdf(np.ravel(errors[name]), 0, sigma[name]).sum() for name in sigma if name in errors
        )
    return total


def test_all_labels_of_all_structures():
    data, sigma = frames(), {"energy": 0.02, "forces": 0.3, "stress": 0.005}
    likelihood = LabelLikelihood(data, **sigma, batch_size=6, dtype=np.float64)
    assert likelihood.is_full_batch
    batch, _ = likelihood.draw(POTENTIAL, likelihood.initial_state(0, POTENTIAL))
    noise = {name: jnp.asarray(2 * size) for name, size in sigma.items()}
    total, count = likelihood.pure(POTENTIAL, noise, batch)
    # Terms of some hundreds cancel.
    assert float(total) == pytest.approx(expected(data, {name: 2 * size for name, size in sigma.items()}), abs=1e-4)
    assert float(count) == 6
    known = LabelLikelihood(data, **sigma, batch_size=6, sampled=False, dtype=np.float64)
    assert known.noise == {}
    assert float(known.pure(POTENTIAL, {}, batch)[0]) == pytest.approx(expected(data, sigma), rel=1e-6)


def test_batches_are_worth_all_data_on_average():
    """(N/n) times the mean over all 15 pairs of structures is the whole."""
    data = frames()
    likelihood = LabelLikelihood(
        data, forces="0.3 eV/Å", energy="20 meV", batch_size=2, sampled=False, dtype=np.float64
    )
    state, totals = likelihood.initial_state(1, POTENTIAL), {}
    for _ in range(200):
        batch, state = likelihood.draw(POTENTIAL, state)
        total, count = likelihood.pure(POTENTIAL, {}, batch)
        totals[round(float(total), 9)] = float(total) * likelihood.number / float(count)
    assert len(totals) == 15
    assert np.mean(list(totals.values())) == pytest.approx(expected(data, {"forces": 0.3, "energy": 0.02}), rel=1e-6)


def test_batches_have_one_shape():
    likelihood = LabelLikelihood(frames(), forces=0.3, batch_size=2)
    state = likelihood.initial_state(1, POTENTIAL)
    shapes = set()
    for _ in range(20):
        batch, state = likelihood.draw(POTENTIAL, state)
        shapes.add((batch.forces.shape, batch.graph.vectors.shape))
    assert len(shapes) == 1


def test_fewer_independent_structures_say_less():
    assert LabelLikelihood(frames(), forces=0.3, independent=1.5).number == 1.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "at least one kind of label"),
        ({"forces": 0.0}, "expected noise of forces is above 0"),
        ({"forces": 0.1, "independent": 7}, "up to all 6, not 7"),
        ({"forces": 0.1, "batch_size": 0}, "at least 1, not 0"),
        ({"forces": "0.1 eV"}, "forces"),
    ],
)
def test_bad_input(settings, words):
    with pytest.raises(Exception, match=words):
        LabelLikelihood(frames(), **settings)


def test_labels_that_are_nowhere():
    bare = Dataset(tuple(LabelledStructure(frame.structure, energy=frame.energy) for frame in frames()))
    with pytest.raises(TrainingError, match="No frame has the label forces"):
        LabelLikelihood(bare, forces=0.1)
