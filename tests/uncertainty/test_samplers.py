"""Samplers against a posterior that is known exactly, with fixed seeds.

Bounds are five standard errors of the chains beyond the bias that steps of this size have: a false alarm in less than one
of a million cases.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_model import NOISE, PRIOR, Points, StraightLine, exact, points
from scipy import integrate

from mdfit.errors import TrainingError
from mdfit.models import Model, trainable
from mdfit.uncertainty import (
    PSGLD,
    SGHMC,
    SGLD,
    SGNHT,
    ConstantSteps,
    ContourSGLD,
    CyclicalSteps,
    FlatPrior,
    NormalPrior,
    adapted_nuts,
    convergence,
    laplace_nuts,
    sample_posterior,
)

pytestmark = pytest.mark.optimised


def chains(kernel, schedule, batch_size=40, steps=20_000, **settings):
    likelihood = settings.pop("likelihood", None) or Points(*points(), batch_size)
    settings = {"prior": NormalPrior(PRIOR), "seed": 3, "steps_per_update": 2000, "keep": 2000, **settings}
    starts = settings.pop("starts", [StraightLine.zero()] * 2)
    return sample_posterior(
        starts, likelihood, kernel, schedule, steps=steps, burn_in=steps // 5, show_progress=False, **settings
    )


def moments(samples):
    found = np.asarray(samples.models.stacked.weights)
    mean = samples.weights @ found
    effective = convergence(samples.by_chain(found)).effective.min()
    return mean, samples.weights @ (found - mean) ** 2, effective


def check(samples, temperature=1.0, widest=1.0):
    """Mean and variance, the latter at most ``widest`` times too large by the steps."""
    mean, covariance = exact(*points(), temperature)
    found, variance, effective = moments(samples)
    deviation = np.sqrt(np.diag(covariance))
    assert effective > 300
    assert (np.abs(found - mean) < 5 * deviation / np.sqrt(effective)).all()
    ratio = variance / deviation**2
    slack = 5 * np.sqrt(2 / effective)
    assert (ratio > 1 - slack).all()
    assert (ratio < widest * (1 + slack)).all()


@pytest.mark.parametrize(
    ("kernel", "schedule", "batch_size", "widest"),
    [
        (SGLD(), ConstantSteps(1e-3), 40, 1.1),
        # The noise of batches adds to that of the dynamics.
        (SGLD(), ConstantSteps(3e-4), 10, 1.1),
        (PSGLD(0.99), ConstantSteps(1e-2), 40, 1.25),
        (PSGLD(0.99), ConstantSteps(3e-3), 10, 1.7),
        (SGHMC(10, 5.0), ConstantSteps(1e-2), 40, 1.15),
        (SGNHT(10.0), ConstantSteps(5e-3), 40, 1.15),
        (ContourSGLD(lowest=-20.0, gap=0.5), ConstantSteps(1e-3), 40, 1.15),
        (SGLD(), CyclicalSteps(4e-3, 100, exploration=0.5), 40, 1.15),
    ],
    ids=["sgld", "sgld_batches", "psgld", "psgld_batches", "sghmc", "sgnht", "contour", "cyclical"],
)
def test_the_exact_posterior(kernel, schedule, batch_size, widest):
    steps = 40_000 if batch_size == 40 else 30_000
    check(chains(kernel, schedule, batch_size, steps), widest=widest)


@pytest.mark.parametrize("kernel", [SGLD(), SGHMC(10, 5.0), SGNHT(10.0)], ids=["sgld", "sghmc", "sgnht"])
def test_variances_are_in_proportion_to_the_temperature(kernel):
    size = 1e-3 if isinstance(kernel, SGLD) else 5e-3
    check(chains(kernel, ConstantSteps(size), steps=40_000, temperature=0.1), temperature=0.1, widest=1.15)


def test_nuts_is_exact():
    likelihood = Points(*points(), 40)
    kernel, schedule = adapted_nuts(StraightLine.zero(), likelihood, prior=NormalPrior(PRIOR), steps=300)
    check(chains(kernel, schedule, steps=2000, steps_per_update=400, keep=1600))
    with pytest.raises(TrainingError, match="NUTS needs all data at once"):
        adapted_nuts(StraightLine.zero(), Points(*points(), 10))


class Separate(Model):
    """The same line, with parameters of their own."""

    height: jax.Array
    slope: jax.Array

    @property
    def weights(self):
        return jnp.stack([self.height, self.slope])

    @classmethod
    def skeleton(cls, settings):
        return cls(jnp.zeros(()), jnp.zeros(()))


def test_adapted_nuts_leaves_what_is_not_sampled():
    """The height given a slope of 0, whose posterior is that of one column alone."""

    def height_alone(model):
        return eqx.tree_at(lambda flags: flags.slope, trainable(model), False)

    start, likelihood = Separate(jnp.zeros(()), jnp.zeros(())), Points(*points(), 40)
    settings = {"prior": NormalPrior(PRIOR), "train_only": height_alone}
    kernel, schedule = adapted_nuts(start, likelihood, steps=300, **settings)
    found = chains(kernel, schedule, steps=2000, steps_per_update=400, keep=1600, starts=[start] * 2, **settings)
    _, values = points()
    precision = len(values) / NOISE**2 + 1 / PRIOR**2
    heights = np.asarray(found.models.stacked.height)
    assert not np.asarray(found.models.stacked.slope).any()
    effective = float(convergence(found.by_chain(heights)).effective)
    # Four standard errors: a false alarm in 16,000.
    assert abs(heights.mean() - values.sum() / NOISE**2 / precision) < 4 / np.sqrt(precision * effective)
    assert heights.var() * precision == pytest.approx(1, abs=4 * np.sqrt(2 / effective))


def test_nuts_in_the_shape_of_the_top():
    likelihood = Points(*points(), 40)
    kernel, schedule = laplace_nuts(StraightLine.zero(), likelihood, prior=NormalPrior(PRIOR))
    np.testing.assert_allclose(kernel.inverse_mass, exact(*points())[1], rtol=1e-4, atol=1e-12)
    check(chains(kernel, schedule, steps=2000, steps_per_update=400, keep=1600))
    with pytest.raises(TrainingError, match="NUTS needs all data at once"):
        laplace_nuts(StraightLine.zero(), Points(*points(), 10))
    with pytest.raises(TrainingError, match="300 parameters are too many for a Hessian"):
        laplace_nuts(StraightLine.zero(300), likelihood)


def test_noise_scales_are_sampled_with_their_prior():
    """σ of values whose mean is known to be zero: the density is the likelihood times exp(−σ), by quadrature."""
    features, values = np.zeros((12, 2)), np.random.default_rng(1).normal(0, 0.8, 12)
    samples = chains(
        SGLD(), ConstantSteps(2e-3), likelihood=Points(features, values, 12, sampled=True), steps=60_000, keep=4000
    )
    sigma = samples.noise["values"]

    def density(s):
        return s**-12 * np.exp(-0.5 * np.sum(values**2) / s**2 - s)

    total = integrate.quad(density, 0.1, 10)[0]
    mean = integrate.quad(lambda s: s * density(s), 0.1, 10)[0] / total
    deviation = np.sqrt(integrate.quad(lambda s: (s - mean) ** 2 * density(s), 0.1, 10)[0] / total)
    effective = float(convergence(sigma).effective)
    assert effective > 300
    assert abs(sigma.mean() - mean) < 5 * deviation / np.sqrt(effective)
    assert sigma.std() == pytest.approx(deviation, rel=0.15)


def test_a_flat_prior_leaves_the_likelihood():
    samples = chains(SGLD(), ConstantSteps(1e-3), steps=40_000, prior=FlatPrior())
    features, values = points()
    found, _, effective = moments(samples)
    fitted = np.linalg.lstsq(features, values, rcond=None)[0]
    assert (np.abs(found - fitted) < 5 * 0.16 / np.sqrt(effective)).all()


def test_priors_have_widths_and_centres_of_their_own():
    one, two = StraightLine.zero(), StraightLine.zero()
    import equinox as eqx

    centre = eqx.tree_at(lambda line: line.weights, one, np.asarray([1.0, -1.0]))
    scale = eqx.tree_at(lambda line: line.weights, two, np.asarray([0.5, 2.0]))
    found = NormalPrior(scale, centre).log_density(StraightLine.zero())
    assert float(found) == pytest.approx(-0.5 * (4 + 0.25))
    with pytest.raises(TrainingError, match="above 0"):
        NormalPrior(0.0)
