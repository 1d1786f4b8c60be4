"""What is learned from, how, and the independent simulations of what was learned; only the network of a model learns."""

from __future__ import annotations

from dataclasses import dataclass

from dipeptide_judgement import Ensemble
from dipeptide_model import all_atoms, bias, mapped, new_model, prior
from dipeptide_scales import SIZES, TEMPERATURE

from mdfit.data import Aggregation, Frames
from mdfit.potentials import Potential, Sum
from mdfit.recipes.script import Request
from mdfit.simulate import Sampler, StatePoint
from mdfit.training import FitResult


@dataclass(frozen=True, eq=False)
class Reference:
    """The simulation of all atoms: its beads, ``equal`` frames drawn by their weights, and what models should have."""

    biased: Frames
    equal: Frames
    aggregation: Aggregation
    seen: Ensemble

    @classmethod
    def of(cls, request: Request) -> Reference:
        beads, aggregation = mapped(all_atoms(request, SIZES[request.scale]))
        seen = Ensemble.of_frames(request, "reference", beads)
        return cls(beads, request.weighted_frames("models", beads, seen.weights.ravel()), aggregation, seen)


def untrained(request: Request, beads: Frames) -> Sum:
    """A new network on the prior that these frames give."""
    scale = SIZES[request.scale]
    return new_model(prior(beads.positions, scale.cutoff), scale.network, request.key("network"))


def matched(request: Request, name: str, beads: Frames) -> Potential:
    """The potential whose forces on validation frames are closest to the mapped ones."""
    start, method = untrained(request, beads), SIZES[request.scale].matching
    return method.train(request, name, start, beads, fixed=range(1, len(start.terms))).potential


def refined(request: Request, name: str, model: Potential, biased: Frames, sampler: Sampler) -> tuple[Sum, FitResult]:
    """Relative entropy after force matching, with the bias in both ensembles; the potential without bias, and the course.

    The minimum is at the same potential as without, but rare basins count as much as others.  ``biased`` are frames of
    the simulation, not drawn by weights.
    """
    method, start = SIZES[request.scale].entropy_after, model + bias(model.cutoff)
    result = method.train(request, name, start, biased, TEMPERATURE, sampler, fixed=range(1, len(start.terms)))
    assert isinstance(result.last, Sum)
    return Sum(result.last.terms[:-1]), result


def simulated(request: Request, name: str, model: Potential, beads: Frames, sampler: Sampler) -> Ensemble:
    """Chains with the bias, from random frames of equal weight."""
    scale, stage = SIZES[request.scale], f"chains_{name.replace('/', '_')}"
    starts = request.random_frames(stage, beads, scale.chains)
    at, biased = StatePoint(starts[0], TEMPERATURE), model + bias(model.cutoff)
    chains = request.simulate(stage, biased, at, sampler, scale.evaluation, starts=starts)
    return Ensemble.of(request, name, chains)
