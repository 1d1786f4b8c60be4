"""The posterior of ε and σ from what is measured, and what its samples predict where nothing was."""

from __future__ import annotations

import math

import numpy as np
from argon_liquid import (
    EPSILON,
    INDEPENDENT,
    OBSERVABLES,
    PREDICTED_AT,
    SAMPLER,
    SIGMA,
    Scale,
    liquid,
    measurements,
    potential,
)

import mdfit as mf
from mdfit.observables import PotentialEnergy, Pressure
from mdfit.potentials import PotentialSet
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Request
from mdfit.uncertainty import (
    MeasurementLikelihood,
    NormalPrior,
    PosteriorSamples,
    SimulationPlan,
    convergence,
    credible_interval,
    estimate,
    laplace_nuts,
    sample_posterior,
)

#: Standard deviation of the prior, of the start that it is centred at.
PRIOR = 0.1
UNITS = {"epsilon": ("meV", 1000.0, EPSILON), "sigma": ("Å", 1.0, SIGMA)}


def sampled(request: Request, scale: Scale) -> PosteriorSamples:
    """Chains from starts around a guess that is 2 % off."""
    likelihood = MeasurementLikelihood(
        measurements(request, scale),
        SAMPLER,
        sample=scale.simulation.duration,
        every=scale.simulation.every,
        equilibrate=scale.simulation.equilibrate,
        replicas=scale.replicas,
        simulations=max(scale.chains, 2),
        independent=(None, None, INDEPENDENT),
    )
    guess = potential(0.98, 1.005)
    prior = NormalPrior.around(guess, PRIOR)
    random = np.random.default_rng(request.seed_of("starts"))
    starts = [potential(*(1 + np.array([0.02, 0.004]) * random.standard_normal(2))) for _ in range(scale.chains)]
    with request.timed("posterior"):
        kernel, schedule = laplace_nuts(guess, likelihood, prior=prior, size=0.2, seed=request.seed_of("shape"))
        return sample_posterior(
            starts,
            likelihood,
            kernel,
            schedule,
            steps=scale.steps,
            burn_in=scale.steps // 4,
            keep=scale.steps // 2,
            prior=prior,
            seed=request.seed_of("posterior"),
            out=request.out / "posterior",
            show_progress=request.show_progress,
        )


def parameters(samples: PosteriorSamples) -> dict[str, np.ndarray]:
    """``(samples,)`` of ε in meV and σ in Å, chain by chain."""
    return {name: np.asarray(getattr(samples.models.stacked, name)) * factor for name, (_, factor, _) in UNITS.items()}


def judged(samples: PosteriorSamples) -> Metrics:
    """Intervals of both parameters against the truth, and whether chains agree."""
    metrics: Metrics = {}
    for name, values in parameters(samples).items():
        unit, factor, truth = UNITS[name]
        interval, told = credible_interval(values), convergence(samples.by_chain(values))
        mean, spread = float(interval.mean), float(interval.spread)
        metrics |= {
            name: Metric(mean, spread, unit, "; ".join(told.warnings), reference=truth * factor),
            f"{name}/low": Metric(float(interval.low), None, unit),
            f"{name}/high": Metric(float(interval.high), None, unit),
            f"{name}/z": Metric((mean - truth * factor) / spread, None, "1"),
            f"{name}/r_hat": Metric(float(told.r_hat), None, "1"),
            f"{name}/effective_samples": Metric(float(told.effective), None, "1"),
        }
    both = np.corrcoef(list(parameters(samples).values()))
    history = samples.fit.history
    return metrics | {
        "correlation": Metric(float(both[0, 1]), None, "1"),
        "renewals": Metric(float(sum(record["renewals"] for record in history)), None, "1"),
        "smallest_effective_size": Metric(min(record["effective_size"] for record in history), None, "1"),
    }


def predicted(request: Request, scale: Scale, samples: PosteriorSamples) -> Metrics:
    """Energy and pressure at another temperature: intervals from samples, against the true potential."""
    at, wanted = liquid(request, PREDICTED_AT), [PotentialEnergy(), Pressure()]
    assert {type(one) for one in wanted} <= {type(one) for one in OBSERVABLES}
    chosen = np.linspace(0, len(samples.models) - 1, scale.members).round().astype(int)
    members = PotentialSet.of([samples.models[int(index)] for index in chosen])
    mean = {name: float(values.mean()) / UNITS[name][1] for name, values in parameters(samples).items()}
    driver = potential(mean["epsilon"] / EPSILON, mean["sigma"] / SIGMA)
    lengths = scale.reference
    plan = SimulationPlan(at, SAMPLER, lengths.duration, lengths.every, lengths.equilibrate, scale.replicas)
    with request.timed("prediction"):
        found = estimate(
            wanted, members, plan, request.key("prediction"), made_by=driver, out=request.out / "prediction"
        ).estimates
    truth = request.simulate("reference_120K", potential(), at, SAMPLER, lengths, replicas=scale.replicas)
    metrics: Metrics = {}
    for name, one in zip(("energy", "pressure"), found, strict=True):
        reference = mf.estimate(wanted[name == "pressure"], truth)
        low, high = one.interval()
        error = math.hypot(float(one.total_error), float(reference.standard_error))
        metrics |= {
            f"120K/{name}": Metric(
                float(one.value), float(one.total_error), one.unit, "; ".join(one.warnings), float(reference.value)
            ),
            f"120K/{name}/of_potential": Metric(float(one.potential_error), None, one.unit),
            f"120K/{name}/low": Metric(float(low), None, one.unit),
            f"120K/{name}/high": Metric(float(high), None, one.unit),
            f"120K/{name}/z": Metric((float(one.value) - float(reference.value)) / error, None, "1"),
        }
    return metrics
