"""Errors of force matching, and of relative entropy after it, against the number of frames and against the time step."""

from __future__ import annotations

from dipeptide_judgement import Ensemble, halves
from dipeptide_scales import NUMBERS_OF_FRAMES, SIZES, TIMESTEPS
from dipeptide_training import Reference, matched, refined, simulated

from mdfit.data import Frames
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.plots import sweep_plot
from mdfit.recipes.script import Request
from mdfit.simulate import Langevin, NoseHoover, Sampler

MATCHING, AFTER = "force_matching", "force_matching_then_relative_entropy"
OF_DATA = {MATCHING: "force matching", AFTER: "then relative entropy", "samples": "the frames themselves"}
OF_TIMESTEPS = {
    f"{MATCHING}/langevin": "force matching, BAOAB",
    f"{MATCHING}/nose_hoover": "force matching, Nosé–Hoover",
    f"{AFTER}/nose_hoover": "then relative entropy, Nosé–Hoover",
}
#: Metrics, what they are, and what theirs of the reference are.
DENSITY = ("dihedral_density_mse", "MSE of density (rad⁻⁴)"), "halves of the reference"
DIVERGENCE = ("jensen_shannon", "divergence of φ, ψ (nat)"), "halves of the reference"
RARE = ("population/alpha_L", "population of α_L"), "reference"
BONDS = ("jensen_shannon_bonds", "divergence of bonds (nat)"), ""
ANGLES = ("jensen_shannon_angles", "divergence of angles (nat)"), ""


def sweep_data(request: Request) -> Metrics:
    """Both methods from the same frames, evenly spread over the reference, and the frames themselves."""
    reference, sampler = Reference.of(request), SIZES[request.scale].sampler
    metrics = halves(reference.seen.density) | reference.seen.populations
    for number in NUMBERS_OF_FRAMES:
        part = reference.biased.spread(number)
        if number < len(reference.biased):
            metrics |= Ensemble.of_frames(request, f"samples/{number}", part).distances(reference.seen)
        model = matched(request, f"{MATCHING}_{number}", part)
        metrics |= judged(request, f"{MATCHING}/{number}", reference, model, sampler)
        metrics |= judged(request, f"{AFTER}/{number}", reference, model, sampler, refine=part)
    plots = [
        sweep_plot(metrics, kind, OF_DATA, NUMBERS_OF_FRAMES, "frames", "log", {"reference": level})
        for kind, level in (DENSITY, DIVERGENCE, RARE)
    ]
    request.draw("data_sweep", *plots)
    return metrics


def sweep_timesteps(request: Request) -> Metrics:
    """Force matching, which does not know of time steps, with two integrators, and relative entropy at each time step.

    BAOAB has no error in harmonic wells, so that there relative entropy has nothing to repair.
    """
    reference = Reference.of(request)
    metrics = halves(reference.seen.density) | reference.seen.populations
    model = matched(request, MATCHING, reference.biased)
    for timestep in TIMESTEPS:
        for integrator, sampler in (("langevin", Langevin(timestep, 5.0)), ("nose_hoover", NoseHoover(timestep))):
            name = f"{MATCHING}/{integrator}/{timestep:g}"
            metrics |= judged(request, name, reference, model, sampler)
        name = f"{AFTER}/nose_hoover/{timestep:g}"
        metrics |= judged(request, name, reference, model, sampler, refine=reference.biased)
    plots = [
        sweep_plot(metrics, kind, OF_TIMESTEPS, TIMESTEPS, "time step (fs)", levels={"reference": level})
        for kind, level in (DENSITY, BONDS, ANGLES)
    ]
    request.draw("timestep_sweep", *plots)
    return metrics


def judged(
    request: Request, name: str, reference: Reference, model: Potential, sampler: Sampler, refine: Frames | None = None
) -> Metrics:
    """Of chains of the model, after relative entropy with some frames if need be; an explosion is a result, too."""
    stage = name.replace("/", "_")

    def make() -> Metrics:
        final = model if refine is None else refined(request, stage, model, refine, sampler)[0]
        own = simulated(request, name, final, reference.equal, sampler)
        return own.judged(reference.seen) | own.geometry(reference.seen)

    return request.stage(stage, make, exploded=f"exploded/{name}")
