"""Errors of force matching, and of relative entropy after it, against the number of frames and against the time step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from dipeptide_curves import draw_data_sweep, draw_timestep_sweep
from dipeptide_distributions import Angles, distances, halves, populations
from dipeptide_evaluation import BLOCKS, judged, simulate
from dipeptide_geometry import Geometry
from dipeptide_model import new_model, prior
from dipeptide_reference import mapped
from dipeptide_reference import simulate as simulate_reference
from dipeptide_scales import NUMBERS_OF_FRAMES, SIZES, TEMPERATURE, TIMESTEPS, Dynamics, Scale
from dipeptide_training import match_forces, refine_with_bias

from mdfit.data import Frames
from mdfit.errors import SimulationError
from mdfit.potentials import Sum
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Trajectory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Judge:
    """What all models of a sweep are judged by.

    Attributes:
        request: of the recipe.
        beads: frames of the reference, with the bias.
        starts: frames of equal weight without the bias, from which chains start.
        density: of φ and ψ in the reference.
        geometry: bonds and angles of the reference.
        angles: φ and ψ of the reference.
    """

    request: Request
    beads: Frames
    starts: Frames
    density: np.ndarray
    geometry: Geometry
    angles: Angles

    @classmethod
    def of(cls, request: Request) -> _Judge:
        path = request.out / "reference.h5"
        with request.timed("reference"):
            frames = simulate_reference(_scale(request).reference, request.seed, path, request.show_progress)
        beads = mapped(frames).beads
        seen = Trajectory.of_frames(beads, temperature=TEMPERATURE)
        angles = Angles.of(seen)
        starts = beads.select(angles.unbiased(request.seed))
        return cls(request, beads, starts, angles.density(), Geometry.of(seen), angles)

    def reference(self) -> Metrics:
        """Its halves against each other, and its populations."""
        seen = Trajectory.of_frames(self.beads, temperature=TEMPERATURE)
        return halves(self.angles) | populations("reference", seen, BLOCKS)

    def metrics(self, name: str, model: Callable[[], Sum], dynamics: Dynamics) -> Metrics:
        """Of chains of the model, which is trained if need be; a dynamics that explodes is a result, too."""

        def make() -> Metrics:
            request, path = self.request, self.request.out / f"chains_{_file(name)}.h5"
            settings = (_scale(request).evaluation, dynamics, request.seed + 101, path, request.show_progress)
            try:
                trajectory = simulate(model(), self.starts, *settings)
            except SimulationError as error:
                log.warning("%s: %s", name, error)
                return {f"exploded/{name}": Metric(1.0, None, "")}
            return (
                {f"exploded/{name}": Metric(0.0, None, "")}
                | judged(name, trajectory, self.density, request.seed)
                | Geometry.of(trajectory).divergences(name, self.geometry, request.seed)
            )

        return self.request.stage(_file(name), make)


def sweep_data(request: Request) -> Metrics:
    """Both methods from the same frames, evenly spread over the reference, and the frames themselves."""
    judge, scale = _Judge.of(request), _scale(request)
    metrics = judge.reference()
    for number in NUMBERS_OF_FRAMES:
        part = judge.beads.spread(number)
        if number < len(judge.beads):
            own = Angles.of(Trajectory.of_frames(part, temperature=TEMPERATURE)).blocks(BLOCKS)
            metrics |= distances(f"samples/{number}", own, judge.density, request.seed)
        matched = _matched(request, part, f"force_matching_{number}")
        metrics |= judge.metrics(f"force_matching/{number}", partial(_same, matched), scale.dynamics)
        name = f"force_matching_then_relative_entropy/{number}"
        refined = partial(_refined, request, _file(name), matched, part, scale.dynamics)
        metrics |= judge.metrics(name, refined, scale.dynamics)
    draw_data_sweep(metrics, NUMBERS_OF_FRAMES, request.out / "data_sweep.png")
    return metrics


def sweep_timesteps(request: Request) -> Metrics:
    """Force matching, which does not know of time steps, with two integrators, and relative entropy at each time step.

    BAOAB has no error in harmonic wells, so that there relative entropy has nothing to repair.
    """
    judge, scale = _Judge.of(request), _scale(request)
    metrics = judge.reference()
    matched = _matched(request, judge.beads, "force_matching")
    for timestep in TIMESTEPS:
        langevin = replace(scale.dynamics, timestep=timestep)
        metrics |= judge.metrics(f"force_matching/langevin/{timestep:g}", partial(_same, matched), langevin)
        nose_hoover = Dynamics(timestep, friction=None)
        metrics |= judge.metrics(f"force_matching/nose_hoover/{timestep:g}", partial(_same, matched), nose_hoover)
        name = f"force_matching_then_relative_entropy/nose_hoover/{timestep:g}"
        refined = partial(_refined, request, _file(name), matched, judge.beads, nose_hoover)
        metrics |= judge.metrics(name, refined, nose_hoover)
    draw_timestep_sweep(metrics, TIMESTEPS, request.out / "timestep_sweep.png")
    return metrics


def _same(model: Sum) -> Sum:
    return model


def _matched(request: Request, beads: Frames, name: str) -> Sum:
    scale = _scale(request)
    start = new_model(prior(beads.positions, scale.network.cutoff), scale.network, request.seed)
    return match_forces(request, name, start, beads, scale.matching).potential


def _refined(request: Request, name: str, matched: Sum, biased: Frames, dynamics: Dynamics) -> Sum:
    scale = _scale(request)
    return refine_with_bias(request, name, matched, biased, scale.entropy_after, dynamics, scale.chains)[0]


def _scale(request: Request) -> Scale:
    return SIZES[request.scale]


def _file(name: str) -> str:
    return name.replace("/", "_")
