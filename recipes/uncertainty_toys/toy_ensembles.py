"""Networks: chains and ensembles on repeated data sets, judged by how often their intervals hold the truth."""

from __future__ import annotations

import jax
import numpy as np
from exact_toy import EXACT, GRID, OBSERVABLES, data, density, energy, observables
from toy_coverage import coverage_metrics
from toy_network import Network, NetworkSlopes, SlopeErrors, descent, energies

from mdfit.models import ModelSet
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.uncertainty import (
    PSGLD,
    PolynomialSteps,
    convergence,
    credible_interval,
    member_indices,
    sample_posterior,
    train_ensemble,
)
from mdfit.uncertainty.ensembles import Variant

MEMBERS = 8
VARIANTS: dict[str, Variant] = {
    "ensemble_same_split": "same split",
    "ensemble_random_splits": "random splits",
    "ensemble_bootstrap": "bootstrap",
}
#: Where there is something to be right about.
OCCUPIED = density(energy(GRID)) > 0.02

Data = tuple[np.ndarray, np.ndarray]


def data_sets(request: Request, number: int, count: int) -> list[Data]:
    """The same for all methods."""
    random = np.random.default_rng(request.seed_of(f"{number} data"))
    return [data(number, random) for _ in range(count)]


def starts(request: Request, name: str, count: int) -> list[Network]:
    """So many networks for each of several data sets, drawn from the prior."""
    return [Network.random(key) for key in jax.random.split(request.key(name), count)]


def ensembles(request: Request, method: str, number: int, count: int, updates: int) -> Metrics:
    """Of one kind, all members of all data sets side by side."""
    train, validate = [], []
    for index, (s, forces) in enumerate(data_sets(request, number, count)):
        for used, left in member_indices(number, MEMBERS, VARIANTS[method], seed=index):
            train.append(SlopeErrors(s[used], forces[used]))
            validate.append(SlopeErrors(s[left], forces[left]))
    trained = train_ensemble(
        starts(request, f"{method} {number}", count * MEMBERS),
        train,
        optimizer=descent(3e-3, 3e-5, updates),
        validate_on=validate,
        steps=updates,
        side_by_side=True,
        seed=request.seed_of(f"{method} {number}"),
        show_progress=request.show_progress,
    )
    found = energies(trained.models).reshape(count, MEMBERS, -1)
    return judged(method if number == 100 else f"{method}_{number}", found)


def chains(request: Request, temperature: float, number: int, count: int, steps: int) -> Metrics:
    """PSGLD with eight chains for each data set, and what the first of them says alone."""
    sets = data_sets(request, number, count)
    first = [SlopeErrors(*one) for one in sets for _ in range(MEMBERS)]
    begun = train_ensemble(
        starts(request, "chains", count * MEMBERS),
        first,
        optimizer=descent(1e-2, 1e-3, 300),
        steps=300,
        side_by_side=True,
        show_progress=request.show_progress,
    ).models
    found, r_hats = [], []
    for index, one in enumerate(sets):
        samples = sample_posterior(
            [begun[index * MEMBERS + chain] for chain in range(MEMBERS)],
            NetworkSlopes(*one),
            PSGLD(0.99),
            PolynomialSteps(2e-3, 2e-4),
            steps=steps,
            burn_in=steps // 2,
            keep=20,
            temperature=temperature,
            seed=request.seed_of(f"chains {temperature} {index}"),
            steps_per_update=max(steps // 20, 1),
            show_progress=request.show_progress,
        )
        found.append(energies(samples.models))
        r_hats.append(convergence(samples.by_chain(observables(found[-1]))).r_hat.max())
    cold = "" if temperature == 1 else f"_temperature_{temperature:g}"
    metrics = judged(f"psgld_{MEMBERS}_chains{cold}", np.stack(found))
    metrics[f"r_hat/psgld_{MEMBERS}_chains{cold}"] = Metric(float(np.median(r_hats)), None, "1")
    return metrics | judged(f"psgld_1_chain{cold}", np.stack(found)[:, :20])


def judged(method: str, found: np.ndarray) -> Metrics:
    """From energies ``(data sets, models, grid)``: coverage, spread, error of the mean, and coverage of the density."""
    truth = density(energy(GRID))[OCCUPIED]
    intervals = [credible_interval(observables(one)) for one in found]
    densities = [credible_interval(density(one)[:, OCCUPIED]) for one in found]
    metrics = coverage_metrics(method, np.stack([interval.holds(EXACT) for interval in intervals]))
    held = np.array([interval.holds(truth).mean() for interval in densities])
    error = float(held.std(ddof=1) / np.sqrt(len(held))) if len(held) > 1 else None
    metrics[f"coverage/{method}/density"] = Metric(float(held.mean()), error, "1")
    for name, unit, column in zip(OBSERVABLES, ("kT", "1", "1"), range(len(OBSERVABLES)), strict=True):
        spread = np.median([interval.spread[column] for interval in intervals])
        off = np.median([abs(interval.mean[column] - EXACT[column]) for interval in intervals])
        metrics[f"spread/{method}/{name}"] = Metric(float(spread), None, unit)
        metrics[f"error_of_mean/{method}/{name}"] = Metric(float(off), None, unit)
    return metrics


def one_ensemble(request: Request, number: int, updates: int) -> ModelSet:
    """For the figure: a bootstrap ensemble on one data set."""
    ((s, forces),) = data_sets(request, number, 1)
    parts = member_indices(number, MEMBERS, "bootstrap")
    return train_ensemble(
        starts(request, "figure", MEMBERS),
        [SlopeErrors(s[used], forces[used]) for used, _ in parts],
        optimizer=descent(3e-3, 3e-5, updates),
        validate_on=[SlopeErrors(s[left], forces[left]) for _, left in parts],
        steps=updates,
        side_by_side=False,
        show_progress=request.show_progress,
    ).models
