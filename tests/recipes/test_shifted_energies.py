"""Errors after a shift of each element's energy."""

import numpy as np
import pytest

from mdfit.objectives.accuracy import Accuracy
from mdfit.recipes.metrics import accuracy_metrics


def accuracy(labels, predictions):
    count = len(labels)
    return Accuracy(
        energy=np.stack([labels, predictions], axis=1),
        forces=np.zeros((0, 2)),
        stress=np.zeros((0, 2)),
        force_species=np.zeros(0, int),
        energy_frames=np.arange(count),
        force_frames=np.zeros(0, int),
        stress_frames=np.zeros(0, int),
        frames=count,
    )


@pytest.mark.parametrize("one_formula", [False, True])
def test_shifts_of_elements_are_taken_out(one_formula):
    """A shift of −5 and 300 eV per atom on top of an error of 2 meV/atom, whose root mean square is found again."""
    generator = np.random.default_rng(0)
    composition = np.tile([2.0, 4.0], (400, 1)) if one_formula else generator.integers(1, 9, (400, 2)).astype(float)
    atoms = composition.sum(axis=1)
    noise = 2e-3 * generator.normal(size=400)
    labels = generator.normal(size=400)
    shifted = labels + composition @ [-5.0, 300.0] / atoms + noise
    metrics = accuracy_metrics("test", accuracy(labels, shifted), "eV/Å", composition)
    assert metrics["test/energy_rmse"].value > 1e4
    after = metrics["test/energy_rmse_after_shift"]
    assert after.unit == "meV/atom"
    assert after.value == pytest.approx(2.0, abs=4 * after.standard_error)
    assert after.standard_error == pytest.approx(2.0 / np.sqrt(800), rel=0.2)


def test_few_frames_or_no_composition_have_no_shift():
    pairs = accuracy(np.arange(5.0), np.arange(5.0) + 1.0)
    composition = np.array([[1.0, 2], [2, 1], [1, 1], [3, 1], [1, 4]])
    assert "test/energy_rmse_after_shift" not in accuracy_metrics("test", pairs, "eV/Å", composition)
    assert "test/energy_rmse_after_shift" not in accuracy_metrics("test", pairs, "eV/Å")
