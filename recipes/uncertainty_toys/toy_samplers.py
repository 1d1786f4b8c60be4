"""Every sampler on a posterior that is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from chebyshev import PRIOR, Expansion, Slopes, exact_posterior
from exact_toy import fixed_data

from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.uncertainty import (
    PSGLD,
    SGHMC,
    SGLD,
    SGNHT,
    ConstantSteps,
    ContourSGLD,
    CyclicalSteps,
    Kernel,
    NormalPrior,
    Schedule,
    adapted_nuts,
    convergence,
    sample_posterior,
)

CHAINS = 2
#: log p(data) of the fixed data, from an independent calculation.
LOG_EVIDENCE = -86.80744


@dataclass(frozen=True)
class Sampler:
    """How a posterior is sampled.

    Attributes:
        kernel: of the chains.
        schedule: of its step sizes.
        batch_size: how many of the 40 data it sees at a time.
        cost: gradients of a step; chains of costly steps are shorter.
    """

    kernel: Kernel
    schedule: Schedule
    batch_size: int
    cost: int = 1


SAMPLERS = {
    "sgld": Sampler(SGLD(), ConstantSteps(2e-4), 10),
    "sgld_large_steps": Sampler(SGLD(), ConstantSteps(2e-3), 10),
    "sgld_large_steps_all_data": Sampler(SGLD(), ConstantSteps(2e-3), 40),
    "sgld_cyclical": Sampler(SGLD(), CyclicalSteps(1e-3, 40), 10),
    "psgld": Sampler(PSGLD(0.99), ConstantSteps(2e-3), 10),
    "psgld_short_memory": Sampler(PSGLD(0.9), ConstantSteps(2e-3), 10),
    "psgld_large_steps_all_data": Sampler(PSGLD(0.99), ConstantSteps(2e-2), 40),
    "sghmc": Sampler(SGHMC(20, 10.0), ConstantSteps(3e-3), 40, cost=20),
    "sgnht": Sampler(SGNHT(10.0), ConstantSteps(3e-3), 40),
    "contour_sgld": Sampler(ContourSGLD(lowest=25.0, gap=0.5), ConstantSteps(5e-4), 40),
}


def sampled(request: Request, name: str, steps: int) -> Metrics:
    """Errors of mean and variance of the eight coefficients, in units of the exact deviations and variances."""
    s, forces = fixed_data()
    exact = exact_posterior(s, forces)
    start, prior = Expansion(jnp.asarray(exact.mean)), NormalPrior(PRIOR)
    if name == "nuts":
        likelihood = Slopes(s, forces, len(s))
        kernel, schedule = adapted_nuts(start, likelihood, prior=prior, seed=request.seed_of("nuts, adaptation"))
        sampler = Sampler(kernel, schedule, len(s), cost=20)
    else:
        sampler = SAMPLERS[name]
        likelihood = Slopes(s, forces, sampler.batch_size)
    length = steps // sampler.cost
    samples = sample_posterior(
        [start] * CHAINS,
        likelihood,
        sampler.kernel,
        sampler.schedule,
        steps=length,
        burn_in=length // 5,
        keep=length // 10,
        prior=prior,
        seed=request.seed_of(f"sampler {name}"),
        steps_per_update=min(2000, length // 10),
        show_progress=request.show_progress,
    )
    found = np.asarray(samples.models.stacked.coefficients)
    mean = samples.weights @ found
    ratios = samples.weights @ (found - mean) ** 2 / exact.deviation**2
    judged = convergence(samples.by_chain(found))
    return {
        f"posterior_mean_error/{name}": Metric(float(np.abs((mean - exact.mean) / exact.deviation).max()), None, "1"),
        # The one that is farthest from 1.
        f"posterior_variance_ratio/{name}": Metric(float(ratios[np.argmax(np.abs(np.log(ratios)))]), None, "1"),
        f"posterior_variance_ratio_smallest/{name}": Metric(float(ratios.min()), None, "1"),
        f"posterior_variance_ratio_largest/{name}": Metric(float(ratios.max()), None, "1"),
        f"r_hat/{name}": Metric(float(judged.r_hat.max()), None, "1"),
        f"effective_samples/{name}": Metric(float(judged.effective.min()), None, "1"),
    }


def exact_numbers() -> Metrics:
    """The evidence, beside an independent number."""
    return {"log_evidence": Metric(exact_posterior(*fixed_data()).log_evidence, None, "1", reference=LOG_EVIDENCE)}
