"""Relative entropy: gradient and loss against exact results, starts of chains, Newton steps, exact resumption."""

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import DataError, SimulationError, TrainingError
from mdfit.measurements import Measurement
from mdfit.models import ModelSet
from mdfit.objectives import DiffTRe, MappedEnsemble, Parameters, RelativeEntropy, Step
from mdfit.objectives.base import point_seed
from mdfit.objectives.relative_entropy.newton import Curvature, newton_step
from mdfit.observables import Coordinate, Distribution
from mdfit.potentials import ExternalPolynomial, LennardJones, trainable
from mdfit.simulate import NVE, Brownian, JaxMD, Langevin, StatePoint
from mdfit.structure import Structure
from mdfit.training import fit
from mdfit.units import BOLTZMANN, FEMTOSECOND

#: One unit of energy is 1 eV and k_BT; lengths in Å, masses in amu.
TEMPERATURE = 1 / BOLTZMANN
PARTICLES = 50
#: Standard deviation within each of two wells in Å.
WIDTH = 0.07


def in_fs(time: float) -> float:
    return time / FEMTOSECOND


def structure(x) -> Structure:
    places = np.zeros((len(x), 3))
    places[:, 0] = x
    return Structure(np.ones(len(x), np.int32), places, np.zeros((3, 3)), np.zeros(3, bool), np.ones(len(x)))


def ensemble(x, strata=None) -> MappedEnsemble:
    """Samples ``(frames, particles)`` along the first axis."""
    return MappedEnsemble.of(Dataset(tuple(LabelledStructure(structure(row)) for row in x)), TEMPERATURE, strata)


def harmonic(stiffness: float) -> ExternalPolynomial:
    return ExternalPolynomial(0, 0.0, [0.0, 0.0, 0.5 * stiffness])


def normal(frames: int, stiffness: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, PARTICLES)) / np.sqrt(stiffness)


def split(model) -> Parameters:
    return Parameters(*eqx.partition(model, trainable(model)))


def objective(reference, sampler=None, **settings) -> RelativeEntropy:
    sampler = sampler or Langevin(in_fs(0.05), friction=1000 * FEMTOSECOND * 2.0)
    defaults = {"sample": in_fs(5.0), "every": in_fs(0.5), "equilibrate": in_fs(5.0), "chains": 8}
    return RelativeEntropy(reference, sampler, **(defaults | settings))


def test_gradient_is_the_derivative_of_the_loss():
    """At fixed frames, by finite differences in double precision: of the reweighted average and its free energy."""
    rng = np.random.default_rng(1)
    argon = LennardJones(0.0104, 3.4, 5.4)
    places = np.stack(np.meshgrid(*[np.arange(2) * 3.8] * 3), -1).reshape(-1, 3)
    frames = [places + rng.normal(scale=0.1, size=places.shape) for _ in range(12)]
    species, no = np.full(8, 18, np.int32), np.zeros(3, bool)
    cluster = [Structure(species, x, np.zeros((3, 3)), no, np.full(8, 39.948)) for x in frames]
    reference = MappedEnsemble.of(Dataset(tuple(LabelledStructure(s) for s in cluster)), "30 K")
    aim = RelativeEntropy(
        reference,
        Langevin("5 fs", friction="2 /ps"),
        sample="1 ps",
        every="0.1 ps",
        chains=3,
        reuse=1e-9,
        engine=JaxMD(dtype="float64"),
    )
    parameters = split(argon)
    _, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    gradient = ravel_pytree(aim.evaluate(parameters, state)[0].gradient)[0]
    flat, unravel = ravel_pytree(parameters.trained)
    for index in range(flat.size):
        step = 1e-5 * abs(float(flat[index]))
        moved = [parameters._replace(trained=unravel(flat.at[index].add(sign * step))) for sign in (1, -1)]
        up, down = (float(aim.evaluate(at, state)[0].loss) for at in moved)
        assert (up - down) / (2 * step) == pytest.approx(float(gradient[index]), rel=1e-6)


