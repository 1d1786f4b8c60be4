"""Alanine dipeptide as ten beads in implicit water.

Force matching, relative entropy, and relative entropy after force matching with a bias that takes chains to every basin,
against an all-atom simulation; after S. Thaler, M. Stupp, J. Zavadlav, J. Chem. Phys. 157, 244103 (2022),
doi:10.1063/5.0124538.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dipeptide_distributions import Angles
from dipeptide_evaluation import judged, judged_reference, simulate
from dipeptide_figures import draw_learning, draw_profiles, draw_surfaces
from dipeptide_model import new_model, prior
from dipeptide_reference import mapped
from dipeptide_reference import simulate as simulate_reference
from dipeptide_scales import SIZES, TEMPERATURE
from dipeptide_sweeps import sweep_data, sweep_timesteps
from dipeptide_training import match_forces, minimise_entropy, refine_with_bias

from mdfit.data import Frames
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Trajectory

SCALES = ("cpu", "demo", "paper", "data_sweep", "timestep_sweep")
SWEEPS = {"data_sweep": sweep_data, "timestep_sweep": sweep_timesteps}


def run(request: Request) -> Metrics:
    """Reference, three models, and an independent simulation of each; or models over a range of one setting."""
    return SWEEPS.get(request.scale, compare)(request)


def compare(request: Request) -> Metrics:
    """Reference, three models, and an independent simulation of each."""
    scale = SIZES[request.scale]
    with request.timed("reference"):
        frames = simulate_reference(scale.reference, request.seed, request.out / "reference.h5", request.show_progress)
    reference = mapped(frames)
    seen = Trajectory.of_frames(reference.beads, temperature=TEMPERATURE)
    angles = Angles.of(seen)
    densities = {"reference": angles.density()}
    metrics = judged_reference(seen)
    metrics["mean_squared_force/sums"] = Metric(reference.aggregation.before or np.nan, None, "eV^2/Å^2")
    metrics["mean_squared_force/least"] = Metric(reference.aggregation.after, None, "eV^2/Å^2")
    beads = reference.beads.select(angles.unbiased(request.seed))
    for number, (name, model) in enumerate(_models(request, beads, reference.beads)):
        model.save(request.out / f"{name}.mdfit")
        path = request.out / f"chains_{name}.h5"
        seed = request.seed + 101 + number
        with request.timed(f"simulate {name}"):
            trajectory = simulate(model, beads, scale.evaluation, scale.dynamics, seed, path, request.show_progress)
        densities[name] = Angles.of(trajectory).density()
        metrics |= judged(name, trajectory, densities["reference"], seed)
    draw_surfaces(densities, request.out / "surfaces.png")
    draw_profiles(densities, request.out / "profiles.png")
    return metrics


def _models(request: Request, beads: Frames, biased: Frames) -> Iterator[tuple[str, Potential]]:
    """The three models with their names, each trained when it is asked for.

    ``beads`` are frames of equal weight, ``biased`` those of the simulation.
    """
    scale = SIZES[request.scale]
    start = new_model(prior(beads.positions, scale.network.cutoff), scale.network, request.seed)
    matched = match_forces(request, "force_matching", start, beads, scale.matching).potential
    yield "force_matching", matched
    dynamics, chains = scale.dynamics, scale.chains
    name = "force_matching_then_relative_entropy"
    refined, history = refine_with_bias(request, name, matched, biased, scale.entropy_after, dynamics, chains)
    yield name, refined
    plain = minimise_entropy(request, "relative_entropy", start, beads, scale.entropy, dynamics, chains)
    draw_learning({name: history, "relative_entropy": plain.history}, request.out / "learning.png")
    yield "relative_entropy", plain.last
