"""Silicon from density-functional theory and experiment together.

A DimeNet++ potential that was trained on DFT learns the measured density at 1 bar and the measured elastic constants at
300 K by trajectory reweighting, while force matching on the DFT data goes on as a second term of the objective.
"""

from __future__ import annotations

from pathlib import Path

from silicon_crystal import crystal_metrics, test_metrics
from silicon_figures import draw_learning, draw_liquid
from silicon_properties import liquid_metrics, static_metrics
from silicon_targets import SETTINGS, refine

import mdfit as mf
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper")
#: Its data, with which force matching goes on.
NEEDS = ("silicon_dft",)
START = Path(__file__).parent / "data" / "silicon_dft.mdfit"


def run(request: Request) -> Metrics:
    """Refines the start, and judges start and outcome in the same way."""
    settings = SETTINGS[request.scale]
    start = mf.potentials.load(START)
    with request.timed("training"):
        potential, history = refine(start, settings, request.seed, request.out / "fit", request.show_progress)
    potential.save(request.out / "silicon_fused.mdfit")
    # With seeds of their own.
    before = _judged(request, start, "before", request.seed + 101)
    after = _judged(request, potential, "after", request.seed + 201)
    if settings.properties:
        before |= _liquid(request, start, "before", request.seed + 102)
        after |= _liquid(request, potential, "after", request.seed + 202)
        draw_liquid({name: _rdf(request, name) for name in ("before", "after")}, request.out / "liquid_rdf.png")
    after["test/force_rmse_ratio"] = _ratio(after["test/force_rmse"], before["test/force_rmse"])
    draw_learning(history, request.out / "learning.png")
    return after | {f"before/{name}": metric for name, metric in before.items()}


def _judged(request: Request, potential: Potential, name: str, seed: int) -> Metrics:
    settings = SETTINGS[request.scale]

    def crystal() -> Metrics:
        return crystal_metrics(potential, settings, seed, request.show_progress)

    metrics = request.stage(f"{name}_crystal", crystal)
    metrics |= request.stage(f"{name}_test", lambda: test_metrics(potential))
    if settings.properties:
        metrics |= request.stage(f"{name}_static", lambda: static_metrics(potential, seed))
    return metrics


def _liquid(request: Request, potential: Potential, name: str, seed: int) -> Metrics:
    rdf = _rdf(request, name)
    return request.stage(f"{name}_liquid", lambda: liquid_metrics(potential, seed, rdf, request.show_progress))


def _rdf(request: Request, name: str) -> Path:
    return request.out / "stages" / f"{name}_liquid_rdf.csv"


def _ratio(after: Metric, before: Metric) -> Metric:
    # The errors of both are those of the choice of structures, which is the same: they say little of the ratio.
    return Metric(after.value / before.value, None, "")