def test_loss_is_the_exact_relative_entropy():
    """Of Gaussian distributions, along a training from stiffness 4 to that of the reference, 1."""
    x = normal(400, 1.0)
    result = fit(
        harmonic(4.0),
        objective(ensemble(x), sample=in_fs(10.0), step_ratio=0.1),
        optimizer=optax.sgd(0.003),
        steps=40,
        train_only=only_quadratic,
        show_progress=False,
    )
    stiffness = 2 * float(result.last.coefficients[2])
    assert stiffness == pytest.approx(1.0, abs=0.05)
    # L(k) = N (k s² − ln k) / 2 with the variance s² of the reference, of the model before the last update.
    before = result.history[-1]["loss"]
    exact = PARTICLES / 2 * ((1.0 - 4.0) * np.mean(x**2) + np.log(4.0))
    assert before == pytest.approx(exact, abs=0.6)
    assert result.history[0]["loss"] == 0


def only_quadratic(potential):
    flags = jax.tree.map(lambda _: False, potential)
    chosen = np.array([False, False, True])
    assert potential.coefficients.shape == chosen.shape
    return eqx.tree_at(lambda p: p.coefficients, flags, True)


def test_a_newton_step_arrives_at_a_linear_model():
    """From stiffness 1.5 to 1 in one step the error falls to the second order, here below an eighth."""
    result = fit(
        harmonic(1.5),
        objective(ensemble(normal(400, 1.0)), chains=64, sample=in_fs(10.0), newton=0.0),
        optimizer=optax.sgd(1.0),
        steps=3,
        show_progress=False,
    )
    linear, quadratic = (float(result.last.coefficients[k]) for k in (1, 2))
    assert 2 * quadratic == pytest.approx(1.0, abs=0.06)
    assert linear == pytest.approx(0.0, abs=0.03)


def test_the_time_step_is_compensated():
    """Overdamped dynamics samples the variance kT/[k (1 − h k/2)]; the model that gives the variance 1 has another k."""
    step = 0.4
    sampler = Brownian(in_fs(step), friction=1000 * FEMTOSECOND)
    result = fit(
        harmonic(1.0),
        objective(
            ensemble(normal(400, 1.0)), sampler, chains=32, sample=in_fs(40.0), every=in_fs(0.8), equilibrate=in_fs(8.0),
            newton=0.0,
        ),
        optimizer=optax.sgd(0.5),
        steps=12,
        train_only=only_quadratic,
        show_progress=False,
    )  # fmt: skip
    assert 2 * float(result.last.coefficients[2]) == pytest.approx((1 - np.sqrt(1 - 2 * step)) / step, abs=0.03)


def test_strata_have_their_shares():
    """Chains are spread evenly, and stand for what their region has in the reference."""
    strata = np.repeat([0, 1, 2], [60, 30, 10])
    reference = ensemble(np.repeat(strata[:, None], PARTICLES, 1).astype(float), strata)
    starts = reference.starts(np.random.default_rng(0), 8, stratified=True)
    shares = starts.log_shares
    where = starts.positions[:, 0, 0].astype(int)
    assert np.bincount(where).tolist() == [3, 3, 2]
    assert [np.exp(shares)[where == k].sum() for k in range(3)] == pytest.approx([0.6, 0.3, 0.1])
    equal = reference.starts(np.random.default_rng(0), 8, stratified=False).log_shares
    assert np.exp(equal) == pytest.approx(np.full(8, 1 / 8))
    with pytest.raises(TrainingError, match="2 chains cannot start in all 3 regions"):
        reference.starts(np.random.default_rng(0), 2, stratified=True)


