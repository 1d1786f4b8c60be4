"""Both methods with exact averages: force matching is a linear least-squares problem, relative entropy a convex one."""

from __future__ import annotations

import numpy as np
from toy_model import GRID, Basis, mean_force_potential, normalised, samples, squared_error, well_difference

from mdfit.recipes.metrics import Metric, Metrics

#: Strengths of the penalty Σ c² among which force matching chooses by the error of a fifth of its samples: the strongest
#: within one standard error of the best.
PENALTIES = 10.0 ** np.arange(-8, 4)


def force_matching(q: np.ndarray, forces: np.ndarray, prior: str) -> np.ndarray:
    """Coefficients of the spline whose forces are closest to the instantaneous ones.

    Where there are few samples, noise alone would dig wells; a penalty on the coefficients prevents the worst of it.
    """
    at = Basis.at(q, prior)
    design, target = -at.slopes, forces + at.prior_slopes
    kept = np.arange(len(q)) % 5 > 0

    def solved(penalty, rows):
        matrix = design[rows].T @ design[rows] + penalty * np.eye(design.shape[1])
        return np.linalg.solve(matrix, design[rows].T @ target[rows])

    left_out = np.array([(design[~kept] @ solved(p, kept) - target[~kept]) ** 2 for p in PENALTIES])
    best = left_out[left_out.mean(axis=1).argmin()]
    good = left_out.mean(axis=1) <= best.mean() + best.std() / np.sqrt(len(best))
    return solved(PENALTIES[good].max(), slice(None))


def relative_entropy(q: np.ndarray, prior: str, most_steps: int = 200) -> np.ndarray:
    """Coefficients at the minimum of <U>_samples + ln ∫ exp(−U), by Newton's method."""
    grid = Basis.at(GRID, prior)
    mean = Basis.at(q, prior).values.mean(axis=0)
    coefficients = np.zeros(grid.values.shape[1])

    def loss(c):
        exponent = -(grid.values @ c + grid.prior)
        return mean @ c + exponent.max() + np.log(np.sum(np.exp(exponent - exponent.max())))

    for _ in range(most_steps):
        weights = normalised(grid.values @ coefficients + grid.prior) * (GRID[1] - GRID[0])
        gradient = mean - weights @ grid.values
        deviations = grid.values - weights @ grid.values
        # Where there is neither sample nor density the loss is flat.
        curvature = (deviations * weights[:, None]).T @ deviations + 1e-7 * np.eye(len(gradient))
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while loss(coefficients - size * step) > loss(coefficients) and size > 1e-6:
            size /= 2
        coefficients = coefficients - size * step
        if np.abs(gradient).max() < 1e-8:
            break
    return coefficients


def errors(case: str, number: int, seed: int, prior: str) -> Metrics:
    """``density_ise`` and ``well_difference`` of both methods, errors of the density and of the difference of the wells."""
    q, forces = samples(number, seed)
    grid = Basis.at(GRID, prior)
    exact = well_difference(normalised(mean_force_potential(GRID)))
    fits = {"force_matching": force_matching(q, forces, prior), "relative_entropy": relative_entropy(q, prior)}
    metrics: Metrics = {}
    for method, coefficients in fits.items():
        density = normalised(grid.values @ coefficients + grid.prior)
        metrics[f"density_ise/{method}/{case}"] = Metric(squared_error(density), None, "1/Å")
        metrics[f"well_difference/{method}/{case}"] = Metric(well_difference(density) - exact, None, "kT")
    return metrics


def derivative_errors(seed: int) -> tuple[float, float]:
    """Relative errors of the gradient and of the second derivative of the relative entropy, by finite differences.

    A polynomial of degree 1 to 5 on a quartic wall, with quadrature for both averages.
    """
    powers = np.stack([GRID**k for k in range(1, 6)], axis=1) * [1, 1, 1, 1, 0.01]
    wall, spacing = 0.5 * GRID**4, GRID[1] - GRID[0]
    reference = normalised(mean_force_potential(GRID)) * spacing
    theta = 0.3 * np.random.default_rng(seed).normal(size=5)

    def loss(at):
        return float(reference @ (powers @ at) + np.log(np.sum(np.exp(-(powers @ at + wall)))))

    def gradient(at):
        return reference @ powers - normalised(powers @ at + wall) * spacing @ powers

    weights = normalised(powers @ theta + wall) * spacing
    deviations = powers - weights @ powers
    exact = gradient(theta), (deviations * weights[:, None]).T @ deviations
    moves = 1e-4 * np.eye(5)
    differences = (np.array([(of(theta + m) - of(theta - m)) / 2e-4 for m in moves]) for of in (loss, gradient))
    first, second = (float(np.abs(d - e).max() / np.abs(e).max()) for d, e in zip(differences, exact, strict=True))
    return first, second
