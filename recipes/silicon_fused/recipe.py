"""Silicon from density-functional theory and experiment together.

A DimeNet++ potential that was trained on DFT learns the measured density at 1 bar and the measured elastic constants at
300 K by trajectory reweighting, while force matching on the DFT data goes on as a second term of the objective.
"""

from __future__ import annotations

from silicon_judgement import judged, liquid, liquid_plot
from silicon_targets import HERE, SETTINGS, refine

import mdfit as mf
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.plots import learning_plots
from mdfit.recipes.script import Request
from mdfit.units import BAR, GIGAPASCAL

SCALES = ("cpu", "demo", "paper")
#: Its data, with which force matching goes on.
NEEDS = ("silicon_dft",)
#: What is learned: its label and, in GPa, its measured value.
TARGETS = {
    "0/Pressure": ("pressure (GPa)", 0.0),
    "0/ElasticConstants/C11": ("C11 (GPa)", 165.78),
    "0/ElasticConstants/C12": ("C12 (GPa)", 63.94),
    "0/ElasticConstants/C44": ("C44 (GPa)", 79.62),
}


def run(request: Request) -> Metrics:
    """Refines the start, and judges start and outcome in the same way."""
    settings, start = SETTINGS[request.scale], mf.potentials.load(HERE / "data" / "silicon_dft.mdfit")
    potential, history = refine(request, start, settings)
    models = {"before": start, "after": request.save("silicon_fused", potential)}
    metrics = {name: judged(request, model, name, settings) for name, model in models.items()}
    if settings.properties:
        liquids = {name: liquid(request, model, name) for name, model in models.items()}
        for name, (found, _) in liquids.items():
            metrics[name] |= found
        request.draw("liquid_rdf", liquid_plot({name: curve for name, (_, curve) in liquids.items()}))
    before, after = metrics["before"], metrics["after"]
    # The errors of both are those of the choice of structures, which is the same: they say little of the ratio.
    ratio = after["test/force_rmse"].value / before["test/force_rmse"].value
    after["test/force_rmse_ratio"] = Metric(ratio, None, "")
    columns = {column: label for column, (label, _) in TARGETS.items()}
    measured = {column: value for column, (_, value) in TARGETS.items()}
    factors = {"0/Pressure": BAR / GIGAPASCAL}
    course = learning_plots({"training trajectory": history}, columns, factors=factors, measured=measured)
    request.draw("learning", *course)
    return after | {f"before/{name}": metric for name, metric in before.items()}