def test_stratified_chains_keep_a_rare_basin():
    """Wells that no chain leaves: the rare one stays as populated as in the reference only when chains start there."""
    rng = np.random.default_rng(2)
    rare = rng.random(2000) < 0.03
    x = np.where(rare, 1.0, -1.0) + rng.normal(scale=WIDTH, size=2000)
    reference = ensemble_of_single(x, rare.astype(int))
    slopes = {}
    for start in ("last", "reference"):
        aim = objective(reference, chains=16, start=start, sample=in_fs(20.0))
        parameters = split(double_well())
        state = aim.initial_state(0, parameters)
        _, state = aim.evaluate(parameters, state)
        evaluation, _ = aim.evaluate(parameters, state)
        # The derivative by a tilt c₁ x is β (<x>_reference − <x>_model).
        slopes[start] = float(ravel_pytree(evaluation.gradient)[0][1])
    inside = np.linspace(0.0, 2.0, 2001)
    curvature = 1 / WIDTH**2
    boltzmann = np.exp(curvature * (inside**2 / 4 - inside**4 / 8))
    well = np.sum(inside * boltzmann) / np.sum(boltzmann)
    exact = np.mean(x) + well * (1 - 2 * np.mean(rare))
    assert slopes["reference"] == pytest.approx(exact, abs=0.02)
    # Otherwise 0 or 1 of 16 chains are in the rare well: the tilt would be trained to empty it, or to fill it.
    assert abs(slopes["last"] - exact) > 0.05


def tilted(tilt: float) -> ExternalPolynomial:
    """Two wells of the width of the reference's that differ by about 2 ``tilt``."""
    model = double_well()
    return eqx.tree_at(lambda p: p.coefficients, model, model.coefficients.at[1].set(tilt))


def exact(x, tilt: float) -> tuple[float, float]:
    """By quadrature: the derivative of the relative entropy by the tilt, and its value but for a constant."""
    grid = np.linspace(-2.0, 2.0, 8001)
    energy = np.polynomial.polynomial.polyval(grid, np.asarray(tilted(tilt).coefficients))
    boltzmann = np.exp(-(energy - energy.min()))
    mean = np.sum(grid * boltzmann) / np.sum(boltzmann)
    return np.mean(x) - mean, tilt * np.mean(x) + np.log(np.sum(boltzmann)) - energy.min()


def with_rare_well() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    rare = rng.random(200) < 0.05
    return np.where(rare, 1.0, -1.0) + rng.normal(scale=WIDTH, size=200), rare.astype(int)


@pytest.mark.parametrize(("start", "reuse"), [("last", 1e-9), ("last", 1.1), ("weights", 1.1)])
def test_a_bias_lets_chains_cross_a_barrier_and_changes_no_average(start, reuse):
    """Wells that differ by 3 kT behind 25 kT: gradient and loss by quadrature, where chains alone never cross."""
    x, rare = with_rare_well()
    bias = ExternalPolynomial(0, 0.0, [*-np.asarray(double_well().coefficients), 0.0, 0.0, 0.0, 0.15])
    settings = {"chains": 32, "sample": in_fs(300.0), "every": in_fs(2.0), "equilibrate": in_fs(20.0)}
    aim = objective(ensemble_of_single(x, rare), bias=bias, start=start, reuse=reuse, **settings)
    parameters = split(tilted(1.5))
    first, state = aim.evaluate(parameters, aim.initial_state(0, parameters))
    slope, value = exact(x, 1.5)
    # Standard deviations over eight seeds are 0.009, 0.022 and 0.007: each bound fails once in 100,000 seeds or less often.
    assert float(first.gradient.coefficients[1]) == pytest.approx(slope, abs=0.05)
    second, _ = aim.evaluate(split(tilted(1.0)), state)
    assert bool(second.metrics["recomputed"]) == (reuse > 1)
    other_slope, other_value = exact(x, 1.0)
    assert float(second.gradient.coefficients[1]) == pytest.approx(other_slope, abs=0.1)
    assert float(second.loss) == pytest.approx(other_value - value, abs=0.035)


def test_a_bias_is_taken_back_once_in_chains_that_never_cross():
    """It makes both wells equal, and half of the chains stay in each, whatever the weights of their frames are."""
    x, rare = with_rare_well()
    bias = ExternalPolynomial(0, 0.0, [0.0, -1.5])
    aim = objective(ensemble_of_single(x, rare), bias=bias, start="weights", chains=32)
    parameters = split(tilted(1.5))
    state = aim.initial_state(0, parameters)
    for _ in range(4):
        evaluation, state = aim.evaluate(parameters, state)
        assert evaluation.metrics["recomputed"]
        assert float(evaluation.gradient.coefficients[1]) == pytest.approx(exact(x, 1.5)[0], abs=0.02)


