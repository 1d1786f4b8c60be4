"""Relative entropy and force matching where everything is known exactly.

Five checks: the gradient of the relative entropy, a bond between two beads, how both methods fare with few data, how
relative entropy repairs a long time step, and what the prior does.  After S. Thaler, M. Stupp, J. Zavadlav, J. Chem. Phys.
157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from toy_bond import bond_metrics
from toy_exact import derivative_errors, errors, force_matching, relative_entropy
from toy_model import GRID, Basis, mean_force_potential, normalised, samples
from toy_simulated import force_matched_without_noise, from_samples, harmonic_stiffness, squared_error_at, trained_at

from mdfit.observables import bootstrap
from mdfit.recipes.figures import Plot, Series, metric_series
from mdfit.recipes.methods import Descent, Entropy
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Sampling
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo")
METHODS = {"force_matching": "force matching", "relative_entropy": "relative entropy"}
DENSITY = "squared error of density (1/Å)"


@dataclass(frozen=True)
class Scale:
    """Sizes: seeds of the exact solutions and of the simulated ones, numbers of samples, updates, time steps.

    ``simulated_updates`` are those from samples, ``updates`` those at each time step.
    """

    seeds: int = 20
    numbers: tuple[int, ...] = (1000, 3000, 10000, 30000)
    simulated_seeds: int = 3
    simulated_numbers: tuple[int, ...] = (1000, 10000)
    simulated_updates: int = 60
    updates: int = 100
    bond_frames: int = 5000
    bond_chains: int = 64
    bond_updates: int = 40
    steps: tuple[float, ...] = (0.002, 0.004, 0.006, 0.008, 0.01)


SCALE_OF = {"cpu": Scale(), "demo": Scale(2, (1000, 3000), 1, (1000,), 3, 3, 200, 4, 2, (0.01,))}


def run(request: Request) -> Metrics:
    """All checks one after the other."""
    scale = SCALE_OF[request.scale]
    bond = Entropy(
        Descent(scale.bond_updates, (0.5, 0.05), damping=0.0),
        Sampling("10 ps", "2 ps", "0.1 ps"),
        chains=scale.bond_chains,
        step_ratio=0.1,
    )
    metrics = request.stage("gradient", lambda: gradient(request.seed))
    metrics |= request.stage("bond", lambda: bond_metrics(request, scale.bond_frames, bond))
    metrics |= data_efficiency(request, scale)
    metrics |= request.stage("harmonic", lambda: harmonic(request))
    metrics |= time_steps(request, scale)
    request.draw("densities", *densities(request.seed))
    return metrics


def gradient(seed: int) -> Metrics:
    """Against finite differences."""
    names = ("gradient/relative_error", "second_derivative/relative_error")
    return {name: Metric(error, None, "1") for name, error in zip(names, derivative_errors(seed), strict=True)}


def data_efficiency(request: Request, scale: Scale) -> Metrics:
    """Errors by number of samples, with the usual prior; by prior, with the fewest samples; with simulated averages."""
    cases = {f"{number}": (number, "quartic") for number in scale.numbers}
    cases |= {f"{scale.numbers[0]}/prior_{prior}": (scale.numbers[0], prior) for prior in ("none", "wrong")}

    def exact(seed: int) -> Metrics:
        metrics: Metrics = {}
        for case, (number, prior) in cases.items():
            metrics |= errors(case, number, seed, prior)
        return metrics

    def simulated(seed: int) -> Metrics:
        names = {number: f"simulated_{number}_{seed}" for number in scale.simulated_numbers}
        found = {n: from_samples(request, name, n, seed, scale.simulated_updates) for n, name in names.items()}
        return {f"density_ise/simulated/{number}": Metric(error, None, "1/Å") for number, error in found.items()}

    own = request.own_seeds(scale.seeds)
    seeds = list(request.sweep("exact", own, exact).values())
    few = list(request.sweep("simulated", own[: scale.simulated_seeds], simulated).values())
    metrics: Metrics = {}
    for case in cases:
        metrics |= compared(seeds, case)
    metrics |= {name: median(values_of(few, name), "1/Å") for name in few[0]}
    for number in scale.simulated_numbers:
        matched = metrics[f"density_ise/force_matching/{number}"].value
        ratio = matched / metrics[f"density_ise/simulated/{number}"].value
        metrics[f"density_ise_ratio_fm_over_simulated/{number}"] = Metric(ratio, None, "1")
    every = {method: (text, seeds, scale.numbers) for method, text in METHODS.items()}
    every["simulated"] = ("relative entropy, simulated", few, scale.simulated_numbers)
    points = [all_seeds(method, *of) for method, of in every.items()]
    medians = [
        metric_series(text, metrics, f"density_ise/{method}/{{}}", scale.numbers) for method, text in METHODS.items()
    ]
    title = "Error against the number of samples"
    request.draw(
        "data_efficiency",
        Plot(title=title, x="samples", y=DENSITY, series=[*medians, *points], x_scale="log", y_scale="log"),
    )
    return metrics


def compared(seeds: list[Metrics], case: str) -> Metrics:
    """Both methods over all seeds: errors, the ratio of their medians, and how often relative entropy is better."""
    squared = {method: values_of(seeds, f"density_ise/{method}/{case}") for method in METHODS}
    metrics = {f"density_ise/{method}/{case}": median(values, "1/Å") for method, values in squared.items()}
    for method in METHODS:
        wells = values_of(seeds, f"well_difference/{method}/{case}")
        metrics[f"well_difference_error/{method}/{case}"] = Metric(float(np.sqrt(np.mean(wells**2))), None, "kT")
    both = np.stack(list(squared.values()), axis=1)
    ratio, error = bootstrap(lambda drawn: np.divide(*np.median(drawn, axis=0)), both, draws=1000, seed=0)
    metrics[f"density_ise_ratio_fm_over_re/{case}"] = Metric(float(ratio), float(error), "1")
    better = float(np.mean(both[:, 1] < both[:, 0]))
    return metrics | {f"share_of_seeds_where_re_is_better/{case}": Metric(better, None, "1")}


def values_of(seeds: list[Metrics], name: str) -> np.ndarray:
    """Of a metric, one for each seed."""
    return np.array([metrics[name].value for metrics in seeds])


def median(values: np.ndarray, unit: str) -> Metric:
    """With the standard error that comes from drawing seeds with replacement."""
    value, error = bootstrap(np.median, values, draws=1000, seed=0)
    return Metric(float(value), float(error), unit)


def all_seeds(method: str, label: str, seeds: list[Metrics], numbers: tuple[int, ...]) -> Series:
    """The errors of every seed as points."""
    errors = [values_of(seeds, f"density_ise/{method}/{number}") for number in numbers]
    return Series(label=label, x=np.repeat(numbers, len(seeds)), y=np.concatenate(errors), style="points")


def harmonic(request: Request) -> Metrics:
    """What overdamped dynamics with a long step needs for the variance 1; force matching keeps the stiffness 1."""
    stiffness, variance = harmonic_stiffness(request, 0.4)
    return {
        "harmonic/stiffness": Metric(stiffness, None, "1"),
        "harmonic/sampled_variance": Metric(variance, None, "1"),
        "harmonic/sampled_variance_of_force_matching": Metric(1 / (1 - 0.4 / 2), None, "1"),
    }


def time_steps(request: Request, scale: Scale) -> Metrics:
    """The double well with overdamped dynamics of long steps."""
    matched = force_matched_without_noise()

    def at(step: float) -> Metrics:
        models = {"force_matching": matched, "relative_entropy": trained_at(request, step, scale.updates)}
        found = {method: squared_error_at(model, step) for method, model in models.items()}
        return {f"density_ise/{method}/step_{step:g}": Metric(error, None, "1/Å") for method, error in found.items()}

    metrics = {"density_ise/force_matching/small_step": Metric(squared_error_at(matched, 0.001), None, "1/Å")}
    for found in request.sweep("time_step", scale.steps, at).values():
        metrics |= found
    series = [
        metric_series(text, metrics, f"density_ise/{method}/step_{{}}", scale.steps) for method, text in METHODS.items()
    ]
    title, label = "Error against the time step", "squared error of sampled density (1/Å)"
    request.draw("time_steps", Plot(title=title, x="time step", y=label, series=series, y_scale="log"))
    return metrics


def densities(seed: int) -> list[Plot]:
    """Densities and energies of both methods from one set of samples, beside the exact ones."""
    (q, forces), at = samples(1000, seed), Basis.at(GRID, "quartic")
    fits = {"force_matching": force_matching(q, forces, "quartic"), "relative_entropy": relative_entropy(q, "quartic")}
    energies = {METHODS[method]: at.values @ coefficients + at.prior for method, coefficients in fits.items()}
    energies["exact"] = mean_force_potential(GRID)
    kinds = (
        ("Densities from 1,000 samples", "density (1/Å)", normalised, (None, None)),
        ("Energies from 1,000 samples", "energy (k_BT)", lambda energy: energy - energy.min(), (0.0, 20.0)),
    )
    return [
        Plot(
            title=title,
            x="q (Å)",
            y=label,
            series=[
                Series(label=name, x=GRID, y=curve(energy), style="measured" if name == "exact" else "line")
                for name, energy in energies.items()
            ],
            x_limits=(-1.8, 1.8),
            y_limits=limits,
        )
        for title, label, curve, limits in kinds
    ]
