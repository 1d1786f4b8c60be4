"""Coarse-grained water from the measured O-O distribution, the O-O-O angles and 1 bar.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from water_beads import configuration, flat_spline, lattice, prior, published, published_network, targets, zero_spline
from water_figures import draw_curves, draw_learning, draw_pair_potentials
from water_inversion import invert
from water_scales import SIZES, Scale
from water_start import fitted_network
from water_training import Training, train
from water_validation import Validation, validate

from mdfit.potentials import Potential, Sum
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import StatePoint

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
    """Trains the spline and the network, inverts the spline for comparison, and validates all of them."""
    scale, seed, out = SIZES[request.scale], request.seed, request.out
    pairs_at = configuration() if scale.pair_beads is None else lattice(scale.pair_beads, seed)
    network_at = configuration() if scale.network_beads is None else lattice(scale.network_beads, seed)
    models: dict[str, Potential] = {}
    validations: dict[str, Validation] = {}

    def judge(name: str, potential: Potential) -> None:
        models[name] = potential
        potential.save(out / f"{name}.mdfit")
        with request.timed(f"validate {name}"):
            validations[name] = _validated(potential, name, scale, pairs_at.structure.number_of_atoms, seed, out)

    with request.timed("train spline"):
        spline = train(flat_spline(), pairs_at, scale.pairs, seed, out / "spline", request.show_progress)
    judge("spline", spline.last)
    with request.timed("fit network to mW"):
        start = _network_before(scale, seed, out / "start", request.show_progress)
    with request.timed("train network"):
        network = train(start, network_at, scale.network, seed, out / "network", request.show_progress)
    histories = {
        "spline": _history(spline.history, scale.pairs),
        "network": _history(network.history, scale.network),
    }
    updates = scale.network.updates
    for number, phase in enumerate(scale.refinements, 1):
        with request.timed("refine network"):
            folder = out / f"refinement_{number}"
            network = train(network.last, network_at, phase, seed + number, folder, request.show_progress)
        histories[f"network, refined {number}"] = _history(network.history, phase, after=updates)
        updates += phase.updates
    judge("network", network.last)
    with request.timed("boltzmann inversion"):
        inverted, inversion = invert(flat_spline(), pairs_at, scale.pairs, seed, out / "ibi")
    judge("ibi", inverted)
    judge("prior", prior())
    histories["ibi"] = {"RDF": inversion[:, 0], "Pressure": inversion[:, 1]}
    _draw(models, validations, histories, pairs_at, out)
    own = {f"{kind}/{name}": metric for name, v in validations.items() for kind, metric in sorted(v.metrics.items())}
    return _published_metrics(pairs_at) | own


def _network_before(scale: Scale, seed: int, out: Path, show_progress: bool) -> Sum:
    """The network before it learns from experiment: random, or with the forces of mW and a spline of pairs."""
    if scale.start is None:
        return published_network(seed)
    fitted = fitted_network(scale.start.beads, scale.start.frames, scale.start.epochs, seed, out, show_progress)
    network, repulsion = fitted.terms
    # Of shorter range than the other spline: the network shares its list of neighbours.
    return network + zero_spline(6.0, 28) + repulsion


def _validated(potential: Potential, name: str, scale: Scale, pair_beads: int, seed: int, out: Path) -> Validation:
    """From a lattice of its own, so that it remembers nothing of the training."""
    if name == "network":
        beads, duration, every = scale.validation_beads, scale.network_validation, scale.network_every
    else:
        beads, duration, every = pair_beads, scale.pair_validation, scale.pair_every
    at = lattice(beads, seed + 1)
    return validate(potential, at, scale.pairs.sampler(), duration, every, seed, out / f"validation_{name}.h5")


def _draw(models, validations: dict[str, Validation], histories, at: StatePoint, out: Path) -> None:
    draw_learning(histories, out / "learning.png")
    radial, angular = published(at)
    draw_curves(validations, radial, "rdf", "g(r), O-O", out / "rdf.png")
    draw_curves(validations, angular, "adf", "p(angle), O-O-O (1/rad)", out / "adf.png")
    pair_models = {name: models[name] for name in ("prior", "spline", "ibi")}
    draw_pair_potentials(pair_models, validations["spline"].rdf, out / "pair_potentials.png")


def _published_metrics(at: StatePoint) -> Metrics:
    """How far the published model is from what was measured; its curves have no errors."""
    pairs = zip(("rdf_rmse", "adf_rmse"), published(at), targets(at, 1.0, 1.0)[::2], ("", "1/rad"), strict=True)
    return {
        f"{name}/published": Metric(float(np.sqrt(np.mean((model.value - target.value) ** 2))), None, unit)
        for name, model, target, unit in pairs
    }


def _history(records: list[dict[str, Any]], training: Training, after: int = 0) -> dict[str, np.ndarray]:
    """Root-mean-square deviations from the losses, and the pressure, of each update; ``after`` so many others."""
    columns = {
        "RDF": np.sqrt([record["loss/RDF"] for record in records]),
        "Pressure": np.array([record["Pressure"] for record in records]),
    }
    if training.angle_weight is not None:
        columns["ADF"] = np.sqrt([record["loss/ADF"] / training.angle_weight for record in records])
    return {name: np.concatenate([np.full(after, np.nan), values]) for name, values in columns.items()}
