"""Elastic constants of a Lennard-Jones crystal: estimated, checked, and learned from.

The stress-fluctuation formula is checked against the change of the pressure with volume; then a potential whose two
parameters are ten per cent off is recovered from pressure, C11, C12 and C44 by trajectory reweighting.
"""

from __future__ import annotations

import json

from crystal_elasticity import (
    LATTICE_CONSTANTS,
    SETTINGS,
    bulk_moduli,
    elastic_state,
    judge_recovery,
    potential,
    recover,
)
from crystal_figures import draw_learning

from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.storage import write_text

SCALES = ("cpu", "demo")


def run(request: Request) -> Metrics:
    """Elastic constants at two volumes, the bulk modulus by two ways, and the recovery."""
    settings = SETTINGS[request.scale]
    truth = potential(1.0, 1.0)
    metrics: Metrics = {}
    for index, a in enumerate(LATTICE_CONSTANTS):
        metrics |= request.stage(
            f"volume_{index}",
            lambda a=a, index=index: elastic_state(truth, a, settings, request.seed + 10 * index, f"a={a}"),
        )
    metrics |= bulk_moduli(metrics)
    # A smaller σ would tear the crystal apart at this density.
    start = potential(0.9, 1.1)
    with request.timed("training"):
        result = recover(start, metrics, settings, request)
    result.last.save(request.out / "recovered.mdfit")
    write_text(request.out / "history.json", json.dumps(result.history) + "\n")
    draw_learning(result.history, metrics, request.out / "learning.png")
    recovered = request.stage("recovered", lambda: judge_recovery(result.last, settings, request.seed + 100))
    before = request.stage("start", lambda: judge_recovery(start, settings, request.seed + 200))
    metrics |= recovered | {name.replace("recovered", "start"): metric for name, metric in before.items()}
    return metrics | {
        "recovered/epsilon": Metric(float(result.last.epsilon), None, "ε"),
        "recovered/sigma": Metric(float(result.last.sigma), None, "σ"),
    }
