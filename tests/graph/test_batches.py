"""Padded batches: the same errors as frame by frame, few sizes, every frame once per epoch."""

import equinox as eqx
import numpy as np

from mdfit.data import Dataset, LabelledStructure
from mdfit.graph import build_graph
from mdfit.graph.batches import Batches
from mdfit.potentials import PaiNN, evaluate, predict
from mdfit.structure import Structure

jitted = eqx.filter_jit(evaluate)


def dataset(count: int = 23) -> Dataset:
    random = np.random.default_rng(5)
    frames = []
    for index in range(count):
        atoms = int(random.integers(1, 9))
        structure = Structure(
            species=random.choice([6, 8], atoms).astype(np.int32),
            positions=random.uniform(0, 4, (atoms, 3)),
            cell=np.diag([4.0, 5.0, 6.0]),
            periodic=np.ones(3, bool),
            masses=np.ones(atoms),
            velocities=None,
        )
        frames.append(
            LabelledStructure(
                structure,
                energy=None if index % 5 == 0 else float(index),
                forces=None if index % 7 == 0 else random.normal(size=(atoms, 3)),
                stress=None if index % 3 else np.eye(3) * index,
            )
        )
    return Dataset(tuple(frames))


def test_predictions_in_batches_equal_single_structures():
    data = dataset()
    potential = PaiNN((6, 8), 3.0, channels=8, layers=2)
    for frame, prediction in zip(data, predict(potential, data, batch_size=4), strict=True):
        alone = jitted(potential, build_graph(frame.structure, 3.0, atoms=8, neighbours=40))
        np.testing.assert_allclose(prediction.energy, alone.energy[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(prediction.forces, alone.forces[: frame.structure.number_of_atoms], atol=1e-4)
        stress = alone.strain_derivative[0] / frame.structure.volume
        np.testing.assert_allclose(prediction.stress, stress, atol=1e-5)


def test_every_frame_comes_once_per_epoch_and_orders_differ():
    data = dataset()
    batches = Batches(data, 3.0, 4)
    orders = [batches.order(0, epoch) for epoch in range(2)]
    assert sorted(orders[0]) == list(range(len(data)))
    assert list(orders[0]) != list(orders[1])
    assert list(batches.order(0, 0)) == list(orders[0])


def test_an_epoch_has_a_handful_of_sizes():
    batches = Batches(dataset(60), 3.0, 4)
    shapes = {
        batches.shuffled_batch(0, epoch, index).graph.vectors.shape
        for epoch in range(5)
        for index in range(len(batches))
    }
    assert len(shapes) <= 4


def test_missing_labels_are_masked_not_dropped():
    data = dataset()
    labels = {"energy": 0, "forces": 0, "stress": 0}
    for batch in Batches(data, 3.0, 4).in_order():
        labels["energy"] += int(batch.energy_mask.sum())
        labels["forces"] += int(batch.forces_mask.sum())
        labels["stress"] += int(batch.stress_mask.sum())
    atoms_with_forces = sum(f.structure.number_of_atoms for f in data if f.forces is not None)
    assert labels == {
        "energy": sum(f.energy is not None for f in data),
        "forces": atoms_with_forces,
        "stress": sum(f.stress is not None for f in data),
    }
