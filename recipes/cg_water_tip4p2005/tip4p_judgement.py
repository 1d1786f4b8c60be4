"""The structure of water: three curves of every model, and how far those of all atoms are from the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tip4p_scales import TEMPERATURE

from mdfit.measurements import Measurement
from mdfit.observables import ADF, RDF, BlockAverages, EquilateralTripletCorrelation, Observable
from mdfit.recipes.comparison import deviations
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import StatePoint, Trajectory
from mdfit.structure import Structure

DATA = Path(__file__).parent / "data"
#: Of the published RDF in Å, and of the Gaussian that smears it.
WIDTH = 8.5 / 300
#: Both legs of an angle, in Å.
LEG = 3.18
#: Labels of the axes of the curves, and where there begins to be something to see.
AXES = {
    "rdf": ("r (Å)", "g(r)", 2.2),
    "adf": ("angle (rad)", "p(angle) (1/rad)", 0.7),
    "g3": ("r (Å)", "g₃(r, r, r)", 2.3),
}
Curves = dict[str, BlockAverages]


def observables(structure: Structure) -> dict[str, Observable]:
    """The RDF up to half the cell, in bins of the published width; ADF and three-body correlation on the published bins."""
    half = float(np.diag(structure.cell).min()) / 2
    # The Gaussian reaches five widths further.
    bins = int(half / WIDTH - 5)
    return {
        "rdf": RDF(bins * WIDTH, bins, smearing=WIDTH),
        "adf": ADF(LEG, bins=150, max_neighbours=14),
        "g3": EquilateralTripletCorrelation(2.0, 5.0, 50, max_neighbours=40),
    }


def published(structure: Structure) -> dict[str, np.ndarray]:
    """The curves of TIP4P/2005 that were published, on the first bins of ours."""
    at = StatePoint(structure, TEMPERATURE)
    own = observables(structure)
    bins = min(own["rdf"].bins, 300)  # type: ignore[attr-defined]
    own["rdf"] = RDF(bins * WIDTH, bins, smearing=WIDTH)
    files = {"rdf": "published_rdf.csv", "adf": "published_adf.csv", "g3": "published_three_body.csv"}
    return {kind: np.asarray(Measurement(own[kind], DATA / file, at, weight=1.0).value) for kind, file in files.items()}


def curves(request: Request, name: str, trajectory: Trajectory) -> Curves:
    """All three, in ten blocks."""
    return {
        kind: request.average(f"{kind}_{name}", observable, trajectory)
        for kind, observable in observables(trajectory.structure(0)).items()
    }


def agreement(reference: Curves, structure: Structure) -> Metrics:
    """Deviations of the all-atom curves from the published ones, and of its first half from its second."""
    metrics: Metrics = {}
    for kind, curve in published(structure).items():
        metrics |= deviations(kind, {"reference": reference[kind]}, curve)
        first, second = reference[kind].halves()
        metrics[f"{kind}_rmse/halves"] = Metric(first.deviation(second.value)[0], None, first.observable.unit)
    return metrics
