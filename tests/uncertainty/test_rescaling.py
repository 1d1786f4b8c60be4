"""Spreads of sets that are as large as errors."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from mdfit import Structure
from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import ObservableError, TrainingError
from mdfit.graph import build_graph
from mdfit.potentials import LennardJones, PotentialSet, Scales, evaluate_set, labelled_by, load
from mdfit.uncertainty import label_spread, rescaled, variance_scale
from mdfit.uncertainty.calibration import fixed_by_symmetry

_DIMERS = [Structure.in_open_space([[0, 0, 0], [0, 0, r]]) for r in np.linspace(1.0, 1.6, 30)]


def _members(scatter, number=8):
    return PotentialSet.of([LennardJones(epsilon=e) for e in 1 + scatter * np.linspace(-1, 1, number)])


def test_errors_then_have_the_size_that_the_formula_gives():
    truth = labelled_by(LennardJones(epsilon=1.2), _DIMERS)
    found = rescaled(_members(0.1), truth)
    before, after = label_spread(_members(0.1), truth), label_spread(found, truth)
    factor = variance_scale(*before.errors("forces"), 8)
    np.testing.assert_allclose(after.forces, factor * before.forces, rtol=1e-5)
    np.testing.assert_allclose(after.energy, variance_scale(*before.errors("energy"), 8) * before.energy, rtol=1e-5)
    # The mean is left alone.
    np.testing.assert_array_equal(after.accuracy.forces, before.accuracy.forces)


def test_scaling_twice_is_scaling_once_and_files_keep_it(tmp_path):
    truth = labelled_by(LennardJones(epsilon=1.2), _DIMERS)
    once = rescaled(_members(0.1), truth)
    np.testing.assert_allclose(rescaled(once, truth).scales.value, once.scales.value, rtol=1e-6)
    again = load(once.save(tmp_path / "set.mdfit"))
    graph = build_graph(_DIMERS[3], again.cutoff)
    np.testing.assert_array_equal(evaluate_set(again, graph).spread.energy, evaluate_set(once, graph).spread.energy)


def test_kinds_have_factors_of_their_own_and_stresses_that_are_not_labelled_the_mean_of_these():
    truth = labelled_by(LennardJones(epsilon=1.2), _DIMERS)
    shifted = Dataset(
        tuple(LabelledStructure(f.structure, energy=f.energy + 0.5, forces=f.forces) for f in truth.frames)
    )
    energy, forces, stress = rescaled(_members(0.1), shifted).scales.value
    assert energy > 1.5 * forces
    assert stress == pytest.approx((energy + forces) / 2)


def test_members_are_not_scaled():
    graph = build_graph(_DIMERS[3], 2.5)
    wide = _members(0.1).scaled(Scales(3.0, 2.0, 1.0))
    plain = evaluate_set(_members(0.1), graph)
    found = evaluate_set(wide, graph)
    np.testing.assert_array_equal(found.members.forces, plain.members.forces)
    np.testing.assert_allclose(found.spread.forces, 2 * plain.spread.forces, rtol=1e-6)
    np.testing.assert_allclose(found.spread.energy, 3 * plain.spread.energy, rtol=1e-6)


def test_bad_input():
    few = labelled_by(LennardJones(epsilon=1.2), _DIMERS[:2])
    with pytest.raises(TrainingError, match="fewer than 20 labels of every kind"):
        rescaled(_members(0.1), few)
    with pytest.raises(ObservableError, match="at least four"):
        rescaled(_members(0.1, 3), labelled_by(LennardJones(epsilon=1.2), _DIMERS))


def test_what_vanishes_by_symmetry_does_not_count():
    """Forces on a perfect crystal are rounding errors, and so are their spreads: their ratios mean nothing."""
    perfect = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True))
    random = np.random.default_rng(0)
    rattled = [perfect.replace(positions=perfect.positions + 0.1 * random.standard_normal((4, 3))) for _ in range(8)]
    members = PotentialSet.of([LennardJones(0.0104 * e, 3.4, 5.0) for e in np.linspace(0.9, 1.1, 8)])
    alone = labelled_by(LennardJones(0.0115, 3.4, 5.0), rattled)
    mixed = labelled_by(LennardJones(0.0115, 3.4, 5.0), [*rattled, *[perfect] * 8])
    assert (
        label_spread(members, mixed).errors("forces")[0].size == label_spread(members, alone).errors("forces")[0].size
    )
    np.testing.assert_allclose(
        rescaled(members, mixed).scales.value[1], rescaled(members, alone).scales.value[1], rtol=1e-6
    )


def test_labels_that_should_vanish_may_be_noisy():
    """A program that makes labels leaves some 1e-4 eV/Å where symmetry says 0; spreads there are those of rounding."""
    random = np.random.default_rng(0)
    spreads = random.uniform(0.05, 0.2, 500)
    errors = spreads * random.standard_normal(500)
    noisy = 3e-4 * random.standard_normal(50)
    everything = np.concatenate([errors, noisy]), np.concatenate([spreads, np.full(50, 2e-6)])
    assert fixed_by_symmetry(*everything).tolist() == [False] * 500 + [True] * 50
    # For several choices of a regulariser, too.
    assert fixed_by_symmetry(everything[0], np.stack([everything[1], 3 * everything[1]], axis=1)).sum() == 50
    # An error as large as others is no noise, whatever was predicted of it.
    surprise = np.append(errors, 0.1), np.append(spreads, 2e-6)
    assert not fixed_by_symmetry(*surprise).any()


def test_noisy_labels_that_should_vanish_do_not_widen_spreads():
    perfect = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True))
    random = np.random.default_rng(0)
    rattled = [perfect.replace(positions=perfect.positions + 0.1 * random.standard_normal((4, 3))) for _ in range(8)]
    members = PotentialSet.of([LennardJones(0.0104 * e, 3.4, 5.0) for e in np.linspace(0.9, 1.1, 8)])
    truth = labelled_by(LennardJones(0.0115, 3.4, 5.0), [*rattled, *[perfect] * 8])
    size = np.sqrt(np.mean([frame.forces**2 for frame in truth.frames[:8]]))
    noisy = Dataset(
        tuple(
            LabelledStructure(
                f.structure, energy=f.energy, forces=f.forces + 1e-4 * size * random.standard_normal((4, 3))
            )
            for f in truth.frames
        )
    )
    found, expected = (float(rescaled(members, data).scales.value[1]) for data in (noisy, truth))
    assert found == pytest.approx(expected, rel=0.01)
