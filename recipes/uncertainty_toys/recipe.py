"""Error bars of potentials where the right ones are known.

Chains that sample the posterior of a potential, and ensembles of potentials, on a system of two coordinates whose
coarse-grained potential is known: is the posterior the exact one, and do intervals hold the truth as often as they say?
After S. Thaler, G. Doehner, J. Zavadlav, J. Chem. Theory Comput. 19, 4520 (2023), doi:10.1021/acs.jctc.2c01267.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from exact_toy import GRID, OBSERVABLES, density, energy
from toy_coverage import CASES, coverage_of
from toy_ensembles import MEMBERS, VARIANTS, chains, ensembles, one_ensemble
from toy_network import energies
from toy_samplers import SAMPLERS, exact_numbers, sampled

from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request
from mdfit.uncertainty import credible_interval

SCALES = ("cpu", "demo")


@dataclass(frozen=True)
class Scale:
    """Sizes: steps of the samplers, data sets, updates of ensembles, steps of their chains, data in each set."""

    sampler_steps: int = 200_000
    exact_data_sets: int = 300
    data_sets: int = 16
    updates: int = 3000
    chain_steps: int = 12_000
    numbers: tuple[int, ...] = (100, 400)
    temperatures: tuple[float, ...] = (1.0, 0.1, 0.01)


SCALE_OF = {"cpu": Scale(), "demo": Scale(2000, 20, 2, 100, 200, (100,), (1.0,))}


def run(request: Request) -> Metrics:
    """All samplers, exact intervals, then ensembles and chains of networks."""
    scale = SCALE_OF[request.scale]
    metrics = request.stage("exact", exact_numbers)
    stages = request.sweep("sampler", (*SAMPLERS, "nuts"), lambda name: sampled(request, name, scale.sampler_steps))
    stages |= request.sweep(
        "exact_coverage", tuple(CASES), lambda case: coverage_of(case, scale.exact_data_sets, request.seed_of(case))
    )
    kinds = [f"{method} {number}" for method in VARIANTS for number in scale.numbers]

    def ensemble(kind: str) -> Metrics:
        method, number = kind.split()
        return ensembles(request, method, int(number), scale.data_sets, scale.updates)

    stages |= request.sweep("ensemble", kinds, ensemble)
    stages |= request.sweep(
        "temperature", scale.temperatures, lambda t: chains(request, t, 100, scale.data_sets, scale.chain_steps)
    )
    for found in stages.values():
        metrics |= found
    request.draw("coverage", coverage_plot(metrics, scale))
    request.draw("ensemble", *ensemble_plots(energies(one_ensemble(request, 100, scale.updates))))
    return metrics


def coverage_plot(metrics: Metrics, scale: Scale) -> Plot:
    """The part of 95 % intervals of each method that hold the truth."""
    methods = [f"psgld_{MEMBERS}_chains", "psgld_1_chain"]
    methods += [f"psgld_{MEMBERS}_chains_temperature_{t:g}" for t in scale.temperatures if t != 1]
    methods += [m if number == 100 else f"{m}_{number}" for m in VARIANTS for number in scale.numbers]
    series = []
    for name in OBSERVABLES:
        found = [metrics[f"coverage/{method}/{name}"] for method in methods]
        label = name.replace("_", " ")
        values, errors = [one.value for one in found], [one.standard_error or 0.0 for one in found]
        series.append(Series(label=label, x=np.arange(len(methods)), y=values, error=errors, style="bars"))
    return Plot(
        title="How often 95 % intervals hold the truth",
        x="",
        y="coverage",
        series=series,
        categories=[method.replace("_", " ") for method in methods],
        levels={"95 %": 0.95},
        y_limits=(0.0, 1.05),
    )


def ensemble_plots(found: np.ndarray) -> list[Plot]:
    """Energy and density of an ensemble from one set of data, with its interval."""
    kinds = (
        ("Energy", "energy (kT)", lambda one: one - one.min(axis=-1, keepdims=True), (-0.5, 8.0)),
        ("Density", "density", density, (None, None)),
    )
    plots = []
    for title, label, curve, limits in kinds:
        interval = credible_interval(curve(found))
        ends = (("mean", interval.mean), ("lower end", interval.low), ("upper end", interval.high))
        series = [Series(label="exact", x=GRID, y=curve(energy(GRID)), style="measured")]
        series += [Series(label=name, x=GRID, y=values) for name, values in ends]
        plots.append(Plot(title=title, x="s", y=label, series=series, y_limits=limits))
    return plots
