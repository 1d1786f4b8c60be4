"""Alanine dipeptide as ten beads in implicit water.

Force matching, relative entropy, and relative entropy after force matching with a bias that takes chains to every basin,
against an all-atom simulation; after S. Thaler, M. Stupp, J. Zavadlav, J. Chem. Phys. 157, 244103 (2022),
doi:10.1063/5.0124538.
"""

from __future__ import annotations

import numpy as np
from dipeptide_judgement import BINS, halves, published_metrics
from dipeptide_scales import SIZES, TEMPERATURE
from dipeptide_sweeps import AFTER, MATCHING, sweep_data, sweep_timesteps
from dipeptide_training import Reference, matched, refined, simulated, untrained

from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.plots import free_energy_profile, free_energy_surfaces, learning_plots
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper", "data_sweep", "timestep_sweep")
SWEEPS = {"data_sweep": sweep_data, "timestep_sweep": sweep_timesteps}
#: Of the bins of both angles in degrees.
EDGES = np.linspace(-180, 180, BINS + 1)
#: k_BT; higher free energies are drawn as if not visited.
HIGHEST = 8.0


def run(request: Request) -> Metrics:
    """Reference, three models, and an independent simulation of each; or models over a range of one setting."""
    if request.scale in SWEEPS:
        return SWEEPS[request.scale](request)
    reference = Reference.of(request)
    seen, forces = reference.seen, reference.aggregation
    metrics = halves(seen.density) | seen.populations | seen.motion() | published_metrics(seen.density.value)
    for name, square in (("sums", forces.before or np.nan), ("least", forces.after)):
        metrics[f"mean_squared_force/{name}"] = Metric(square, None, "eV^2/Å^2")
    densities = {"reference": seen.density.value}
    for name, model in trained(request, reference).items():
        own = simulated(request, name, request.save(name, model), reference.equal, SIZES[request.scale].sampler)
        densities[name] = own.density.value
        metrics |= own.judged(seen)
    request.draw("surfaces", *free_energy_surfaces(densities, EDGES, "φ (°)", "ψ (°)", HIGHEST))
    profiles = [free_energy_profile(densities, EDGES, axis, x, HIGHEST) for axis, x in enumerate(("φ (°)", "ψ (°)"))]
    request.draw("profiles", *profiles)
    return metrics


def trained(request: Request, reference: Reference) -> dict[str, Potential]:
    """The three models."""
    scale, beads, start = SIZES[request.scale], reference.equal, untrained(request, reference.equal)
    model, fixed = matched(request, MATCHING, beads), range(1, len(start.terms))
    after, course = refined(request, AFTER, model, reference.biased, scale.sampler)
    plain = scale.entropy.train(request, "relative_entropy", start, beads, TEMPERATURE, scale.sampler, fixed=fixed)
    columns = {"loss": "relative entropy − start (nat)", "gradient_norm": "norm of the gradient"}
    request.draw("learning", *learning_plots({AFTER: course.history, "relative_entropy": plain.history}, columns))
    return {MATCHING: model, AFTER: after, "relative_entropy": plain.last}
