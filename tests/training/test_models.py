"""Models that are no potentials are trained, interrupted, resumed and loaded."""

import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mdfit.errors import CheckpointError, ModelFileError, TrainingError
from mdfit.models import Model, ModelSet, load
from mdfit.objectives import Alternating, Objective
from mdfit.potentials import load as load_potential
from mdfit.training import fit

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


class Polynomial(Model):
    """Σ_k c_k x^k."""

    degree: int = eqx.field(static=True)
    coefficients: jax.Array

    def __init__(self, degree: int):
        self.degree, self.coefficients = degree, jnp.zeros(degree + 1)

    def __call__(self, x):
        return jnp.polyval(self.coefficients[::-1], x)


class LeastSquares(Objective):
    """Mean squared error of random halves of some points."""

    steps_per_epoch = 5

    def __init__(self, x, y):
        self.x, self.y = x, y

    def initial_state(self, seed, parameters):
        return np.asarray([seed, 0])

    def draw(self, parameters, state):
        chosen = np.random.default_rng(np.asarray(state)).choice(len(self.x), len(self.x) // 2, replace=False)
        return (self.x[chosen], self.y[chosen]), np.asarray(state) + [0, 1]

    def loss(self, model, batch):
        x, y = batch
        return jnp.mean((model(x) - y) ** 2), {}


def points(number: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-1, 1, number)
    return x, 1 - 2 * x + 3 * x**2


def train(out, **settings):
    common = {"validate_on": LeastSquares(*points(7)), "epochs": 80, "show_progress": False, "out": out}
    arguments = {"optimizer": optax.adam(0.1), **common, **settings}
    return fit(Polynomial(2), LeastSquares(*points(40)), **arguments)


def test_a_model_is_trained_resumed_and_loaded(tmp_path, ctrl_c_in_update):
    whole = train(tmp_path / "whole")
    np.testing.assert_allclose(whole.model.coefficients, [1, -2, 3], atol=1e-3)
    assert whole.history[-1]["validation_loss"] < 1e-6 < whole.history[0]["validation_loss"]
    with pytest.raises(TrainingError, match=r"Polynomial is no potential; the trained model is result\.model"):
        _ = whole.potential
    ctrl_c_in_update(123)
    assert train(tmp_path / "parts").stopped == "interrupted"
    ctrl_c_in_update(0)
    assert train(tmp_path / "parts").history == whole.history
    loaded = load(tmp_path / "parts" / "best.mdfit")
    assert loaded.fingerprint() == whole.model.fingerprint()
    with pytest.raises(ModelFileError, match="not a potential"):
        load_potential(tmp_path / "parts" / "best.mdfit")
    with pytest.raises(CheckpointError, match="other data to validate on"):
        train(tmp_path / "parts", validate_on=LeastSquares(*points(8)))


def test_a_set_is_trained_as_one_model(tmp_path):
    """Members with their own starts come to the same polynomial, and the set goes through a file."""

    class Together(LeastSquares):
        def loss(self, model, batch):
            return jnp.sum(model.map(lambda member, b: LeastSquares.loss(self, member, b)[0], batch)), {}

    starts = [eqx.tree_at(lambda p: p.coefficients, Polynomial(2), jnp.full(3, float(k))) for k in range(3)]
    objective = Together(*points(40))
    result = fit(
        ModelSet.of(starts), objective, optimizer=optax.adam(0.1), epochs=80, out=tmp_path, show_progress=False
    )
    for member in load(tmp_path / "last.mdfit", ModelSet):
        np.testing.assert_allclose(member.coefficients, [1, -2, 3], atol=1e-3)
    assert result.stopped == "finished"


def test_the_model_of_the_documentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = (text for text in blocks if "class Line" in text)
    names: dict = {"__name__": "__main__"}
    exec(compile(block, str(PAGE), "exec"), names)
    again = names["again"]
    assert (float(again.slope), float(again.offset)) == pytest.approx((3.0, -1.0), abs=0.01)
    assert names["values"].shape == (2, 20)


def test_an_interrupt_at_the_end_of_an_epoch_loses_nothing(tmp_path, ctrl_c_in_update):
    """Five updates are an epoch here: the interrupted one is closed, also the very last."""
    whole = train(tmp_path / "whole", epochs=4)
    for update in (10, 20):
        ctrl_c_in_update(update)
        stopped = train(tmp_path / f"parts_{update}", epochs=4).stopped
        assert stopped == ("interrupted" if update < 20 else "finished")
        ctrl_c_in_update(0)
        again = train(tmp_path / f"parts_{update}", epochs=4)
        assert [record["step"] for record in again.history] == [5, 10, 15, 20]
        assert again.history == whole.history


def test_validation_of_a_sum_is_the_sum_of_validations(tmp_path):
    few, many = LeastSquares(*points(7)), LeastSquares(*points(40))
    many.steps_per_epoch = 1
    model = Polynomial(2)
    loss, _ = (2.0 * few + 0.5 * many).validate(model)
    assert loss == pytest.approx(2 * few.validate(model)[0] + 0.5 * many.validate(model)[0])
    loss, _ = Alternating([(3, few), (1, many)]).validate(model)
    assert loss == pytest.approx(0.75 * few.validate(model)[0] + 0.25 * many.validate(model)[0])


class Shifted(LeastSquares):
    """As a relative entropy that is known up to a constant, below zero."""

    def loss(self, model, batch):
        return super().loss(model, batch)[0] - 100.0, {}


def test_a_loss_below_zero_is_no_divergence():
    result = fit(Polynomial(2), Shifted(*points(40)), optimizer=optax.adam(0.1), steps=300, show_progress=False)
    np.testing.assert_allclose(result.model.coefficients, [1, -2, 3], atol=1e-2)
    assert result.history[-1]["loss"] == pytest.approx(-100.0)


def test_what_led_to_a_loss_that_is_not_finite_is_taken_back(tmp_path):
    with pytest.raises(TrainingError, match="not finite at step 1; the last good state is kept"):
        train(tmp_path, optimizer=optax.sgd(1e200), validate_on=None)
    np.testing.assert_array_equal(load(tmp_path / "last.mdfit").coefficients, np.zeros(3))
    np.testing.assert_array_equal(load(tmp_path / "best.mdfit").coefficients, np.zeros(3))
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def test_without_validation_the_model_is_the_last_one_in_the_middle_of_an_epoch_too(ctrl_c_in_update):
    ctrl_c_in_update(13)
    result = train(None, validate_on=None)
    assert result.stopped == "interrupted"
    np.testing.assert_array_equal(result.model.coefficients, result.last.coefficients)
