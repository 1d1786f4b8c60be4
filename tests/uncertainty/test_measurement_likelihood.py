"""The posterior from measurements, against quadrature: oscillators in a bath.

Predictions rest on a finite number of frames, whose chance shifts the posterior by about their own relative error: bounds
are five standard errors of the chains and four of the frames.
"""

from dataclasses import dataclass

import jax
import numpy as np
import pytest
from ase.build import bulk
from linear_model import StraightLine, killed_at
from oscillators import (
    ATOMS,
    FRAMES,
    REPLICAS,
    SAMPLER,
    MeanSquare,
    exact,
    likelihood,
    measured,
    point,
    prior,
    spring,
    stiffness,
)

from mdfit import Measurement, StatePoint, Structure
from mdfit.errors import MeasurementError, ReweightingError, SimulationError, TrainingError
from mdfit.observables import RDF, ElasticConstants, FreeEnergy, MeanSquareDisplacement, Pressure
from mdfit.potentials import LennardJones
from mdfit.simulate import NPT, NVE
from mdfit.uncertainty import MeasurementLikelihood, NormalPrior, convergence, laplace_nuts, sample_posterior
from mdfit.uncertainty.measured_point import Measured
from mdfit.uncertainty.measurement_checks import shares_of
from mdfit.units import BOLTZMANN

pytestmark = pytest.mark.optimised

KT = BOLTZMANN * 300
#: Independent oscillators of two simulations.
SAMPLES = 2 * ATOMS * REPLICAS * FRAMES
#: That the true k is 1.1 says the value of the measurement.
VALUE = KT / 1.1


def chains(of, starts=(0.9, 1.2), steps=220, width=None, **settings):
    of_parameters = prior() if width is None else prior(width)
    kernel, schedule = laplace_nuts(spring(1.1), of, prior=of_parameters)
    return sample_posterior(
        [spring(k) for k in starts],
        of,
        kernel,
        schedule,
        prior=of_parameters,
        show_progress=False,
        **{"steps": steps, "burn_in": 20, "keep": max(steps - 20, 1), "seed": 5, "steps_per_update": 10, **settings},
    )


def check(samples, expected, frames):
    """Mean and deviation; ``frames`` is the error of k from the finite number of frames."""
    k = stiffness(samples.models)
    judged = convergence(samples.by_chain(k))
    mean, deviation = expected
    assert judged.r_hat < 1.05
    assert judged.effective > 150
    slack = 5 / np.sqrt(float(judged.effective))
    assert abs(k.mean() - mean) < slack * deviation + 4 * frames
    assert abs(k.std() / deviation - 1) < slack / np.sqrt(2) + 0.1


def error_of_frames(samples):
    """Of k, from <x²> of so many independent oscillators."""
    return 1.1 * np.sqrt(2 / samples)


def test_the_posterior_of_one_measurement():
    sigma = 0.1 * VALUE
    found = chains(likelihood([measured(VALUE, sigma)]))
    check(found, exact([(VALUE, sigma, 300)], samples=SAMPLES), error_of_frames(SAMPLES))
    # The data count: the prior alone is much wider.
    assert stiffness(found.models).std() < 0.2


@pytest.mark.slow
def test_a_second_state_point_narrows_it():
    values = [(VALUE, 0.1 * VALUE, 300), (2 * VALUE, 0.2 * VALUE, 600)]
    at = [point(kelvin) for *_, kelvin in values]
    data = [measured(value, sigma, where) for (value, sigma, _), where in zip(values, at, strict=True)]
    records = []
    found = chains(likelihood(data), on_record=records.append)
    expected = exact(values, samples=SAMPLES)
    check(found, expected, error_of_frames(2 * SAMPLES))
    assert expected[1] < 0.8 * exact(values[:1], samples=SAMPLES)[1]
    assert {"0/effective_size", "1/effective_size", "0/renewals", "1/renewals"} <= records[0].keys()


def test_predictions_of_frames_and_their_errors():
    """Deviations from k_BT/k in units of the stated error, over 20 pools: their mean square within 5 standard errors."""
    one = likelihood([measured(VALUE, VALUE)], simulations=2)
    deviations = []
    for seed in range(20):
        (at_hand,), _ = one.draw(spring(1.0), one.initial_state(seed, spring(1.0)))
        ((found, variance),) = at_hand.predictions(spring(1.1))[1]
        deviations.append(float((found[0] - VALUE) / np.sqrt(variance[0])))
    assert abs(np.mean(np.square(deviations)) - 1) < 5 * np.sqrt(2 / 20)
    assert np.sqrt(float(variance[0])) / VALUE == pytest.approx(np.sqrt(2 / SAMPLES), rel=0.3)


