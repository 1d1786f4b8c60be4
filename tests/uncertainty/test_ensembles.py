"""Members that are trained side by side are those that are trained one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from linear_model import StraightLine, killed_at, points

from mdfit.errors import CheckpointError, TrainingError
from mdfit.farm import local_executor
from mdfit.models import Model, load
from mdfit.objectives import Objective
from mdfit.uncertainty import SideBySide, member_indices, train_ensemble


class Fit(Objective):
    """Mean squared error of a random half of some points."""

    steps_per_epoch = 4

    def __init__(self, chosen, half=True):
        features, values = points()
        self.features, self.values, self.half = features[chosen], values[chosen], half

    def initial_state(self, seed, parameters):
        return np.asarray([seed, 0])

    def draw(self, parameters, state):
        count = len(self.values) // 2 if self.half else len(self.values)
        chosen = np.random.default_rng(np.asarray(state)).permutation(len(self.values))[:count]
        return (self.features[chosen], self.values[chosen]), np.asarray(state) + [0, 1]

    def loss(self, model, batch):
        return squared_error(model, batch)

    @property
    def pure_loss(self):
        return squared_error


def squared_error(model, batch):
    features, values = batch
    return jnp.mean((features @ model.weights - values) ** 2), {"mean": jnp.mean(values)}


def train(side_by_side, out=None, members=3, **settings):
    parts = member_indices(40, members, "random splits", seed=1)
    starts = [StraightLine(jax.random.normal(jax.random.key(n), (2,))) for n in range(members)]
    # Clipping by the norm tells whether members are optimised by themselves.
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1))
    return train_ensemble(
        starts,
        [Fit(used) for used, _ in parts],
        optimizer=optimizer,
        validate_on=[Fit(left, half=False) for _, left in parts],
        side_by_side=side_by_side,
        out=out,
        show_progress=False,
        **{"steps": 40, **settings},
    )


def test_each_member_is_trained_as_if_it_were_alone(monkeypatch):
    """Same data in the same order: the seeds of members side by side are children of one seed."""
    together = train(True, steps=1)
    state = together.fits[0].objective_state
    assert len(state) == 3
    monkeypatch.setattr(Fit, "initial_state", lambda self, seed, parameters: np.asarray([5, 0]))
    np.testing.assert_allclose(
        train(True).models.stacked.weights, train(False).models.stacked.weights, rtol=1e-5, atol=1e-6
    )


def test_each_member_keeps_its_best(monkeypatch):
    """A rate that ends far too large: the best models are not the last ones, and not of one step."""
    monkeypatch.setattr(Fit, "initial_state", lambda self, seed, parameters: np.asarray([5, 0]))
    together = train(True)
    losses = [Fit(left, half=False) for _, left in member_indices(40, 3, "random splits", seed=1)]
    best = [one.validate(model)[0] for one, model in zip(losses, together.models, strict=True)]
    last = [one.validate(model)[0] for one, model in zip(losses, together.fits[0].last, strict=True)]
    assert all(b <= e + 1e-12 for b, e in zip(best, last, strict=True))
    alone = train(False)
    np.testing.assert_allclose(best, [min(r["validation_loss"] for r in fit.history) for fit in alone.fits], rtol=1e-4)


@pytest.mark.parametrize("side_by_side", [True, False])
def test_an_interrupted_ensemble_goes_on(tmp_path, side_by_side):
    whole = train(side_by_side)
    with pytest.raises(RuntimeError, match="killed"):
        train(side_by_side, tmp_path / "run", on_record=killed_at(5))
    resumed = train(side_by_side, tmp_path / "run")
    np.testing.assert_array_equal(resumed.models.stacked.weights, whole.models.stacked.weights)
    if side_by_side:
        assert len(load(tmp_path / "run" / "best.mdfit")) == 3
    else:
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [f"member_{n}" for n in range(3)]


def test_members_that_were_not_begun_are_when_resumed(tmp_path):
    with pytest.raises(CheckpointError):
        train(False, tmp_path / "none", resume=True)
    with pytest.raises(RuntimeError, match="killed"):
        train(False, tmp_path / "run", on_record=killed_at(3))
    assert not (tmp_path / "run" / "member_2").exists()
    resumed = train(False, tmp_path / "run", resume=True)
    np.testing.assert_array_equal(resumed.models.stacked.weights, train(False).models.stacked.weights)


def test_workers_train_the_same_members(tmp_path):
    alone = train(False)
    with local_executor(2) as executor:
        together = train(False, executor=executor, out=tmp_path)
        again = train(False, executor=executor, out=tmp_path)
    for index in range(3):
        assert np.array_equal(together.models[index].weights, alone.models[index].weights)
        assert np.array_equal(again.models[index].weights, alone.models[index].weights)
    with pytest.raises(TrainingError, match="leave out one of the two"), local_executor(1) as executor:
        train(True, executor=executor)


class TwoParts(Model):
    """A straight line whose parameters are trained apart."""

    offset: jax.Array
    slope: jax.Array

    @property
    def weights(self):
        return jnp.stack([self.offset, self.slope])


@pytest.mark.parametrize("side_by_side", [False, True])
def test_what_is_not_to_be_trained_stays(side_by_side):
    starts = [TwoParts(jnp.asarray(0.5 + n), jnp.asarray(0.0)) for n in range(3)]
    found = train_ensemble(
        starts,
        [Fit(np.arange(40))] * 3,
        optimizer=optax.adam(0.1),
        steps=20,
        train_only=lambda model: TwoParts(False, True),
        side_by_side=side_by_side,
        show_progress=False,
    )
    assert [float(one.offset) for one in found.models] == [0.5, 1.5, 2.5]
    assert all(float(one.slope) != 0 for one in found.models)


def test_a_variant_that_is_misspelt():
    with pytest.raises(TrainingError, match="'same split', 'random splits', 'bootstrap', not 'Bootstrap'"):
        member_indices(20, 2, "Bootstrap")


def test_data_of_members():
    same = member_indices(100, 4, "same split")
    assert all(np.array_equal(same[0][0], one[0]) for one in same)
    splits = member_indices(100, 4, "random splits")
    assert len({tuple(left) for _, left in splits}) == 4
    for used, left in same + splits:
        assert (len(used), len(left)) == (80, 20)
        assert sorted([*used, *left]) == list(range(100))
    for used, left in member_indices(100, 4, "bootstrap"):
        assert len(used) == 100
        assert not set(used) & set(left)
        # 1/e of them are left out, within five standard deviations of 3.
        assert abs(len(left) - 36.8) < 15


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: member_indices(10, 1, "bootstrap"), "at least two members"),
        (lambda: member_indices(2, 2, "same split", validation=0.1), "leaves none for validation"),
        (lambda: train(False, members=1), "at least two members"),
        (lambda: SideBySide([Fit([0, 1]), Other()]), "one kind of objective"),
        (
            lambda: train_ensemble([StraightLine.zero()] * 2, [Fit([0, 1])], optimizer=optax.sgd(0.1), steps=1),
            "1 objectives do not belong to 2 members",
        ),
        (
            lambda: train_ensemble(
                [StraightLine.zero()] * 2,
                [Fit([0, 1]), Fit(range(9))],
                optimizer=optax.sgd(0.1),
                steps=1,
                side_by_side=True,
                show_progress=False,
            ),
            "batches differ in shape",
        ),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(TrainingError, match=words):
        call()


class Other(Fit):
    def __init__(self):
        super().__init__([0, 1])


def test_the_member_that_fails_is_named():
    class Broken(Fit):
        def loss(self, model, batch):
            return jnp.sum(model.weights) * jnp.nan, {}

        @property
        def pure_loss(self):
            return self.loss

    with pytest.raises(TrainingError, match=r"Member 1: The loss is not finite at step 0"):
        train_ensemble(
            [StraightLine.zero()] * 2,
            [Fit([0, 1]), Broken([0, 1])],
            optimizer=optax.sgd(0.1),
            steps=2,
            show_progress=False,
        )
