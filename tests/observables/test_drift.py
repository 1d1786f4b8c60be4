"""What the second half of chains has more than the first, and divergences of many variables."""

import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.errors import ObservableError
from mdfit.observables import Distance, drift, mean_divergence
from mdfit.simulate import Trajectory


def test_a_step_in_the_middle_is_the_drift():
    values = np.repeat([[0.0, 1.0]], 5, axis=1).repeat(4, axis=0) + np.arange(4)[:, None]
    assert drift(values) == pytest.approx((1.0, 0.0), abs=1e-12)
    # Weights that are zero leave frames out.
    weights = np.ones(values.shape)
    weights[:, 5:] = np.arange(4)[:, None] > 1
    assert drift(values, weights)[0] == pytest.approx(3.5 - 1.5)


def test_the_error_of_a_drift_is_that_of_independent_chains():
    random = np.random.default_rng(0)
    changes = [drift(random.normal(size=(40, 50)) > 0.5) for _ in range(60)]
    assert np.std([change for change, _ in changes]) == pytest.approx(np.mean([e for _, e in changes]), rel=0.25)


def test_a_single_chain_has_no_error():
    with pytest.raises(ObservableError, match="two chains"):
        drift(np.zeros((1, 50)))


def test_divergences_are_means_over_the_variables():
    random = np.random.default_rng(0)
    positions = random.normal(0, 0.05, (4, 30, 10, 3)) + np.arange(10)[:, None] * [1.5, 0, 0]

    def trajectory(places) -> Trajectory:
        cell = (np.zeros((3, 3)), np.zeros(3, bool))
        runs = [Frames(np.full(10, 6), np.full(10, 12.0), chain, *cell) for chain in places]
        return Trajectory.of_frames(*runs, temperature=300.0)

    bonds = [Distance(atom, atom + 1) for atom in range(9)]
    own = trajectory(positions)
    assert mean_divergence(bonds, own, own)[0] == 0
    # One of nine bonds is elsewhere.
    longer = positions + np.where(np.arange(10) == 9, 10.0, 0.0)[:, None] * [1, 0, 0]
    value, _ = mean_divergence(bonds, trajectory(longer), own)
    assert value == pytest.approx(np.log(2) / 9)
    # Frames without weight count nothing.
    mixed = trajectory(np.concatenate([positions, longer], axis=1))
    weights = np.repeat([1.0, 0.0], 30)[None].repeat(4, axis=0)
    assert mean_divergence(bonds, mixed, own, weights=weights)[0] == 0
