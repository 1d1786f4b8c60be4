"""Credible intervals of a potential from measurements: liquid argon whose potential is known.

Pressure, energy and g(r) of liquid argon at 94.4 K, "measured" with stated uncertainties of a known Lennard-Jones
potential, give a posterior of ε and σ; its samples predict energy and pressure at 120 K, where nothing was measured.
"""

from __future__ import annotations

import numpy as np
from argon_chains import judged, parameters, predicted, sampled
from argon_liquid import EPSILON, SCALE_OF, SIGMA

from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request
from mdfit.uncertainty import PosteriorSamples

SCALES = ("cpu", "demo")


def run(request: Request) -> Metrics:
    """Measurements, chains, intervals, predictions."""
    scale = SCALE_OF[request.scale]
    samples = sampled(request, scale)
    request.draw("posterior", posterior_plot(samples))
    metrics = request.stage("judged", lambda: judged(samples), samples.models)
    return metrics | request.stage("predicted", lambda: predicted(request, scale, samples), samples.models)


def posterior_plot(samples: PosteriorSamples) -> Plot:
    """The samples of each chain, and the truth."""
    found = {name: samples.by_chain(values) for name, values in parameters(samples).items()}
    series = [
        Series(label=f"chain {chain + 1}", x=found["sigma"][chain], y=found["epsilon"][chain], style="points")
        for chain in range(samples.chains)
    ]
    ends = np.asarray([found["sigma"].min(), found["sigma"].max()])
    series += [
        Series(label="truth", x=ends, y=np.full(2, 1000 * EPSILON), style="reference"),
        Series(
            label="truth", x=np.full(2, SIGMA), y=[found["epsilon"].min(), found["epsilon"].max()], style="reference"
        ),
    ]
    return Plot(title="Posterior of the potential", x="σ (Å)", y="ε (meV)", series=series)
