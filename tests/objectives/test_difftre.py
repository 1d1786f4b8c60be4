"""DiffTRe: the gradient, reuse of trajectories, exact resumption, and recovery of a known potential."""

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from ase.build import bulk

from mdfit.errors import SimulationError, TrainingError
from mdfit.measurements import Measurement
from mdfit.objectives import DiffTRe, Parameters
from mdfit.observables import RDF, ElasticConstants, PotentialEnergy, Pressure, estimate
from mdfit.potentials import LennardJones, trainable
from mdfit.simulate import NVE, JaxMD, Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.training import fit

EPSILON, SIGMA = 0.0104, 3.4
TEMPERATURE = 60.0


def argon(lattice: float = 5.5) -> Structure:
    return Structure.from_ase(bulk("Ar", "fcc", a=lattice, cubic=True).repeat(2))


def potential(scale: float = 1.0) -> LennardJones:
    return LennardJones(EPSILON * scale, SIGMA, 5.4)


def split(model) -> Parameters:
    return Parameters(*eqx.partition(model, trainable(model)))


def objective(measurements, **settings) -> DiffTRe:
    defaults = {
        "sample": "2 ps",
        "every": "0.1 ps",
        "equilibrate": "0.5 ps",
        "engine": JaxMD(dtype="float64"),
        "fewest_samples": 0.5,
    }
    return DiffTRe(measurements, Langevin("5 fs", friction="2 /ps"), **(defaults | settings))


def targets(at: StatePoint):
    # Values far from the truth, so that no gradient vanishes.
    return [
        Measurement(Pressure(), "500 bar", at, sigma="100 bar"),
        Measurement(RDF("4.8 Å", bins=30, smearing="0.1 Å"), np.ones(30), at, sigma=0.5),
        Measurement(ElasticConstants(), [3.0, 1.0, 2.0], at, sigma=1.0),
    ]


def test_gradient_is_that_of_the_reweighted_loss():
    at = StatePoint(argon(), TEMPERATURE)
    aim = objective(targets(at), reuse=0.01)
    parameters = split(potential())
    evaluation, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    again, same = aim.evaluate(parameters, state)
    assert float(again.metrics["recomputed"]) == 0
    assert float(again.loss) == pytest.approx(float(evaluation.loss), rel=1e-12)
    for name, step in (("epsilon", 1e-4 * EPSILON), ("sigma", 1e-4 * SIGMA)):
        where = lambda tree, name=name: getattr(tree, name)  # noqa: E731
        losses = []
        for sign in (-2, -1, 1, 2):
            moved = eqx.tree_at(where, parameters.trained, where(parameters.trained) + sign * step)
            shifted, kept = aim.evaluate(parameters._replace(trained=moved), state)
            assert kept[0].samples.generation == same[0].samples.generation
            losses.append(float(shifted.loss))
        difference = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / (12 * step)
        assert float(where(evaluation.gradient)) == pytest.approx(difference, rel=1e-6)


