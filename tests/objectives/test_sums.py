"""Sums of objectives: gradients add; steps in place of gradients are refused; objectives of one's own."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mdfit
from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.objectives import (
    Alternating,
    BoltzmannInversion,
    DiffTRe,
    Evaluation,
    ForceMatching,
    MappedEnsemble,
    Objective,
    RelativeEntropy,
    Step,
)
from mdfit.objectives.base import weighted_sum
from mdfit.observables import RDF, PotentialEnergy
from mdfit.potentials import LennardJones
from mdfit.simulate import Langevin, StatePoint
from mdfit.training import fit

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def structure():
    grid = np.stack(np.meshgrid(*[np.arange(2.0)] * 3), -1).reshape(-1, 3)
    return mdfit.Structure(np.full(8, 18), 3.8 * grid, 7.6 * np.eye(3), np.ones(3, bool), np.full(8, 39.95))


def force_matching():
    frame = mdfit.data.LabelledStructure(structure(), energy=-0.1)
    return ForceMatching(mdfit.data.Dataset((frame,)), energy=1.0, forces=0.0)


def stepping(kind):
    at, short = StatePoint(structure(), 100.0), {"sample": 20.0, "every": 10.0}
    if kind == "gauss_newton":
        energy = Measurement(PotentialEnergy(), -0.1, at, weight=1.0)
        return DiffTRe([energy], Langevin(2.0), gauss_newton=0.1, **short)
    if kind == "newton":
        frames = mdfit.data.Dataset((mdfit.data.LabelledStructure(structure()),))
        return RelativeEntropy(MappedEnsemble.of(frames, 100.0), Langevin(2.0), newton=0.1, chains=2, **short)
    rdf = RDF(3.7, bins=10)
    return BoltzmannInversion(Measurement(rdf, np.ones(10), at, weight=1.0), Langevin(2.0), **short)


@pytest.mark.parametrize("kind", ["gauss_newton", "newton", "boltzmann"])
def test_steps_are_refused_where_gradients_are_needed(kind):
    step, gradient = stepping(kind), force_matching()
    for join in (
        lambda: step + gradient,
        lambda: gradient + step,
        lambda: 0.5 * step,
        lambda: gradient + 0.1 * step,
        lambda: Alternating([(1, step), (1, gradient)]),
    ):
        with pytest.raises(TrainingError, match=r"gives steps in place of gradients, which have no meaning in sums"):
            join()
    assert Alternating([(1, step), (2, stepping(kind))]).takes_steps


def test_gradients_are_not_refused():
    at, short = StatePoint(structure(), 100.0), {"sample": 20.0, "every": 10.0}
    energy = Measurement(PotentialEnergy(), -0.1, at, weight=1.0)
    plain = DiffTRe([energy], Langevin(2.0), **short)
    assert len((plain + 0.5 * force_matching()).terms) == 2
    assert not Alternating([(1, plain), (1, force_matching())]).takes_steps
    with pytest.raises(TrainingError, match="is no objective"):
        force_matching() + 3.0


def test_a_step_of_ones_own_is_refused_when_it_appears():
    step = Step(jnp.asarray(1.0), jnp.ones(2), {})
    plain = Evaluation(jnp.asarray(1.0), jnp.ones(2), {})
    with pytest.raises(TrainingError, match="steps in place of gradients"):
        weighted_sum([1.0, 1.0], [plain, step])
    loss, gradient = weighted_sum([1.0, 2.0], [plain, plain])
    assert float(loss) == 3.0
    np.testing.assert_allclose(gradient, [3.0, 3.0])


def test_the_objective_of_the_documentation_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = (b for b in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
                if "EnergyOfPair" in b)  # fmt: skip
    names: dict = {"__name__": "__main__"}
    exec(compile(block, str(PAGE), "exec"), names)
    history = names["result"].history
    assert history[-1]["loss"] < 0.01 * history[0]["loss"]
    assert "energy_error" in history[0]


class Bare(Objective):
    """Only what the documentation asks for."""

    def draw(self, parameters, state):
        return jnp.asarray(2.0), state

    def loss(self, model, batch):
        return jnp.sum((model.epsilon - batch) ** 2 + (model.sigma - batch) ** 2) / 2, {}


def test_an_objective_needs_no_more_than_the_documentation_says():
    for objective in (
        Bare(),
        force_matching() + 1.0 * Bare(),
        Alternating([(1, Bare()), (1, Bare())]),
    ):
        result = fit(LennardJones(1.0, 1.0, 2.5), objective, optimizer=optax.sgd(0.5), steps=4, show_progress=False)
        assert abs(float(result.last.sigma) - 2.0) < 0.9


def test_data_to_validate_on_are_weighed_as_the_data_of_the_sum():
    """Two terms that learn from labels, each with its weight; beside another objective the single one is by itself."""
    frame = mdfit.data.LabelledStructure(structure(), energy=-0.1, forces=np.full((8, 3), 0.2))
    data, potential = mdfit.data.Dataset((frame,)), LennardJones(0.01, 3.4, 6.0)
    energy = ForceMatching(data, energy=1.0, forces=0.0)
    both = 0.1 * energy + 3.0 * ForceMatching(data, energy=0.0, forces=1.0)
    parts = [one.on(data).validate(potential)[0] for _, one in both.terms]
    loss, found = both.on(data).validate(potential)
    assert loss == pytest.approx(0.1 * parts[0] + 3.0 * parts[1])
    assert {"0/validation_energy_rmse", "1/validation_force_rmse"} <= set(found)
    density = DiffTRe([Measurement(PotentialEnergy(), -0.1, StatePoint(structure(), 100.0), weight=1.0)], Langevin(2.0),
                      sample=20.0, every=10.0)  # fmt: skip
    assert isinstance((density + 3.0 * energy).on(data), ForceMatching)
    assert (density + density).on(data) is None
