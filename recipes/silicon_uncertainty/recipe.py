"""Silicon: does a potential know where it is wrong?

An ensemble, a posterior by pSGLD and the last layer of one network, learned from crystals, vacancies, small strains and
surfaces; judged by their errors on such structures, and on strains, interstitials and liquids that none of them has seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from silicon_judgement import crystal, judged
from silicon_kinds import Kinds, kinds
from silicon_methods import Scale, uncertain

from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.plots import reliability_plots
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo")
#: Its data.
NEEDS = ("silicon_dft",)
SCALE_OF = {"cpu": Scale(), "demo": Scale(channels=8, blocks=1, epochs=2, members=4, chains=2, chain_epochs=2, far=4)}


def run(request: Request) -> Metrics:
    """Each method, judged in the same way."""
    scale = SCALE_OF[request.scale]
    parts = kinds(request.seed_of("parts"))
    shown = replace(parts, far={kind: own.select(range(min(len(own), scale.far))) for kind, own in parts.far.items()})
    metrics: Metrics = {}
    spreads = {}
    for name, potential in uncertain(request, scale, parts).items():
        request.save(name, potential)
        found, spreads[name] = judged(name, potential, shown)
        metrics |= found
        seed = request.seed_of(f"crystal {name}")
        metrics |= request.stage(
            f"crystal_{name}", lambda n=name, p=potential, s=seed: crystal(n, p, scale.members, s), potential
        )
    request.draw(
        "reliability", *reliability_plots({name: one.errors("forces") for name, one in spreads.items()}, "eV/Å")
    )
    request.draw("flagged", flagged_plot(metrics, shown, tuple(spreads)))
    return metrics


def flagged_plot(metrics: Metrics, parts: Kinds, methods: tuple[str, ...]) -> Plot:
    """The part of each kind of structure that is beyond what the data know."""
    names = ("test", *parts.far)
    series = []
    for method in methods:
        found = [metrics[f"flagged/{kind}/{method}"] for kind in names]
        values, errors = [one.value for one in found], [one.standard_error or 0.0 for one in found]
        series.append(Series(label=method, x=np.arange(len(names)), y=values, error=errors, style="bars"))
    words = [name.replace("_", " ") for name in names]
    return Plot(title="Structures beyond what is known", x="", y="part", series=series, categories=words)
