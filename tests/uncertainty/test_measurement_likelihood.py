"""The posterior from measurements, against quadrature: oscillators in a bath.

Predictions rest on a finite number of frames, whose chance shifts the posterior by about their own relative error: bounds
are five standard errors of the chains and four of the frames.
"""

import jax
import numpy as np
import pytest
from linear_model import killed_at
from oscillators import (
    ATOMS,
    CENTRE,
    FRAMES,
    NOTHING,
    REPLICAS,
    exact,
    likelihood,
    measured,
    point,
    prior,
    spring,
    stiffness,
)

from mdfit.errors import MeasurementError, TrainingError
from mdfit.measurements import Measurement
from mdfit.observables import RDF, FreeEnergy, MeanSquareDisplacement
from mdfit.potentials import LennardJones
from mdfit.simulate import NVE
from mdfit.uncertainty import MeasurementLikelihood, NormalPrior, convergence, laplace_nuts, sample_posterior
from mdfit.units import BOLTZMANN

KT = BOLTZMANN * 300
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
        **{"steps": steps, "burn_in": 20, "keep": steps - 20, "seed": 5, "steps_per_update": 10, **settings},
    )


def check(samples, expected, frames):
    """Mean and deviation; ``frames`` is the error of k from the finite number of frames."""
    k = stiffness(samples.models)
    judged = convergence(samples.by_chain(k))
    mean, deviation = expected
    assert judged.r_hat < 1.05
    assert judged.effective > 60
    slack = 5 / np.sqrt(float(judged.effective))
    assert abs(k.mean() - mean) < slack * deviation + 4 * frames
    assert abs(k.std() / deviation - 1) < slack / np.sqrt(2) + 0.1


def test_the_posterior_of_one_measurement():
    sigma = 0.1 * VALUE
    samples = 2 * ATOMS * REPLICAS * FRAMES
    found = chains(likelihood([measured(VALUE, sigma)]))
    check(found, exact([(VALUE, sigma, 300)], samples=samples), frames=1.1 * np.sqrt(2 / samples))
    # The data count: the prior alone is much wider.
    assert stiffness(found.models).std() < 0.2
