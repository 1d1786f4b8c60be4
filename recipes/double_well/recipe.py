"""A double well from the density of its particles.

The first test system of S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4: a field is
learned by trajectory reweighting, and the gradient is compared with that through the simulation.
"""

from __future__ import annotations

import numpy as np
from backpropagation import gradient_norms, seconds_per_gradient
from double_well import GRID, POPULATED, SCALE_OF, exact_density, judge, sampled_density, start, train, truth

from mdfit.observables import bootstrap
from mdfit.potentials import Potential, field_curve
from mdfit.recipes.figures import Plot, Series, metric_series
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper")
KINDS = {"through_simulation": "through the simulation", "reweighting": "reweighting"}


def run(request: Request) -> Metrics:
    """Trains from several seeds, judges each, then compares both gradients at the first outcome."""
    scale = SCALE_OF[request.scale]
    first, *_ = seeds = request.own_seeds(scale.trainings)
    size = (scale.particles, scale.validation_frames)
    models: dict[int, Potential] = {}
    sampled, judged = {}, []
    for seed in seeds:
        result = train(request, scale, seed)
        models[seed] = request.save(f"seed_{seed}", result.last)
        sampled[seed] = sampled_density(request, f"{seed}", result.last, *size)
        judged.append(judge(result, sampled[seed]))
    grown = request.sweep(
        "growth", models, lambda seed: growth(gradient_norms(models[seed], scale.growth), scale.growth), models
    )
    metrics = {
        name: _summary([one[name] for one in ones]) for ones in (judged, list(grown.values())) for name in ones[0]
    }
    metrics |= request.stage("gradients", lambda: seconds_per_gradient(models[first]), models[first])
    fields = {"start": start(first), "trained": models[first], "exact": truth()}
    before = sampled_density(request, "start", fields["start"], *size)
    request.draw("fields", *drawn(fields, {"start": before, "trained": sampled[first], "exact": exact_density()}))
    norms = request.stage("norms", lambda: gradient_norms(models[first], scale.lengths), models[first])
    series = [metric_series(label, norms, f"{kind}/{{}}", scale.lengths) for kind, label in KINDS.items()]
    x, y = "frames of the trajectory", "norm of the gradient"
    plot = Plot(title="Norms of the gradients", x=x, y=y, series=series, x_scale="log", y_scale="log")
    request.draw("gradient_norms", plot)
    return metrics


def growth(norms: Metrics, lengths: tuple[int, int]) -> Metrics:
    """Decades by which the norms of both gradients grow from the shorter to the longer trajectory."""
    pairs = {kind: [norms[f"{kind}/{frames}"].value for frames in lengths] for kind in KINDS}
    return {f"decades_of_growth_{kind}": Metric(float(np.log10(b / a)), None, "1") for kind, (a, b) in pairs.items()}


def _summary(values: list[Metric]) -> Metric:
    """Median over the trainings, with the standard error that comes from drawing them with replacement."""
    numbers = np.array([metric.value for metric in values])
    value, error = bootstrap(np.median, numbers, draws=1000, seed=0)
    return Metric(float(value), float(error) if len(numbers) > 1 else None, values[0].unit)


def drawn(fields: dict[str, Potential], densities: dict[str, np.ndarray]) -> list[Plot]:
    """Densities and potentials, whose mean is zero where particles are."""
    curves = {name: field_curve(field, GRID) for name, field in fields.items()}
    shifted = {name: curve - curve[densities["exact"] > POPULATED].mean() for name, curve in curves.items()}

    def plot(label: str, curves: dict[str, np.ndarray], limits: tuple[float | None, float | None]) -> Plot:
        series = [
            Series(label=name, x=GRID, y=curve, style="measured" if name == "exact" else "line")
            for name, curve in curves.items()
        ]
        return Plot(title=label, x="x (Å)", y=label, series=series, y_limits=limits)

    return [plot("density (1/Å)", densities, (None, None)), plot("potential (kT)", shifted, (-0.5, 6.0))]
