"""Diamond from its measured elastic constants.

A DimeNet++ network on a Stillinger-Weber prior learns zero stress and C11, C12, C44 at 298 K by trajectory reweighting:
S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from diamond_training import CARBON, SETTINGS, judge, prior, train

from mdfit.potentials import DimeNetPP, Potential, Sum
from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.plots import course_plot, learning_plots
from mdfit.recipes.script import Request
from mdfit.units import BAR, GIGAPASCAL

SCALES = ("cpu", "demo", "paper")
#: In GPa.
MEASURED = {"C11": 1079.0, "C12": 124.0, "C44": 578.0}
STAGES = {"before": "prior", "prior": "trained prior", "after": "prior + network"}


def run(request: Request) -> Metrics:
    """Trains in phases of growing length, and judges the prior before, after its own phase, and the outcome."""
    settings, potential = SETTINGS[request.scale], prior()
    metrics = _judged(request, potential, "before")
    history: list[dict[str, Any]] = []
    for phase in settings.phases:
        if phase.trains == "network" and not isinstance(potential, Sum):
            # It sees the four nearest neighbours.
            potential = DimeNetPP((CARBON,), cutoff=2.0, key=request.key("network")) + potential
        result = train(request, potential, phase, settings.cells)
        potential = result.last
        history += result.history if phase.elastic else []
        if phase.trains == "prior":
            metrics |= _judged(request, potential, "prior")
    metrics |= _judged(request, request.save("diamond", potential), "after")
    request.draw("learning", *course(history))
    request.draw("elastic_constants", constants(metrics))
    return {name.removeprefix("after/"): metric for name, metric in metrics.items()}


def _judged(request: Request, potential: Potential, name: str) -> Metrics:
    settings = SETTINGS[request.scale]
    sampling = settings.validation if name == "after" else settings.validation_of_prior
    metrics = request.stage(name, lambda: judge(request, potential, name, settings.cells, sampling))
    return {f"{name}/{metric}": value for metric, value in metrics.items()}


def course(history: list[dict[str, Any]]) -> list[Plot]:
    """Loss, elastic constants and pressure by update; the published targets hold the stress instead of the pressure."""
    columns = {f"ElasticConstants/{name}": name for name in MEASURED}
    targets = {column: MEASURED[name] for column, name in columns.items()}
    stresses = [f"Stress/{component}" for component in ("xx", "yy", "zz")]
    pressures = [
        {"pressure": record["Pressure"] * BAR / GIGAPASCAL}
        if "Pressure" in record
        else {"pressure": -float(np.mean([record[stress] for stress in stresses]))}
        for record in history
    ]
    return [
        *learning_plots({"loss": history}, {"loss": "loss"}, "log"),
        course_plot(history, columns, "reweighted value (GPa)", targets=targets),
        *learning_plots({"pressure": pressures}, {"pressure": "pressure (GPa)"}, measured={"pressure": 0.0}),
    ]


def constants(metrics: Metrics) -> Plot:
    """Elastic constants of the prior, of the prior after its own phase, of the outcome, and measured."""
    found = {
        label: [metrics[f"{name}/{c}"] for c in MEASURED] for name, label in STAGES.items() if f"{name}/C11" in metrics
    }
    places = list(range(len(MEASURED)))
    bars = [
        Series(
            label=label,
            x=places,
            y=[one.value for one in own],
            error=[one.standard_error or 0.0 for one in own],
            style="bars",
        )
        for label, own in found.items()
    ]
    measured = Series(label="measured", x=places, y=list(MEASURED.values()), style="bars")
    label = "elastic constant (GPa)"
    return Plot(title="Elastic constants", x="", y=label, series=[*bars, measured], categories=list(MEASURED))
