"""Weighted averages, averages over blocks and resampling, against exact answers."""

import numpy as np
import pytest

from mdfit.errors import ObservableError
from mdfit.observables import RDF, BlockAverages, HeatCapacity, MeanSquareDisplacement, bootstrap, estimate, jackknife
from mdfit.observables.energy import PotentialEnergy
from mdfit.observables.low_frequencies import student_factor


@pytest.fixture
def run(known):
    """Energies that are independent, of a normal distribution with mean 3 and variance 1, in two replicas."""
    energies = 3 + np.random.default_rng(4).standard_normal((2, 2000))
    return known.trajectory(np.zeros((2, 2000, 1, 3)), potential_energies=energies)


def test_equal_weights_change_nothing(run):
    plain = estimate(PotentialEnergy(), run, discard=200)
    weighted = estimate(PotentialEnergy(), run, discard=200, weights=np.full((2, 2000), 7.0))
    assert weighted.value == pytest.approx(float(plain.value), rel=1e-12)
    assert weighted.standard_error == pytest.approx(float(plain.standard_error), rel=1e-9)


@pytest.mark.parametrize("blocks", [None, 20])
def test_weights_take_the_average_to_another_ensemble(run, blocks):
    """E[x] under exp(s x) of a normal distribution is its mean plus s; 4 standard errors: false alarm 6e-5."""
    shift = 0.5
    found = estimate(PotentialEnergy(), run, blocks=blocks, weights=np.exp(shift * run.potential_energies))
    # Of a ratio: ⟨w² (x − μ)²⟩/⟨w⟩² = (1 + s²) exp(s²) for normal x.
    exact = np.sqrt((1 + shift**2) * np.exp(shift**2) / 4000)
    assert abs(float(found) - (3 + shift)) < 4 * exact
    # An error from so many blocks has itself an error of 1/√(2 · 39), beside that of few heavy frames.
    assert float(found.standard_error) == pytest.approx(exact, rel=0.1 if blocks is None else 0.5)


def test_heavy_frames_count_as_if_they_were_there_more_often(run):
    weights = np.random.default_rng(0).integers(0, 3, (2, 2000))
    values = np.concatenate([np.repeat(x, w) for x, w in zip(run.potential_energies, weights, strict=True)])
    found = estimate(HeatCapacity(), run, weights=weights)
    repeated = run.__class__(
        **{
            **run.__dict__,
            "potential_energies": values[None],
            **{name: np.zeros((1, len(values), *getattr(run, name).shape[2:])) for name in ("velocities", "stresses")},
            "positions": np.zeros((1, len(values), 1, 3)),
            "cells": np.broadcast_to(run.cells[0, 0], (1, len(values), 3, 3)),
            "times": np.arange(len(values)) * 1.0,
        }
    )
    assert float(found) == pytest.approx(float(estimate(HeatCapacity(), repeated)), rel=1e-9)


@pytest.mark.parametrize("weights", [np.ones((2, 5)), -np.ones((2, 2000)), np.full((2, 2000), np.nan)])
def test_weights_that_make_no_sense_are_refused(run, weights):
    with pytest.raises(ObservableError, match="2 × 2000 numbers, not negative"):
        estimate(PotentialEnergy(), run, weights=weights)


def test_correlations_in_time_take_no_weights(run):
    with pytest.raises(ObservableError, match="order of the frames"):
        estimate(MeanSquareDisplacement("50 fs"), run, weights=np.ones((2, 2000)))


def test_blocks_of_a_curve(known):
    gas = known.ideal_gas(frames=100, replicas=2)
    curve = BlockAverages.of(RDF(8.0, bins=40), gas, blocks=5)
    assert curve.averages.shape[0] == 10
    np.testing.assert_allclose(curve.value, estimate(RDF(8.0, bins=40), gas).value, rtol=1e-9)
    blocked = estimate(RDF(8.0, bins=40), gas, blocks=5).standard_error
    np.testing.assert_allclose(curve.standard_error, blocked, atol=1e-12)
    assert curve.deviation(curve.value) == (0, pytest.approx(0, abs=0.1))
    value, error = curve.deviation(curve.value[:20] + 1000)
    assert value == pytest.approx(1000)
    # So far off, the deviation is linear in the curve: a thousand minus its mean over the bins.
    means = np.array([half.value for half in _single(curve)])[:, :20].mean(axis=1)
    assert error == pytest.approx(student_factor(9) * means.std(ddof=1) / np.sqrt(10), rel=1e-3)
    first, second = curve.halves()
    np.testing.assert_allclose((first.value + second.value) / 2, curve.value, rtol=1e-9)


def _single(curve):
    """Each block as a curve of its own."""
    return [
        BlockAverages(curve.observable, curve.averages[[i]], curve.weights[[i]]) for i in range(len(curve.averages))
    ]


def test_blocks_of_different_lengths_count_by_their_frames(known):
    energies = np.arange(7.0)[None]
    run = known.trajectory(np.zeros((1, 7, 1, 3)), potential_energies=energies)
    found = BlockAverages.of(PotentialEnergy(), run, blocks=2)
    assert float(found.value) == pytest.approx(3.0)
    assert np.isnan(BlockAverages.of(PotentialEnergy(), run, blocks=1).standard_error)
    with pytest.raises(ObservableError, match="7 frames cannot be cut into 8 blocks"):
        BlockAverages.of(PotentialEnergy(), run, blocks=8)


def test_errors_of_weighted_blocks_are_those_of_a_ratio(run):
    weights = np.random.default_rng(1).random((2, 2000))
    found = BlockAverages.of(PotentialEnergy(), run, blocks=4, weights=weights)
    sums = [
        np.stack(
            [(weights * x).reshape(2, 4, 500).sum(axis=2).T.ravel() for x in (run.potential_energies, 1.0)], axis=1
        )
    ]
    value, error = jackknife(lambda mean: mean[0] / mean[1], sums[0])
    assert float(found.value) == pytest.approx(float(value))
    assert float(found.standard_error) == pytest.approx(float(error))


def test_error_of_a_median_by_drawing_with_replacement():
    """The median of n normal numbers has the variance π/(2n); the estimate of 400 draws is within a quarter."""
    values = np.random.default_rng(5).standard_normal(2000)
    value, error = bootstrap(np.median, values, draws=400, seed=0)
    assert value == np.median(values)
    assert error == pytest.approx(np.sqrt(np.pi / 2 / 2000), rel=0.25)
    np.testing.assert_array_equal(bootstrap(np.median, values, 400, 0)[1], error)
