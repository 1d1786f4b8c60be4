"""Alanine dipeptide as ten beads in implicit water.

Force matching, relative entropy, and relative entropy after force matching with chains in every basin, against an
all-atom simulation; after S. Thaler, M. Stupp, J. Zavadlav, J. Chem. Phys. 157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dipeptide_distributions import Angles, strata
from dipeptide_evaluation import judged, judged_reference, simulate
from dipeptide_figures import draw_learning, draw_profiles, draw_surfaces
from dipeptide_model import bias, new_model, prior
from dipeptide_reference import mapped
from dipeptide_reference import simulate as simulate_reference
from dipeptide_scales import SIZES, TEMPERATURE
from dipeptide_training import ensemble_of, match_forces, minimise_entropy

from mdfit.data import Frames
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Trajectory

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
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
    chosen = angles.unbiased(request.seed)
    beads = reference.beads.select(chosen)
    for number, (name, model) in enumerate(_models(request, beads, strata(angles)[chosen])):
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


def _models(request: Request, beads: Frames, regions: np.ndarray) -> Iterator[tuple[str, Potential]]:
    """The three models with their names, each trained when it is asked for; ``regions`` of the frames are numbers."""
    scale, out, seed, show = SIZES[request.scale], request.out, request.seed, request.show_progress
    start = new_model(prior(beads.positions, scale.network.cutoff), scale.network, seed)
    settings = (scale.dynamics, scale.chains)
    with request.timed("force matching"):
        matched = match_forces(start, beads, scale.matching, seed, out / "force_matching", show)
    yield "force_matching", matched.potential
    histories = {}
    name = "force_matching_then_relative_entropy"
    with request.timed("relative entropy after force matching"):
        everywhere, crossing = ensemble_of(beads, regions), bias(start.cutoff)
        both = minimise_entropy(
            matched.potential, everywhere, scale.entropy_after, *settings, crossing, seed, out / name, show
        )
    histories[name] = both.history
    yield name, both.last
    name = "relative_entropy"
    with request.timed("relative entropy"):
        plain = minimise_entropy(start, ensemble_of(beads), scale.entropy, *settings, None, seed, out / name, show)
    histories[name] = plain.history
    draw_learning(histories, out / "learning.png")
    yield name, plain.last
