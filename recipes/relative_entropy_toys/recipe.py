"""Relative entropy and force matching where everything is known exactly.

Five checks: the gradient of the relative entropy, a bond between two beads, how both methods fare with few data, how
relative entropy repairs a long time step, and what the prior does.  After S. Thaler, M. Stupp, J. Zavadlav, J. Chem. Phys.
157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from toy_bond import LENGTH, STIFFNESS, learned, moments
from toy_exact import derivative_errors, errors, force_matching, relative_entropy
from toy_figures import draw_data_efficiency, draw_densities, draw_time_steps
from toy_model import GRID, energy, samples
from toy_simulated import (
    force_matched_without_noise,
    from_samples,
    harmonic_stiffness,
    squared_error_at,
    trained_at,
)

from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.storage import read_json, write_json

SCALES = ("cpu", "demo")
METHODS = ("force_matching", "relative_entropy")


@dataclass(frozen=True)
class Scale:
    """Sizes: seeds of the exact solutions and of the simulated ones, numbers of samples, updates, time steps."""

    seeds: int = 20
    numbers: tuple[int, ...] = (1000, 3000, 10000, 30000)
    simulated_seeds: int = 5
    simulated_numbers: tuple[int, ...] = (1000, 10000)
    updates: int = 100
    bond_frames: int = 5000
    bond_chains: int = 64
    bond_updates: int = 40
    steps: tuple[float, ...] = (0.002, 0.004, 0.006, 0.008, 0.01)


SCALE_OF = {
    "cpu": Scale(),
    "demo": Scale(2, (1000, 3000), 1, (1000,), 3, 200, 4, 2, (0.01,)),
}


def run(request: Request) -> Metrics:
    """All checks one after the other."""
    scale = SCALE_OF[request.scale]
    stages = {
        "gradient": lambda: _gradient(request),
        "bond": lambda: _bond(request, scale),
        "data": lambda: _data(request, scale),
        "simulated": lambda: _simulated(request, scale),
        "time_step": lambda: _time_step(request, scale),
    }
    metrics: Metrics = {}
    for name, stage in stages.items():
        metrics |= request.stage(name, stage)
    _draw(request)
    return metrics


def _gradient(request: Request) -> Metrics:
    first, second = derivative_errors(request.seed)
    return {
        "gradient/relative_error": Metric(first, None, "1"),
        "second_derivative/relative_error": Metric(second, None, "1"),
    }


def _bond(request: Request, scale: Scale) -> Metrics:
    length, stiffness = learned(scale.bond_frames, scale.bond_chains, scale.bond_updates, request.seed)
    mean, from_variance = moments(scale.bond_frames, request.seed)
    return {
        "bond/length": Metric(length, None, "Å"),
        "bond/length_error": Metric(length - LENGTH, None, "Å"),
        "bond/stiffness_ratio": Metric(stiffness / STIFFNESS, None, "1"),
        "bond/length_error_of_mean": Metric(mean - LENGTH, None, "Å"),
        "bond/stiffness_ratio_of_variance": Metric(from_variance / STIFFNESS, None, "1"),
    }


def _data(request: Request, scale: Scale) -> Metrics:
    """Errors by number of samples, with the usual prior; by prior, with the fewest samples."""
    metrics, kept = {}, {}
    for prior in ("quartic", "none", "wrong"):
        for number in scale.numbers if prior == "quartic" else scale.numbers[:1]:
            found = [errors(number, request.seed + seed, prior) for seed in range(scale.seeds)]
            squared = {method: np.array([one[method][0] for one in found]) for method in METHODS}
            wells = {method: np.array([one[method][1] for one in found]) for method in METHODS}
            name = f"{number}" if prior == "quartic" else f"{number}/prior_{prior}"
            for method in METHODS:
                metrics[f"density_ise/{method}/{name}"] = _median(squared[method], "1/Å")
                rms = float(np.sqrt(np.mean(wells[method] ** 2)))
                metrics[f"well_difference_error/{method}/{name}"] = Metric(rms, None, "kT")
            ratio = squared["force_matching"], squared["relative_entropy"]
            metrics[f"density_ise_ratio_fm_over_re/{name}"] = _ratio_of_medians(*ratio)
            better = float(np.mean(ratio[1] < ratio[0]))
            metrics[f"share_of_seeds_where_re_is_better/{name}"] = Metric(better, None, "1")
            kept[name] = {method: squared[method].tolist() for method in METHODS}
    write_json(request.out / "data_efficiency.json", kept)
    return metrics


def _simulated(request: Request, scale: Scale) -> Metrics:
    kept = {
        str(number): [from_samples(number, request.seed + seed, scale.updates) for seed in range(scale.simulated_seeds)]
        for number in scale.simulated_numbers
    }
    write_json(request.out / "simulated.json", kept)
    return {f"density_ise/simulated/{n}": _median(np.array(v), "1/Å") for n, v in kept.items()}


def _time_step(request: Request, scale: Scale) -> Metrics:
    stiffness, variance = harmonic_stiffness(0.4, request.seed)
    metrics = {
        "harmonic/stiffness": Metric(stiffness, None, "1"),
        "harmonic/sampled_variance": Metric(variance, None, "1"),
        "harmonic/sampled_variance_of_force_matching": Metric(1 / (1 - 0.4 / 2), None, "1"),
    }
    matched = energy(force_matched_without_noise(), GRID)
    kept: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for step in scale.steps:
        kept["force_matching"][str(step)] = squared_error_at(matched, step)
        kept["relative_entropy"][str(step)] = squared_error_at(trained_at(step, request.seed, scale.updates), step)
    metrics["density_ise/force_matching/small_step"] = Metric(squared_error_at(matched, 0.001), None, "1/Å")
    for method, by_step in kept.items():
        for step, value in by_step.items():
            metrics[f"density_ise/{method}/step_{step}"] = Metric(value, None, "1/Å")
    write_json(request.out / "time_steps.json", kept)
    return metrics


def _draw(request: Request) -> None:
    data = read_json(request.out / "data_efficiency.json")
    plain = {name: values for name, values in data.items() if name.isdigit()}
    by_method = {method: {n: np.array(values[method]) for n, values in plain.items()} for method in METHODS}
    simulated = {int(n): values for n, values in read_json(request.out / "simulated.json").items()}
    draw_data_efficiency(by_method, simulated, request.out / "data_efficiency.png")
    q, forces = samples(1000, request.seed)
    fits = {"force_matching": force_matching(q, forces, "quartic"), "relative_entropy": relative_entropy(q, "quartic")}
    draw_densities(fits, request.out / "densities.png")
    steps = read_json(request.out / "time_steps.json")
    draw_time_steps(
        {method: {float(h): value for h, value in by_step.items()} for method, by_step in steps.items()},
        request.out / "time_steps.png",
    )


def _median(values: np.ndarray, unit: str) -> Metric:
    return Metric(float(np.median(values)), float(np.std(np.median(_drawn_anew(values), axis=1))), unit)


def _ratio_of_medians(above: np.ndarray, below: np.ndarray) -> Metric:
    ratios = np.median(_drawn_anew(above), axis=1) / np.median(_drawn_anew(below), axis=1)
    return Metric(float(np.median(above) / np.median(below)), float(np.std(ratios)), "1")


def _drawn_anew(values: np.ndarray) -> np.ndarray:
    """A thousand sets of as many of the values, for the standard errors of medians; the same draws each time."""
    return values[np.random.default_rng(0).integers(0, len(values), (1000, len(values)))]