def ensemble_of_single(x, strata) -> MappedEnsemble:
    return MappedEnsemble.of(
        Dataset(tuple(LabelledStructure(structure(np.array([value]))) for value in x)), TEMPERATURE, strata
    )


def double_well() -> ExternalPolynomial:
    """Barrier of 1/(8 · 0.07²) = 25 kT between wells at ±1 as wide as those of the reference."""
    curvature = 1 / WIDTH**2
    return ExternalPolynomial(0, 0.0, [0.0, 0.0, -curvature / 4, 0.0, curvature / 8])


@pytest.mark.parametrize("start", ["last", "weights", "reference"])
def test_interrupted_training_goes_on_exactly(start, tmp_path):
    def train(steps, resume=False, out=None):
        aim = objective(ensemble(normal(60, 1.0)), start=start, batch=20, reuse=0.9, step_ratio=0.5)
        settings = {"optimizer": optax.adam(0.05), "seed": 3, "show_progress": False}
        return fit(harmonic(2.0), aim, steps=steps, out=out, resume=resume, **settings)

    whole = train(6, out=tmp_path / "whole")
    train(3, out=tmp_path / "parts")
    parts = train(6, resume=True, out=tmp_path / "parts")
    assert parts.history == whole.history
    assert np.array_equal(parts.last.coefficients, whole.last.coefficients)
    assert {record["recomputed"] for record in whole.history} == {0.0, 1.0}


def test_sums_of_ensembles_add():
    first, second = ensemble(normal(40, 1.0)), ensemble(normal(40, 4.0, seed=1))
    parameters = split(harmonic(2.0))

    def gradient(ensembles, seed):
        aim = objective(ensembles)
        return aim.evaluate(parameters, aim.initial_state(seed, parameters))[0]

    both, one, other = gradient([first, second], 5), gradient(first, 5), gradient(second, point_seed(5, 1))
    # Its random numbers are not those of the first ensemble from the next seed.
    assert point_seed(5, 1) != 6
    assert np.allclose(both.gradient.coefficients, one.gradient.coefficients + other.gradient.coefficients, rtol=1e-6)
    assert {"0/effective_size", "1/effective_size"} <= both.metrics.keys()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch": 41}, "41 frames cannot be drawn from a reference of 40"),
        ({"start": "reference", "bias": harmonic(1.0)}, "find their shares of the ensemble themselves"),
        ({"start": "nowhere"}, 'start is "last", "weights" or "reference"'),
        ({"chains": 0}, "at least one chain"),
        ({"step_ratio": 1.5}, "step_ratio in"),
        ({"newton": -1.0}, "damping of at least 0"),
        ({"sampler": NVE("1 fs")}, "canonical"),
    ],
)
def test_bad_settings_are_named(settings, words):
    with pytest.raises(TrainingError, match=words):
        objective(ensemble(normal(40, 1.0)), **settings)


def test_bad_references_are_named():
    frames = [LabelledStructure(structure(np.zeros(n))) for n in (3, 4)]
    with pytest.raises(DataError, match="Frame 1 has other atoms"):
        MappedEnsemble.of(Dataset(tuple(frames)), TEMPERATURE)
    with pytest.raises(TrainingError, match="from 0 without gaps"):
        ensemble(normal(3, 1.0), strata=np.array([0, 2, 2]))
    with pytest.raises(TrainingError, match="at least one reference ensemble"):
        objective([])


def test_exploding_chains_are_named():
    aim = objective(ensemble(normal(40, 1.0)))
    parameters = split(harmonic(-50.0))
    with pytest.raises(SimulationError, match=r"explodes|range of the potential"):
        aim.evaluate(parameters, aim.initial_state(0, parameters))


