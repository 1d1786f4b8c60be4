"""Diamond from its measured elastic constants.

A DimeNet++ network on a Stillinger-Weber prior learns zero stress and C11, C12, C44 at 298 K by trajectory reweighting:
S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from diamond_figures import draw_constants, draw_learning
from diamond_training import SETTINGS, judge, network, prior, train

from mdfit.potentials import Potential, Sum
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
    """Trains in phases of growing length, and judges the prior before, after its own phase, and the outcome."""
    settings = SETTINGS[request.scale]
    potential = prior()
    metrics = _judged(request, potential, "before")
    history = []
    for phase in settings.phases:
        if phase.trains == "network" and not isinstance(potential, Sum):
            potential = network(request.seed) + potential
        with request.timed(f"training {phase.name}"):
            result = train(potential, phase, settings.cells, request)
        potential = result.last
        history += result.history if phase.elastic else []
        if phase.trains == "prior":
            metrics |= _judged(request, potential, "prior")
    potential.save(request.out / "diamond.mdfit")
    draw_learning(history, request.out / "learning.png")
    after = _judged(request, potential, "after")
    draw_constants(metrics | after, request.out / "elastic_constants.png")
    return {name.removeprefix("after/"): metric for name, metric in after.items()} | metrics


def _judged(request: Request, potential: Potential, name: str) -> Metrics:
    validation = SETTINGS[request.scale].validation
    duration = validation.duration if name == "after" else validation.duration_of_prior
    metrics = request.stage(name, lambda: judge(potential, validation, duration, request, name))
    return {f"{name}/{metric}": value for metric, value in metrics.items()}