def test_the_batches_that_frames_are_cut_into_do_not_matter(monkeypatch):
    from mdfit.simulate import frame_graphs

    at = StatePoint(argon(), TEMPERATURE)
    parameters = split(potential())
    found = []
    for together in (2048, 96):
        monkeypatch.setattr(frame_graphs.FrameGraphs.__init__, "__defaults__", (together, None, None))
        aim = objective(targets(at))
        found.append(aim.evaluate(parameters, aim.initial_state(3, parameters))[0])
    assert float(found[0].loss) == pytest.approx(float(found[1].loss), rel=1e-10)
    for one, other in zip(jax.tree.leaves(found[0].gradient), jax.tree.leaves(found[1].gradient), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.optimised
def test_gradient_of_an_average_is_the_change_between_two_simulations():
    """∂<U>/∂ε of the crystal against long runs at ε ± 15 %; false alarms at five standard errors: under 1e-5."""
    at = StatePoint(argon(), TEMPERATURE)
    sampler = Langevin("5 fs", friction="2 /ps")
    settings = {"duration": "40 ps", "every": "0.2 ps", "equilibrate": "2 ps", "engine": JaxMD(dtype="float64")}

    def energy(scale, seed):
        trajectory = run(potential(scale), at, sampler, replicas=2, key=jax.random.key(seed), **settings)
        return trajectory.potential_energies.mean(), trajectory.potential_energies.std() / np.sqrt(200)

    (low, low_error), (high, high_error) = energy(0.85, 1), energy(1.15, 2)
    expected = (high - low) / (0.3 * EPSILON)
    error = np.hypot(low_error, high_error) / (0.3 * EPSILON)
    # A loss of <U>² has the gradient 2 <U> ∂<U>/∂ε.
    aim = objective([Measurement(PotentialEnergy(), 0.0, at, weight=1.0)], sample="40 ps", every="0.2 ps", replicas=2)
    evaluation, _ = aim.evaluate(split(potential()), aim.initial_state(5, split(potential())))
    mean = float(evaluation.metrics["PotentialEnergy"])
    slope = float(evaluation.gradient.epsilon) / (2 * mean)
    assert slope == pytest.approx(expected, abs=5 * error + 0.01 * abs(expected))
    # U is proportional to ε, so that its explicit derivative is U/ε; the weights alone are far from the truth.
    assert abs(slope - mean / EPSILON - expected) > 50 * error


def test_trajectories_are_used_again_while_their_weights_allow():
    at = StatePoint(argon(), TEMPERATURE)
    aim = objective([Measurement(Pressure(), "0 bar", at, sigma="100 bar")])
    parameters = split(potential())
    _, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    sizes = []
    for scale in (1.0, 1.02, 3.0):
        evaluation, after = aim.evaluate(split(potential(scale)), state)
        sizes.append((float(evaluation.metrics["recomputed"]), float(evaluation.metrics["effective_size"])))
        assert int(after[0].samples.generation) == int(state[0].samples.generation) + int(sizes[-1][0])
    assert sizes[0] == (0, pytest.approx(20))
    assert sizes[1][0] == 0
    assert 18 <= sizes[1][1] < 20
    assert sizes[2] == (1, 20)


def test_steps_are_shortened_to_keep_the_effective_size():
    at = StatePoint(argon(), TEMPERATURE)
    aim = objective([Measurement(Pressure(), "0 bar", at, sigma="100 bar")], step_ratio=0.5)
    parameters = split(potential())
    _, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    far = split(potential(10.0)).trained
    fraction = aim.step_fraction(parameters, far, state)
    assert 1e-4 < fraction < 0.5
    sizes = {}
    for part in (fraction, 2 * fraction):
        trained = jax.tree.map(lambda a, b, p=part: a + p * (b - a), parameters.trained, far)
        loose = objective([Measurement(Pressure(), "0 bar", at, sigma="100 bar")], reuse=1e-6)
        sizes[part] = float(loose.evaluate(parameters._replace(trained=trained), state)[0].metrics["effective_size"])
    assert sizes[fraction] >= 10 > sizes[2 * fraction]


def test_potential_is_recovered_and_resumed_exactly(tmp_path):
    at = StatePoint(argon(), TEMPERATURE)
    sampler = Langevin("5 fs", friction="2 /ps")
    truth = run(potential(), at, sampler, duration="40 ps", every="0.1 ps", equilibrate="2 ps", key=jax.random.key(1))
    pressure = float(estimate(Pressure(), truth))
    rdf = estimate(RDF("4.8 Å", bins=40, smearing="0.1 Å"), truth)
    goals = [
        Measurement(Pressure(), pressure, at, sigma=20.0),
        Measurement(RDF("4.8 Å", bins=40, smearing="0.1 Å"), rdf.value, at, sigma=0.05),
    ]
    start = LennardJones(EPSILON, 1.02 * SIGMA, 5.4)
    settings = {"optimizer": optax.adam(1e-2, b1=0.1, b2=0.4), "show_progress": False, "train_only": only_sigma}

    def aim():
        return objective(goals, engine=JaxMD(dtype="float32"), sample="4 ps")

    whole = fit(start, aim(), steps=12, out=tmp_path / "whole", **settings)
    fit(start, aim(), steps=5, out=tmp_path / "parts", **settings)
    resumed = fit(start, aim(), steps=12, out=tmp_path / "parts", resume=True, **settings)
    assert [record["loss"] for record in resumed.history] == [record["loss"] for record in whole.history]
    assert whole.history[-1]["loss"] < 0.05 * whole.history[0]["loss"]
    assert float(whole.last.sigma) == pytest.approx(SIGMA, rel=4e-3)


def only_sigma(model):
    flags = jax.tree.map(lambda _: False, trainable(model))
    return eqx.tree_at(lambda tree: tree.sigma, flags, True)


def test_too_few_independent_frames_stop_with_the_remedy():
    at = StatePoint(argon(), TEMPERATURE)
    aim = objective(
        [Measurement(Pressure(), "0 bar", at, sigma="100 bar")], sample="0.1 ps", every="5 fs", fewest_samples=15
    )
    with pytest.raises(TrainingError, match="independent frames"):
        aim.evaluate(split(potential()), aim.initial_state(0, split(potential())))


def test_unstable_potential_stops_with_the_reason():
    at = StatePoint(argon(), TEMPERATURE)
    aim = objective([Measurement(Pressure(), "0 bar", at, sigma="100 bar")])
    broken = LennardJones(-50 * EPSILON, SIGMA, 5.4)
    with pytest.raises(SimulationError, match="shorter time step"):
        aim.evaluate(split(broken), aim.initial_state(0, split(broken)))


def test_settings_out_of_range_are_refused():
    at = StatePoint(argon(), TEMPERATURE)
    with pytest.raises(TrainingError, match="which those of NVE do not have"):
        DiffTRe(targets(at), NVE("1 fs"), sample="1 ps", every="0.1 ps")
    with pytest.raises(TrainingError, match="at least one measurement"):
        objective([])
    with pytest.raises(TrainingError, match="reuse"):
        objective(targets(at), reuse=1.5)


def test_state_points_have_their_own_trajectories():
    cold, warm = StatePoint(argon(), 40.0), StatePoint(argon(), 80.0)
    aim = objective([Measurement(PotentialEnergy(), 0.0, at, weight=1.0) for at in (cold, warm)])
    evaluation, state = aim.evaluate(split(potential()), aim.initial_state(0, split(potential())))
    assert len(state) == 2
    difference = float(evaluation.metrics["1/PotentialEnergy"] - evaluation.metrics["0/PotentialEnergy"])
    assert difference > 0


def test_it_adds_with_other_objectives():
    at = StatePoint(argon(), TEMPERATURE)
    one = objective([Measurement(Pressure(), "500 bar", at, sigma="100 bar")])
    limited = objective([Measurement(PotentialEnergy(), 0.0, at, weight=1.0)], step_ratio=0.5)
    parameters = split(potential())
    total = one + 0.1 * limited
    evaluation, state = total.evaluate(parameters, total.initial_state(0, parameters))
    parts = [o.evaluate(parameters, s)[0] for o, s in zip((one, limited), state, strict=True)]
    assert float(evaluation.loss) == pytest.approx(float(parts[0].loss + 0.1 * parts[1].loss), rel=1e-12)
    slopes = [float(e.gradient.sigma) for e in (evaluation, *parts)]
    assert slopes[0] == pytest.approx(slopes[1] + 0.1 * slopes[2], rel=1e-9)
    # The one that limits steps limits those of the sum.
    assert total.step_fraction(parameters, split(potential(10.0)).trained, state) < 0.5


def test_gauss_newton_step_is_that_of_the_jacobian_by_finite_differences():
    at = StatePoint(argon(), TEMPERATURE)
    measured = targets(at)[::2]
    aim, plain = objective(measured, reuse=0.01, gauss_newton=0.02), objective(measured, reuse=0.01)
    parameters = split(potential())
    evaluation, state = aim.evaluate(parameters, aim.initial_state(0, parameters))

    def deviations(trained) -> np.ndarray:
        shifted, _ = plain.evaluate(parameters._replace(trained=trained), state)
        names = ["Pressure", *(f"ElasticConstants/{label}" for label in ("C11", "C12", "C44"))]
        values = [float(shifted.metrics[name]) for name in names]
        return np.array([(values[0] - 500) / 100, *(np.array(values[1:]) - [3.0, 1.0, 2.0]) / np.sqrt(3)])

    columns = []
    for name, step in (("epsilon", 1e-4 * EPSILON), ("sigma", 1e-4 * SIGMA)):
        where = lambda tree, name=name: getattr(tree, name)  # noqa: E731
        sides = [eqx.tree_at(where, parameters.trained, where(parameters.trained) + s * step) for s in (1, -1)]
        columns.append((deviations(sides[0]) - deviations(sides[1])) / (2 * step))
    jacobian, residuals = np.stack(columns, axis=1), deviations(parameters.trained)
    assert float(evaluation.loss) == pytest.approx(np.sum(residuals**2), rel=1e-10)
    damping = 0.02 * np.trace(jacobian @ jacobian.T) / 4
    # The same step in the space of the parameters instead of the targets.
    expected = np.linalg.solve(jacobian.T @ jacobian + damping * np.eye(2), jacobian.T @ residuals)
    found = [float(evaluation.direction.epsilon), float(evaluation.direction.sigma)]
    assert found == pytest.approx(expected, rel=1e-5)


def test_parameter_sizes_are_the_units_of_the_step():
    """With a large damping the step is proportional to the gradient times the squared sizes."""
    at = StatePoint(argon(), TEMPERATURE)
    measured, parameters = targets(at)[::2], split(potential())
    steps = []
    for sizes in (None, lambda trained: jax.tree.map(lambda leaf: 3.0 if leaf is trained.sigma else 0.5, trained)):
        aim = objective(measured, gauss_newton=1e9, parameter_sizes=sizes)
        steps.append(aim.evaluate(parameters, aim.initial_state(0, parameters))[0].direction)
    ratios = [float(step.sigma / step.epsilon) for step in steps]
    assert ratios[1] == pytest.approx(ratios[0] * 36, rel=1e-6)


def test_parameter_sizes_that_make_no_sense():
    at = StatePoint(argon(), TEMPERATURE)
    with pytest.raises(TrainingError, match="give gauss_newton"):
        objective(targets(at), parameter_sizes=lambda trained: trained)
    for sizes, message in (
        (lambda trained: [1.0], "tree like"),
        (lambda trained: jax.tree.map(lambda _: -1.0, trained), "0"),
    ):
        aim, parameters = objective(targets(at), gauss_newton=0.1, parameter_sizes=sizes), split(potential())
        with pytest.raises(TrainingError, match=message):
            aim.evaluate(parameters, aim.initial_state(0, parameters))


@pytest.mark.parametrize("bins", [5, 30])
def test_gauss_newton_of_more_targets_than_frames_is_exact_too(bins):
    """With a large damping λ the step is half the gradient divided by λ; 20 frames have fewer and more targets."""
    at = StatePoint(argon(), TEMPERATURE)
    measured = [Measurement(RDF("4.8 Å", bins=bins, smearing="0.1 Å"), np.ones(bins), at, sigma=0.5), *targets(at)[::2]]
    parameters = split(potential())
    steps = []
    for damping in (None, 1e9):
        aim = objective(measured, gauss_newton=damping)
        evaluation, _ = aim.evaluate(parameters, aim.initial_state(0, parameters))
        steps.append(evaluation.direction)
    gradient, step = steps
    ratio = float(step.sigma / gradient.sigma)
    assert ratio > 0
    assert float(step.epsilon) == pytest.approx(ratio * float(gradient.epsilon), rel=1e-6)


def test_gauss_newton_fits_the_targets_in_few_steps():
    at = StatePoint(argon(), TEMPERATURE)
    truth = run(potential(), at, Langevin("5 fs", friction="2 /ps"), duration="20 ps", every="0.1 ps",
                equilibrate="1 ps", key=jax.random.key(5), engine=JaxMD(dtype="float64"))  # fmt: skip
    constants = estimate(ElasticConstants(), truth, potential=potential()).value
    measured = [
        Measurement(Pressure(), float(estimate(Pressure(), truth)), at, sigma="50 bar"),
        Measurement(ElasticConstants(), constants, at, sigma=0.05),
    ]
    aim = objective(measured, sample="10 ps", gauss_newton=1e-3)
    start = LennardJones(EPSILON * 0.8, SIGMA * 1.03, 5.4)
    result = fit(start, aim, optimizer=optax.sgd(1.0), steps=5, seed=1, show_progress=False)
    # Elastic constants of so short a trajectory are uncertain by 15 %, and so is ε; the pressure fixes σ.
    assert result.history[-1]["loss"] < 0.05 * result.history[0]["loss"]
    assert float(result.last.sigma) == pytest.approx(SIGMA, rel=0.01)


def test_an_objective_starts_anew_with_each_training():
    """Nothing of an earlier training, its potential least of all, is left in the first trajectory of the next."""
    at = StatePoint(argon(), TEMPERATURE)
    used, fresh = objective(targets(at)), objective(targets(at))
    before, parameters = split(potential(0.5)), split(potential())
    used.evaluate(before, used.initial_state(0, before))
    found, expected = (o.evaluate(parameters, o.initial_state(1, parameters))[1] for o in (used, fresh))
    for again, first in zip(found[0].samples.frames, expected[0].samples.frames, strict=True):
        np.testing.assert_array_equal(again, first)