def test_relative_entropy_and_a_measured_average_add():
    """The sum of both gradients; the measured mean pulls the model away from the reference."""
    x = normal(60, 1.0)
    at = StatePoint(structure(np.zeros(PARTICLES)), TEMPERATURE)
    sampler = Langevin(in_fs(0.05), friction=1000 * FEMTOSECOND * 2.0)
    lengths = {"sample": in_fs(10.0), "every": in_fs(0.5), "equilibrate": in_fs(5.0)}
    density = Distribution(Coordinate(0), -3.0, 3.0, bins=20)
    shifted = np.exp(-0.5 * (density.grid - 0.5) ** 2) / np.sqrt(2 * np.pi)
    measured = DiffTRe([Measurement(density, shifted, at, weight=1.0)], sampler, fewest_samples=0.5, **lengths)
    matched = objective(ensemble(x), sampler)
    parameters = split(harmonic(1.0))
    total = matched + 3.0 * measured
    evaluation, _ = total.evaluate(parameters, total.initial_state(0, parameters))
    starts = total.initial_state(0, parameters)
    parts = [o.evaluate(parameters, start)[0] for o, start in zip((matched, measured), starts, strict=True)]
    gradient = parts[0].gradient.coefficients + 3.0 * parts[1].gradient.coefficients
    np.testing.assert_allclose(evaluation.gradient.coefficients, gradient, rtol=1e-6)
    # A tilt −c x with c > 0 moves the particles to the right, where the measured density is.
    assert float(parts[1].gradient.coefficients[1]) > 0


def test_a_newton_step_of_two_ensembles_is_that_of_their_sum():
    """Steps of ensembles do not add: of twice the same reference the step is that of one, not twice as long."""
    x = normal(60, 1.0)
    steps = {}
    for name, references in (("one", ensemble(x)), ("two", [ensemble(x), ensemble(x)])):
        aim = objective(references, newton=0.0, chains=64)
        parameters = split(harmonic(1.5))
        evaluation, _ = aim.evaluate(parameters, aim.initial_state(0, parameters))
        assert isinstance(evaluation, Step)
        steps[name] = np.asarray(evaluation.step.coefficients)
    # The chains of both are different ones, and a sum of steps is twice as long.
    assert 0.6 < steps["two"][2] / steps["one"][2] < 1.4
    random = np.random.default_rng(2)
    curvature = Curvature.of(random.normal(size=(40, 3)), np.full(40, 1 / 40), 1.0)
    gradient = random.normal(size=3)
    one, two = newton_step([curvature], gradient, 0.1), newton_step([curvature] * 2, 2 * gradient, 0.1)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_what_a_mapped_reference_does_not_know_is_not_zero():
    first = structure(np.array([0.5, 1.5]))
    reference = MappedEnsemble.of(Dataset((LabelledStructure(first),)), "30 K")
    trajectory = reference.trajectory(np.arange(1), np.float64)
    for unknown in (trajectory.velocities, trajectory.potential_energies, trajectory.stresses):
        assert np.isnan(unknown).all()
    assert np.array_equal(trajectory.positions[0, 0], first.positions)


def test_it_cannot_validate():
    """The loss of the first model is zero, and so would be every validation."""
    aim = objective(ensemble(normal(20, 1.0)))
    settings = {"optimizer": optax.sgd(0.1), "steps": 1, "show_progress": False}
    for validation in (aim, 0.5 * aim):
        with pytest.raises(TrainingError, match="cannot validate, since only changes of its loss have a meaning"):
            fit(harmonic(1.0), aim, validate_on=validation, **settings)


def test_models_that_are_no_potentials_are_named():
    aim = objective(ensemble(normal(20, 1.0)))
    both = ModelSet.of([harmonic(1.0), harmonic(2.0)])
    with pytest.raises(TrainingError, match="RelativeEntropy learns a potential, not a ModelSet"):
        fit(both, aim, optimizer=optax.sgd(0.1), steps=1, show_progress=False)


def test_a_damped_newton_step_does_not_run_away_along_what_the_frames_hardly_tell():
    """A parameter that acts on one frame, by a thousandth of what others do, or on the reference alone."""
    gradients = np.zeros((400, 3))
    gradients[:, 0] = np.random.default_rng(0).normal(size=400)
    gradients[0, 1] = 1e-3
    curvature = Curvature.of(gradients, np.full(400, 1 / 400), 1.0)
    step = newton_step([curvature], np.array([0.1, -1e-3 / 400, 1e-3]), 0.01)
    assert np.abs(step).max() < 0.5
    assert 0.05 < step[0] < 0.11
