"""A double well from the density of its particles.

The first test system of S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4: a field is
learned by trajectory reweighting, and the gradient is compared with that through the simulation.
"""

from __future__ import annotations

import json

import numpy as np
from backpropagation import gradient_norms, seconds_per_gradient
from double_well import SCALE_OF, Scale, judge, sampled_density, start, train
from well_figures import draw_fields, draw_norms

from mdfit.potentials import Potential, load
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.storage import read_json, write_text

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
    """Trains from several seeds, judges each, then compares both gradients at the first outcome."""
    scale = SCALE_OF[request.scale]
    judged = [
        request.stage(f"seed_{seed}", lambda s=seed: _trained(request, scale, s)) for seed in _seeds(request, scale)
    ]
    growth = [
        request.stage(f"growth_{seed}", lambda s=seed: _growth(load(request.out / f"seed_{s}.mdfit"), scale))
        for seed in _seeds(request, scale)
    ]
    metrics = {name: _summary([one[name] for one in ones]) for ones in (judged, growth) for name in ones[0]}
    first = request.seed
    potential = load(request.out / f"seed_{first}.mdfit")
    metrics |= request.stage("gradients", lambda: _gradients(request, potential, scale))
    sampled = {
        name: sampled_density(field, scale.particles, scale.validation_frames, first)
        for name, field in (("start", start(first)), ("trained", potential))
    }
    draw_fields(potential, first, sampled, request.out / "fields.png")
    draw_norms(
        read_json(request.out / "gradient_norms.json", dict[str, list[float]]), request.out / "gradient_norms.png"
    )
    return metrics


def _seeds(request: Request, scale: Scale) -> range:
    return range(request.seed, request.seed + scale.trainings)


def _trained(request: Request, scale: Scale, seed: int) -> Metrics:
    result = train(scale, seed, request.out / f"fit_{seed}", request.show_progress)
    result.last.save(request.out / f"seed_{seed}.mdfit")
    units = {"validation_rms": "1/Å", "potential_rms": "kT"}
    return {
        name: Metric(value, None, units.get(name, "1"))
        for name, value in judge(result, scale, seed, scale.validation_frames).items()
    }


def _summary(values: list[Metric]) -> Metric:
    """Median over the trainings, and half of the range between the extremes."""
    numbers = [metric.value for metric in values]
    spread = (max(numbers) - min(numbers)) / 2 if len(numbers) > 1 else None
    return Metric(float(np.median(numbers)), spread, values[0].unit)


def _growth(potential: Potential, scale: Scale) -> Metrics:
    """Decades by which the norms of both gradients grow from the shorter to the longer trajectory."""
    norms = gradient_norms(potential, scale.growth)
    return {
        f"decades_of_growth_{name}": Metric(float(np.log10(norms[name][1] / norms[name][0])), None, "1")
        for name in ("through_simulation", "reweighting")
    }


def _gradients(request: Request, potential: Potential, scale: Scale) -> Metrics:
    norms = gradient_norms(potential, scale.lengths)
    write_text(request.out / "gradient_norms.json", json.dumps(norms) + "\n")
    times = seconds_per_gradient(potential)
    seconds = {name: Metric(times[name], None, "s") for name in ("through_simulation", "reweighting")}
    return {
        "speedup_over_backpropagation": Metric(times["speedup"], None, "1"),
        "first_trajectory_and_reweighting": Metric(times["first_trajectory_and_reweighting"], None, "s"),
        **seconds,
        "memory_through_simulation": Metric(times["bytes_through_simulation"] / 2**20, None, "MiB"),
    }