def test_few_frames_make_it_wide():
    """Their statistical error, four times that of the measurement, is part of it."""
    sigma, samples = 0.02 * VALUE, 2 * ATOMS * 40
    few = likelihood([measured(VALUE, sigma)], replicas=1, sample="12 ps", fewest_samples=2)
    found = chains(few, width=1.0, steps=320)
    k = stiffness(found.models)
    ((at_hand,), _) = few.draw(spring(), found.fit.objective_state.draws[0])
    inefficiency = float(at_hand.measured[0].inefficiency[0])
    assert 1 <= inefficiency < 2.5
    expected = exact([(VALUE, sigma, 300)], 1.0, samples / inefficiency)[1]
    assert k.std() == pytest.approx(expected, rel=0.4)
    assert k.std() > 2.5 * exact([(VALUE, sigma, 300)], 1.0)[1]


def test_chains_from_afar_take_their_frames_along():
    sigma, records = 0.1 * VALUE, []
    found = chains(
        likelihood([measured(VALUE, sigma)], reuse=0.9),
        starts=(2.5, 3.0),
        steps=320,
        burn_in=60,
        keep=260,
        width=3.0,
        steps_per_update=1,
        on_record=records.append,
    )
    # Both simulations at the start, and others on the way; no update without frames.
    assert records[0]["renewals"] == 2
    assert sum(record["renewals"] for record in records[1:]) >= 1
    assert min(record["effective_size"] for record in records) >= 0.9
    check(found, exact([(VALUE, sigma, 300)], 3.0, SAMPLES), error_of_frames(SAMPLES))


