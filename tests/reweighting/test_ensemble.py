"""Ensembles of harmonic oscillators, whose averages and free energies are known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ase.build import bulk

from mdfit.errors import (
    MeasurementError,
    ObservableError,
    ReweightingError,
    SimulationError,
    TrainingError,
    UnknownSpeciesError,
)
from mdfit.measurements import Measurement
from mdfit.models import Parameters
from mdfit.objectives import DiffTRe
from mdfit.observables import (
    Coordinate,
    Distribution,
    FreeEnergy,
    HeatCapacity,
    PotentialEnergy,
    Pressure,
    ThermalExpansion,
    estimate,
    per_frame,
)
from mdfit.potentials import LennardJones, PaiNN, Potential
from mdfit.potentials.external import ExternalField
from mdfit.reweighting import Ensemble, exponential_average, log_weights, reweight
from mdfit.simulate import NPT, NVE, Langevin, Lengths, MonteCarloNPT, StatePoint, run
from mdfit.simulate.trajectory import PER_FRAME
from mdfit.structure import Structure
from mdfit.training import fit
from mdfit.units import BAR, BOLTZMANN, FEMTOSECOND

#: One unit of energy is 1 eV and k_BT; lengths in Å, masses in amu.
TEMPERATURE = 1 / BOLTZMANN
PARTICLES = 20
AT = StatePoint(
    Structure(
        np.ones(PARTICLES, np.int32), np.zeros((PARTICLES, 3)), np.zeros((3, 3)), np.zeros(3, bool), np.ones(PARTICLES)
    ),
    TEMPERATURE,
)
#: Frames are ten relaxation times of the envelope exp(−γt/2) apart.
LANGEVIN = Langevin(0.1 / FEMTOSECOND, friction=2.0 * FEMTOSECOND * 1000)
STEP, EVERY = 0.1 / FEMTOSECOND, 10.0 / FEMTOSECOND


class Springs(ExternalField):
    """k x²/2 for each particle, along the first axis."""

    stiffness: jax.Array

    def field_energy(self, positions, species):
        return 0.5 * self.stiffness * positions[:, 0] ** 2


def harmonic(stiffness: float) -> Springs:
    return Springs(jnp.asarray(stiffness))


def of(potential: Potential) -> Parameters:
    return Parameters.of(potential)


def free_energy(stiffness: float) -> float:
    """β A of all particles relative to a stiffness of one."""
    return PARTICLES / 2 * np.log(stiffness)


def ensemble(frames: int = 40, replicas: int = 4, **settings) -> Ensemble:
    lengths = Lengths.of(frames * EVERY, EVERY, EVERY, LANGEVIN.timestep_fs)
    return Ensemble(AT, LANGEVIN, lengths, replicas, **settings)


def test_free_energy_along_a_training():
    """β A after three simulations and a step, against P/2 ln k; a false alarm at four standard errors: 1 in 8000."""
    oscillators = ensemble()
    samples, before = oscillators.empty(0, of(harmonic(1.0))), None
    for stiffness in (1.0, 1.2, 1.44):
        parameters = of(harmonic(stiffness))
        if before is not None:
            before = oscillators.under(parameters, samples)
        samples, before, recomputed = oscillators.renewed(parameters, samples, before)
        assert recomputed
    found = oscillators.under(of(harmonic(1.5)), samples).free_energy
    assert 0.01 < float(found.standard_error) < 0.3
    assert abs(float(found.difference) - free_energy(1.5)) < 4 * float(found.standard_error)
    # Of the parameters that made the frames there is no weight to it.
    at_home = oscillators.under(of(harmonic(1.44)), samples)
    assert float(at_home.free_energy.difference) == pytest.approx(float(samples.free_energy.difference), abs=1e-9)
    np.testing.assert_allclose(at_home.weights, 1 / len(at_home), rtol=1e-6)


def test_bias_is_taken_back():
    """<x²> and the free energy of a biased simulation; false alarms at four standard errors: 1 in 8000 each."""
    plain = ensemble(observables=(PotentialEnergy(),), bias=harmonic(-0.15))
    samples, view, _ = plain.renewed(of(harmonic(1.0)), plain.empty(1, of(harmonic(1.0))))
    average = view.average()
    assert abs(average.value - PARTICLES / 2) < 4 * average.standard_error
    # Equipartition holds in the biased ensemble with the biased potential, whose share in the model is 1/0.85.
    assert abs(view.values[0].mean() - PARTICLES / 2 / 0.85) < 4 * view.values[0].std() / np.sqrt(len(view))
    there = plain.under(of(harmonic(1.1)), samples).free_energy
    assert abs(float(there.difference) - free_energy(1.1)) < 4 * float(there.standard_error)


def test_frames_whose_weights_have_a_heavy_tail_are_not_used_again():
    oscillators = ensemble()
    samples, _, _ = oscillators.renewed(of(harmonic(1.0)), oscillators.empty(2, of(harmonic(1.0))))
    again = oscillators.at_hand(of(harmonic(1.15)), samples, reuse=0.01)
    assert not again.recomputed
    assert again.reweighted.tail.shape < 0.5
    assert float(again.metrics["pareto_k"]) == pytest.approx(again.reweighted.tail.shape)
    alike = oscillators.at_hand(of(harmonic(1.001)), samples, reuse=0.01)
    assert not alike.recomputed
    assert "pareto_k" not in alike.metrics
    # A far softer potential has its weight where the frames hardly are.
    far = oscillators.at_hand(of(harmonic(0.4)), samples, reuse=1e-6)
    assert far.recomputed
    assert oscillators.under(of(harmonic(0.4)), samples).tail.shape > 0.7
    assert "pareto_k" not in far.metrics


def test_perturbation_of_weighted_samples(squares, check_scores):
    """Samples of k = 1 that stand for k = 1.1, taken on to k = 1.25."""
    draws = squares(1.0, 10, (400, 300), 3)

    def one(squared):
        shares = log_weights(0.05 * squared)
        found = exponential_average(0.075 * squared, log_weights=shares)
        return found.difference, found.standard_error

    difference, error = (np.asarray(part) for part in jax.jit(jax.vmap(one))(draws))
    check_scores(difference, error, 5 * np.log(1.25 / 1.1), bias=0.1)


@pytest.fixture(scope="module")
def trajectory():
    return run(
        harmonic(1.0),
        AT,
        LANGEVIN,
        duration=100 * EVERY,
        every=EVERY,
        equilibrate=EVERY,
        replicas=4,
        key=jax.random.key(5),
    )


def test_a_trajectory_in_another_ensemble(trajectory):
    """Energies and free energies at another stiffness and temperature; false alarms at four errors: 1 in 8000 each."""
    view = reweight(trajectory, harmonic(1.15), observables=(PotentialEnergy(),))
    assert abs(view.average().value - PARTICLES / 2) < 4 * view.average().standard_error
    assert abs(float(view.free_energy.difference) - free_energy(1.15)) < 4 * float(view.free_energy.standard_error)
    assert 50 < view.effective_samples.samples < view.effective_size + 1e-6 < len(view) == 400
    exact = reweight(trajectory, harmonic(1.15), harmonic(1.0), observables=(PotentialEnergy(),))
    np.testing.assert_allclose(exact.change, view.change, atol=1e-4)
    hot = reweight(trajectory, harmonic(1.0), temperature=1.1 * TEMPERATURE, observables=(PotentialEnergy(),))
    assert abs(hot.average().value - 1.1 * PARTICLES / 2) < 4 * hot.average().standard_error
    weighted = estimate(PotentialEnergy(), trajectory, weights=view.weights.reshape(4, 100))
    assert weighted.value == pytest.approx(view.average().value / 1.15, rel=1e-4)


def test_errors_of_free_energies_know_of_correlations():
    """Frames a tenth of a relaxation time apart: scores of 12 runs; their mean square is below 3 but for 1 in 3000."""
    close = {"duration": 300.0 / FEMTOSECOND, "every": 0.2 / FEMTOSECOND, "equilibrate": EVERY, "replicas": 12}
    every = run(harmonic(1.0), AT, LANGEVIN, key=jax.random.key(9), **close)
    scores = []
    for replica in range(12):
        one = {name: getattr(every, name)[replica : replica + 1] for name in PER_FRAME}
        found = reweight(dataclasses.replace(every, **one), harmonic(1.05)).free_energy
        scores.append((float(found.difference) - free_energy(1.05)) / float(found.standard_error))
    assert np.mean(np.square(scores)) < 3
    # As if they were independent, they would be several errors off.
    assert float(found.effective_samples) < 0.5 * len(every)


def test_trajectories_that_cannot_be_weighed(trajectory):
    with pytest.raises(ReweightingError, match="constant volume have no other pressure"):
        reweight(trajectory, harmonic(1.1), pressure="1 bar")
    with pytest.raises(ObservableError, match="needs a volume"):
        reweight(trajectory, harmonic(1.1), observables=(Pressure(),))
    with pytest.raises(ReweightingError, match="energy of the other ensemble of 400 of 400 samples is not finite"):
        reweight(trajectory, harmonic(np.inf))
    with pytest.raises(ReweightingError, match="HeatCapacity depends on velocities, which are those of"):
        reweight(trajectory, harmonic(1.0), temperature=1.1 * TEMPERATURE, observables=(HeatCapacity(),))
    silent = dataclasses.replace(trajectory, potential_energies=np.full_like(trajectory.potential_energies, np.nan))
    with pytest.raises(ReweightingError, match="does not hold its potential energies; give its potential as made_by"):
        reweight(silent, harmonic(1.0))
    with pytest.raises(UnknownSpeciesError):
        reweight(trajectory, PaiNN((14,), 4.0, 4, 1))
    constant = run(harmonic(1.0), AT, NVE(STEP), duration=2 * EVERY, every=EVERY, key=jax.random.key(6))
    with pytest.raises(ReweightingError, match="constant energy"):
        reweight(constant, harmonic(1.1))


def difftre(*measurements, **settings) -> DiffTRe:
    defaults = {"sample": 20 * EVERY, "every": EVERY, "equilibrate": EVERY, "replicas": 4}
    return DiffTRe(measurements, LANGEVIN, **(defaults | settings))


def test_a_free_energy_difference_is_a_measurement():
    """The stiffness that a measured free energy asks for; a false alarm at four standard errors: 1 in 8000."""
    target = free_energy(1.6)
    measured = Measurement(FreeEnergy(harmonic(1.0)), target, AT, sigma=1.0)
    aim = difftre(measured, sample=60 * EVERY, reuse=0.95, step_ratio=0.9, gauss_newton=0.0)
    result = fit(harmonic(1.1), aim, optimizer=optax.sgd(1.0), steps=12, show_progress=False, seed=1)
    assert sum(record["recomputed"] for record in result.history) >= 3
    # One-sided, a link by a tenth of k has a variance of P/2 0.1²/240; the path has five, whose errors may all agree.
    error = 5 * np.sqrt(PARTICLES / 2 * 0.01 / 240)
    assert abs(free_energy(float(result.last.stiffness)) - target) < 4 * error < target / 2


def test_gradient_of_a_measured_free_energy():
    """∂/∂k of χ² at fixed frames by finite differences, and against β<∂U/∂k> of the exact ensemble."""
    aim = difftre(Measurement(FreeEnergy(harmonic(1.0)), 0.0, AT, weight=1.0), reuse=0.01)
    parameters = of(harmonic(1.2))
    evaluation, state = aim.evaluate(parameters, aim.initial_state(3, parameters))
    value = float(evaluation.metrics["FreeEnergy"])
    assert float(evaluation.loss) == pytest.approx(value**2)
    gradient = float(evaluation.gradient.stiffness)
    losses = [float(aim.evaluate(of(harmonic(1.2 + h)), state)[0].loss) for h in (-1e-2, 1e-2)]
    assert gradient == pytest.approx((losses[1] - losses[0]) / 2e-2, rel=1e-3)
    # β<∂U/∂k> is P/(2k), from 80 frames.
    assert gradient / (2 * value) == pytest.approx(PARTICLES / 2 / 1.2, rel=4 * np.sqrt(2 / 80 / PARTICLES))


def test_free_energies_that_cannot_be_measured():
    with pytest.raises(MeasurementError, match=r"the shape \(2,\), but FreeEnergy has"):
        Measurement(FreeEnergy(harmonic(1.0)), [1.0, 2.0], AT, sigma=1.0)
    with pytest.raises(TrainingError, match="FreeEnergy is of the ensemble NVT, but the sampler is NPT"):
        DiffTRe(
            [Measurement(FreeEnergy(harmonic(1.0)), 1.0, AT, sigma=1.0)], MonteCarloNPT(STEP), sample=EVERY, every=EVERY
        )


def test_values_that_are_not_finite_end_the_simulation():
    oscillators = ensemble(frames=2, replicas=1, observables=(Distribution(Coordinate(0), 0.0, 1.0, bins=2),))
    parameters = of(harmonic(np.nan))
    with pytest.raises(SimulationError):
        oscillators.renewed(parameters, oscillators.empty(0, parameters))


def test_observables_are_those_of_the_other_pressure():
    """Thermal expansion contains the pressure of the barostat, which is that of the other ensemble."""
    argon = Structure.from_ase(bulk("Ar", "fcc", a=5.6, cubic=True).repeat(2))
    model, at = LennardJones(0.0104, 3.4, 5.0), StatePoint(argon, 60.0, "1 bar")
    trajectory = run(model, at, NPT("4 fs"), duration="200 fs", every="20 fs", key=jax.random.key(2))
    view = reweight(trajectory, model, model, pressure="300 bar", observables=(ThermalExpansion(),))
    other = dataclasses.replace(trajectory.conditions, pressure=300.0)
    expected = per_frame(ThermalExpansion(), dataclasses.replace(trajectory, conditions=other))
    np.testing.assert_allclose(view.values[0], expected[0], rtol=1e-5)
    volumes = trajectory.volumes[0]
    np.testing.assert_allclose(view.change, 299 * BAR * volumes / (BOLTZMANN * 60.0), atol=1e-6)
