"""Coarse-grained water from an all-atom simulation of TIP4P/2005.

Force matching and relative entropy, each for a potential of pairs and for a network; after S. Thaler, M. Stupp,
J. Zavadlav, J. Chem. Phys. 157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from collections.abc import Iterator

from tip4p_figures import draw_curves, draw_learning
from tip4p_judgement import curves, judged, judged_reference, published, simulate, speed
from tip4p_models import network, spline
from tip4p_reference import judged_system, mapped
from tip4p_reference import simulate as simulate_reference
from tip4p_scales import SIZES, TEMPERATURE, Model
from tip4p_training import match_forces, minimise_entropy

from mdfit.data import Frames
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import StatePoint, Trajectory
from mdfit.training import FitResult

SCALES = ("cpu", "demo", "paper")
LABELS = {
    "rdf": ("r (Å)", "g(r)"),
    "adf": ("angle (rad)", "p(angle) (1/rad)"),
    "g3": ("r (Å)", "g₃(r, r, r)"),
}
PICTURES = {"rdf": "rdf.png", "adf": "adf.png", "g3": "three_body.png"}


def run(request: Request) -> Metrics:
    """Reference, four models, and an independent simulation of each."""
    scale, out = SIZES[request.scale], request.out
    with request.timed("reference"):
        frames = simulate_reference(scale.reference, request.seed, out / "reference.h5", request.show_progress)
    beads = mapped(frames)
    seen = beads.spread(scale.reference.judged_frames)
    with request.timed("judge reference"):
        found = {"reference": curves(Trajectory.of_frames(seen, temperature=TEMPERATURE), out / "curves_reference.npz")}
    metrics = judged_reference(found["reference"], beads.structure(0))
    chosen = frames.spread(scale.reference.judged_frames)
    metrics |= request.stage("all atoms", lambda: judged_system(scale.reference, chosen, request.seed))
    histories = {}
    for number, (name, kind, result) in enumerate(_models(request, beads)):
        model, histories[name] = result.potential, result.history
        model.save(out / f"{name}.mdfit")
        # From a frame that relative entropy does not start from, with velocities of its own.
        at = StatePoint(beads.structure(len(beads) // 2), TEMPERATURE)
        path, seed = out / f"judged_{name}.h5", request.seed + 101 + number
        with request.timed(f"simulate {name}"):
            trajectory = simulate(model, at, scale.timestep, kind.judging, seed, path, request.show_progress)
        with request.timed(f"judge {name}"):
            found[name] = curves(trajectory, out / f"curves_{name}.npz")
            metrics |= judged(name, trajectory, found[name], found["reference"])
        metrics |= request.stage(
            f"speed {name}", lambda m=model, a=at, k=kind, n=name: _speed(m, a, k, n, scale.timestep)
        )
    for kind, file in PICTURES.items():
        draw_curves(found, published(beads.structure(0))[kind], kind, LABELS[kind], out / file)
    draw_learning(histories, out / "learning.png")
    return metrics


def _speed(model, at: StatePoint, kind: Model, name: str, timestep: float) -> Metrics:
    return {f"speed/{name}": speed(model, at, timestep, kind.speed_steps, seed=0)}


def _models(request: Request, beads: Frames) -> Iterator[tuple[str, Model, FitResult]]:
    """The four models with their names and kinds, each trained when it is asked for."""
    scale = SIZES[request.scale]
    starts = {"spline": spline(scale.size), "network": network(scale.size, request.seed)}
    for name, start in starts.items():
        kind: Model = getattr(scale, name)
        matched = match_forces(request, f"force_matching_{name}", start, beads, kind.matching)
        yield f"force_matching_{name}", kind, matched
        before = matched.potential if kind.after_matching else start
        entropic = f"relative_entropy_{name}"
        yield entropic, kind, minimise_entropy(request, entropic, before, beads, kind.entropy, scale.timestep)
