"""Elastic constants of a Lennard-Jones crystal: estimated, checked, and learned from.

The stress-fluctuation formula is checked against the change of the pressure with volume; then a potential whose two
parameters are ten per cent off is recovered from pressure, C11, C12 and C44 by trajectory reweighting.
"""

from __future__ import annotations

from crystal_elasticity import BARS, GPA, LATTICE_CONSTANTS, NAMES, bulk_moduli, elastic_state, potential, recover

from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.plots import course_plot, learning_plots
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo")


def run(request: Request) -> Metrics:
    """Elastic constants at two volumes, the bulk modulus by two ways, and the recovery."""
    truth, small = potential(1.0, 1.0), LATTICE_CONSTANTS[1]
    metrics: Metrics = {}
    for a in LATTICE_CONSTANTS:
        metrics |= request.stage(f"volume_{a}", lambda a=a: elastic_state(request, truth, a, f"a={a}"), truth)
    metrics |= bulk_moduli(metrics)
    # A smaller σ would tear the crystal apart at this density.
    start = potential(0.9, 1.1)
    result = recover(request, start, metrics)
    columns, name = {f"ElasticConstants/{label}": label for label in NAMES}, f"a={small}"
    targets = {column: metrics[f"{name}/consistent/{label}"].value for column, label in columns.items()}
    label, reached = {"Pressure": "pressure (ε/σ³)"}, {"Pressure": metrics[f"{name}/pressure"].value}
    request.draw(
        "learning",
        *learning_plots({"loss": result.history}, {"loss": "loss (χ²)"}, "log"),
        course_plot(result.history, columns, "elastic constant (ε/σ³)", factor=GPA, targets=targets),
        *learning_plots({"pressure": result.history}, label, factors={"Pressure": BARS}, measured=reached),
    )
    for name, model in (("recovered", request.save("recovered", result.last)), ("start", start)):
        found = request.stage(name, lambda n=name, m=model: elastic_state(request, m, small, n), model)
        metrics |= {key.replace("consistent/", ""): one for key, one in found.items() if "published" not in key}
    return metrics | {
        "recovered/epsilon": Metric(float(result.last.epsilon), None, "ε"),
        "recovered/sigma": Metric(float(result.last.sigma), None, "σ"),
    }
