"""Oscillators in a bath, whose mean square displacement k_BT/k is known, and the posterior of k by quadrature."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy import integrate

from mdfit import Measurement, StatePoint, Structure
from mdfit.observables import Observable
from mdfit.potentials import ExternalPolynomial
from mdfit.simulate import JaxMD, Langevin
from mdfit.uncertainty import MeasurementLikelihood, NormalPrior
from mdfit.units import BOLTZMANN

ATOMS, REPLICAS, FRAMES = 4, 16, 20
#: Strongly damped, so that frames a few periods apart are independent; exact averages at any time step.
SAMPLER = Langevin("10 fs", friction="20 /ps")
#: Of k in eV/Å², and of coefficients that averages do not depend on.
CENTRE, WIDTH, NOTHING = 1.0, 0.3, 1e-3


@dataclass(frozen=True)
class MeanSquare(Observable):
    """<x²> of all atoms."""

    unit = "Å^2"

    def per_snapshot(self, snapshot):
        return jnp.mean(snapshot.positions[:, 0] ** 2)


def spring(k=CENTRE):
    return ExternalPolynomial(0, 0.0, [0.0, 0.0, k / 2])


def stiffness(models):
    return 2 * np.asarray(models.stacked.coefficients)[:, 2]


def prior(width=WIDTH):
    centre = spring()
    scale = ExternalPolynomial(0, 0.0, [NOTHING, NOTHING, width / 2])
    return NormalPrior(scale, centre)


def point(kelvin=300.0):
    return StatePoint(Structure.in_open_space(np.zeros((ATOMS, 3)), species=18, masses=40.0), kelvin)


def measured(value, sigma, at=None):
    return Measurement(MeanSquare(), value, point() if at is None else at, sigma=sigma)


def likelihood(measurements, **settings):
    given = {
        "sample": f"{FRAMES * 0.3} ps",
        "every": "0.3 ps",
        "equilibrate": "0.6 ps",
        "replicas": REPLICAS,
        "simulations": 2,
        "engine": JaxMD(dtype="float64"),
        **settings,
    }
    return MeasurementLikelihood(measurements, SAMPLER, **given)


def exact(values, width=WIDTH, samples=np.inf):
    """Mean and standard deviation of k.

    Args:
        values: pairs of a value and its σ, each with its temperature.
        width: of the normal prior.
        samples: independent oscillators that a prediction rests on, whose relative variance is then 2/samples.
    """

    def density(k):
        total = -0.5 * ((k - CENTRE) / width) ** 2
        for value, sigma, kelvin in values:
            found = BOLTZMANN * kelvin / k
            variance = sigma**2 + 2 * found**2 / samples
            total += -0.5 * (value - found) ** 2 / variance - 0.5 * np.log(variance)
        return np.exp(total)

    def integral(function):
        return integrate.quad(lambda k: function(k) * density(k), 0.05, 4.0, epsabs=1e-14, limit=400)[0]

    total = integral(lambda k: 1.0)
    mean = integral(lambda k: k) / total
    return mean, np.sqrt(integral(lambda k: (k - mean) ** 2) / total)
