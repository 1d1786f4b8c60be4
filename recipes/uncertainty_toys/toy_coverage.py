"""How often exact credible intervals hold the truth: with the right model, at a low temperature, and with a wrong model."""

from __future__ import annotations

import numpy as np
from chebyshev import ALL, energies, exact_posterior
from exact_toy import EXACT, OBSERVABLES, data, observables

from mdfit.recipes.metrics import Metric, Metrics
from mdfit.uncertainty import Coverage, credible_interval

#: Orders of the polynomials, number of data, temperature of the posterior.
CASES: dict[str, tuple[tuple[int, ...], int, float]] = {
    "exact_200": (ALL, 200, 1.0),
    "exact_1000": (ALL, 1000, 1.0),
    "exact_200_temperature_0.1": (ALL, 200, 0.1),
    "exact_even_200": ((2, 4, 6, 8), 200, 1.0),
    "exact_quadratic_1000": ((1, 2), 1000, 1.0),
}
DRAWS = 1000


def coverage_of(case: str, data_sets: int, seed: int) -> Metrics:
    """Over repeated data sets, intervals of 95 % by quantiles."""
    orders, number, temperature = CASES[case]
    random = np.random.default_rng(seed)
    intervals = []
    for _ in range(data_sets):
        posterior = exact_posterior(*data(number, random), orders)
        drawn = posterior.draw(DRAWS, random, temperature)
        intervals.append(credible_interval(observables(energies(drawn, orders))))
    held = np.stack([interval.holds(EXACT) for interval in intervals])
    widths = np.stack([interval.width for interval in intervals])
    metrics = coverage_metrics(case, held)
    mean, error = float(widths[:, 0].mean()), float(widths[:, 0].std(ddof=1) / np.sqrt(data_sets))
    return metrics | {f"interval_width/{case}/{OBSERVABLES[0]}": Metric(mean, error, "kT")}


def coverage_metrics(method: str, held: np.ndarray) -> Metrics:
    """The part of intervals ``(data sets, observables)`` that hold the truth; the error is that of a binomial number."""
    metrics: Metrics = {}
    for name, column in zip(OBSERVABLES, held.T, strict=True):
        coverage = Coverage(int(column.sum()), len(column))
        low, high = coverage.interval(0.6827)
        metrics[f"coverage/{method}/{name}"] = Metric(coverage.value, (high - low) / 2, "1")
    return metrics