def test_a_killed_chain_goes_on_bit_for_bit(tmp_path):
    settings = {"starts": (2.5, 3.0), "steps": 28, "burn_in": 4, "keep": 8, "width": 3.0, "steps_per_update": 1}
    records = []

    def sample(out=None, on_record=lambda record: None):
        of = likelihood([measured(VALUE, 0.1 * VALUE)], replicas=4, reuse=0.9, fewest_samples=2)
        return chains(of, out=out, on_record=on_record, **settings)

    whole = sample(on_record=records.append)
    with pytest.raises(RuntimeError, match="killed"):
        sample(tmp_path / "run", killed_at(3))
    resumed = sample(tmp_path / "run")
    # Frames were renewed after the kill, from keys and frames of the checkpoint.
    assert sum(record["renewals"] for record in records[3:]) >= 1
    np.testing.assert_array_equal(stiffness(resumed.models), stiffness(whole.models))
    np.testing.assert_array_equal(resumed.log_density, whole.log_density)
    for one, other in zip(
        jax.tree.leaves(resumed.fit.objective_state), jax.tree.leaves(whole.fit.objective_state), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_an_explosion_is_one_sentence():
    with pytest.raises(
        TrainingError, match=r"Chain 1 stands at parameters .* at 300 K fails: .* Give a narrower prior"
    ):
        chains(likelihood([measured(VALUE, 0.1 * VALUE)]), starts=(1.0, 1e6), steps=30, burn_in=1, keep=9)


def test_more_chains_than_simulations():
    with pytest.raises(TrainingError, match="3 chains share 2 simulations"):
        chains(likelihood([measured(VALUE, VALUE)]), starts=(1.0, 1.1, 1.2), steps=30, keep=9)


def test_simulations_of_too_few_frames():
    with pytest.raises(TrainingError, match=r"is worth \d+\.\d independent frames .* sample longer"):
        chains(likelihood([measured(VALUE, VALUE)], replicas=1, fewest_samples=15), steps=30, keep=9)


def test_components_of_curves_are_one_number_unless_said_otherwise():
    crystal = StatePoint(Structure.from_ase(bulk("Ar", cubic=True).repeat(2)), 90.0)
    curve = Measurement(RDF("4 Å", bins=30), np.ones(30), crystal, sigma=0.1)
    labelled = Measurement(ElasticConstants(), [3.0, 1.0, 2.0], crystal, sigma=0.1)
    assert shares_of([curve, labelled], None) == [1 / 30, 1.0]
    assert shares_of([curve, labelled], (6.0, None)) == [0.2, 1.0]
    parts = [float(Measured.of(curve, share, np.ones(30)).log_density(1.1, 0.0)) for share in (1 / 30, 1.0)]
    assert parts[0] == pytest.approx(-0.5 + np.log(10) - 0.5 * np.log(2 * np.pi))
    assert parts[1] == pytest.approx(30 * parts[0])
    for wrong, words in (
        ((None,), "1 entries for 2 measurements"),
        ((31.0, None), "30 components"),
        ((0.0, None), "30"),
    ):
        with pytest.raises(TrainingError, match=words):
            shares_of([curve, labelled], wrong)


@dataclass(frozen=True)
class AtConstantPressure(MeanSquare):
    """Of another ensemble."""

    ensembles = ("NPT",)


def in_bath(sampler=SAMPLER, measurements=None, **settings):
    data = [measured(VALUE, VALUE)] if measurements is None else measurements
    return MeasurementLikelihood(data, sampler, **{"sample": "6 ps", "every": "0.3 ps", **settings})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: in_bath(measurements=[]), "at least one measurement"),
        (lambda: in_bath(simulations=0), "simulations is their number at each state point, at least 1, not 0"),
        (lambda: in_bath(reuse=0.0), r"in \(0, 1\], not 0.0"),
        (lambda: in_bath(fewest_samples=0.0), "at least 1, not 0.0"),
        (lambda: in_bath(NVE("10 fs")), "those of NVE do not have"),
        (
            lambda: in_bath(measurements=[Measurement(MeanSquare(), 1.0, point(), weight=1.0)]),
            "MeanSquare has a weight, .* give its standard uncertainty",
        ),
        (
            lambda: in_bath(measurements=[Measurement(FreeEnergy(LennardJones()), 0.0, point(), sigma=1.0)]),
            "FreeEnergy is no average over frames",
        ),
        (
            lambda: in_bath(
                measurements=[
                    Measurement(AtConstantPressure(), 1.0, StatePoint(point().structure, 300.0, 1.0), sigma=0.1)
                ]
            ),
            "AtConstantPressure is of the ensemble NPT, but the sampler is NVT",
        ),
        (lambda: in_bath(NPT("2 fs")), "state point without pressure, but the sampler is NPT"),
        (
            lambda: in_bath(measurements=[measured(VALUE, VALUE, point(0.0))]),
            "temperature of an ensemble must be positive",
        ),
        (lambda: in_bath(every="0.305 ps"), "not a multiple of the time step"),
    ],
)
def test_input_that_makes_no_sense(make, words):
    with pytest.raises((TrainingError, ReweightingError, SimulationError), match=words):
        make()


def test_what_a_measurement_refuses_itself(tmp_path):
    file = tmp_path / "pressure.yaml"
    file.write_text("values: 1\nunit: bar\nstandard_uncertainty: 5\ntemperature: 94 K\n")
    crystal = StatePoint(Structure.from_ase(bulk("Ar", cubic=True)), 90.0)
    with pytest.raises(MeasurementError, match="measured at 94 K, but the state point is at 90 K"):
        Measurement(Pressure(), file, crystal)
    with pytest.raises(MeasurementError, match="not a function of averages"):
        Measurement(MeanSquareDisplacement("1 ps"), 1.0, crystal, sigma=1.0)


def test_other_models_than_potentials_are_refused():
    with pytest.raises(TrainingError, match="MeasurementLikelihood learns a potential, not a StraightLine"):
        in_bath().initial_state(0, StraightLine.zero())


def test_priors_around_a_start():
    prior = NormalPrior.around(spring(2.0), 0.1, smallest=0.01)
    np.testing.assert_allclose(prior.scale.coefficients, [0.01, 0.01, 0.1])
    moved = spring(2.2)
    assert float(prior.log_density(moved)) == pytest.approx(-0.5)
    with pytest.raises(TrainingError, match="has no width where a parameter is 0"):
        NormalPrior.around(spring(2.0), 0.1)
    with pytest.raises(TrainingError, match="has no width"):
        NormalPrior.around(LennardJones(), 0.0)
