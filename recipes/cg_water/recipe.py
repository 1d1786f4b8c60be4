"""Coarse-grained water from the measured O-O distribution, the O-O-O angles and 1 bar.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from water_beads import PUBLISHED_PRESSURE_WEIGHT, configuration, flat_spline, lattice, prior, small_network
from water_figures import draw_curves, draw_learning, draw_pair_potentials
from water_inversion import invert
from water_training import Training, train
from water_validation import validate

from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.script import Request

SCALES = ("cpu", "demo", "paper")


@dataclass(frozen=True)
class Scale:
    """Sizes of the models and of their trainings.

    Attributes:
        pairs: of the spline and of the Boltzmann inversion.
        network: of the network.
        channels: of the network.
        layers: of the network.
        pair_beads: of the cell in which pair potentials are trained and validated; None for the published configuration.
        network_beads: of the cell of the network.
        validation_beads: of the cell in which the network is validated.
        pair_validation: length of the independent simulations in fs.
        network_validation: the same for the network.
        validation_every: between their frames in fs.
    """

    pairs: Training
    network: Training
    channels: int
    layers: int
    pair_beads: int | None
    network_beads: int | None
    validation_beads: int
    pair_validation: float
    network_validation: float
    validation_every: float


CPU = Scale(
    pairs=Training(
        updates=25,
        first_rate=8e-3,
        last_rate=3e-4,
        sample=12_000,
        every=200,
        equilibrate=1_500,
        timestep=10,
        pressure_weight=1e-9,
    ),
    network=Training(
        updates=120,
        first_rate=2e-2,
        last_rate=5e-4,
        sample=15_000,
        every=200,
        equilibrate=1_000,
        timestep=10,
        pressure_weight=PUBLISHED_PRESSURE_WEIGHT,
        angle_weight=5.0,
        step_ratio=0.15,
    ),
    channels=16,
    layers=2,
    pair_beads=None,
    network_beads=150,
    validation_beads=267,
    pair_validation=75_000,
    network_validation=120_000,
    validation_every=500,
)
DEMO = Scale(
    pairs=replace(CPU.pairs, updates=3, sample=4_000, every=100, equilibrate=500),
    network=replace(CPU.network, updates=2, sample=4_000, every=100, equilibrate=500),
    channels=4,
    layers=1,
    pair_beads=150,
    network_beads=150,
    validation_beads=150,
    pair_validation=5_000,
    network_validation=3_000,
    validation_every=50,
)
#: The published settings for the network, of PaiNN's usual size; the pair potential in the same way.
PAPER = Scale(
    pairs=Training(
        updates=300,
        first_rate=3e-3,
        last_rate=3e-6,
        sample=60_000,
        every=100,
        equilibrate=10_000,
        timestep=2,
        pressure_weight=PUBLISHED_PRESSURE_WEIGHT,
    ),
    network=Training(
        updates=300,
        first_rate=3e-3,
        last_rate=3e-6,
        sample=60_000,
        every=100,
        equilibrate=10_000,
        timestep=2,
        pressure_weight=PUBLISHED_PRESSURE_WEIGHT,
        angle_weight=1.0,
    ),
    channels=64,
    layers=3,
    pair_beads=None,
    network_beads=None,
    validation_beads=901,
    pair_validation=10_000_000,
    network_validation=10_000_000,
    validation_every=1_000,
)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER}


def run(request: Request) -> Metrics:
    """Trains the spline and the network, inverts the spline for comparison, and validates all of them."""
    scale, seed, out = SIZES[request.scale], request.seed, request.out
    pairs_at = configuration() if scale.pair_beads is None else lattice(scale.pair_beads, seed)
    network_at = configuration() if scale.network_beads is None else lattice(scale.network_beads, seed)
    models: dict[str, Potential] = {"prior": prior()}
    with request.timed("train spline"):
        spline = train(flat_spline(), pairs_at, scale.pairs, seed, out / "spline", request.show_progress)
    models["spline"] = spline.last
    with request.timed("train network"):
        start = small_network(scale.channels, scale.layers, seed)
        network = train(start, network_at, scale.network, seed, out / "network", request.show_progress)
    models["network"] = network.last
    with request.timed("boltzmann inversion"):
        models["ibi"], inversion = invert(flat_spline(), pairs_at, scale.pairs, seed, out / "ibi")
    validations = {}
    for name, potential in models.items():
        potential.save(out / f"{name}.mdfit")
        # A lattice of their own, so that a validation remembers nothing of the training.
        if name == "network":
            beads, length = scale.validation_beads, scale.network_validation
        else:
            beads, length = pairs_at.structure.number_of_atoms, scale.pair_validation
        with request.timed(f"validate {name}"):
            validations[name] = validate(
                potential,
                lattice(beads, seed + 1),
                scale.pairs.sampler(),
                length,
                scale.validation_every,
                seed,
                out / f"validation_{name}.h5",
            )
    histories = {
        "spline": _history(spline.history, scale.pairs),
        "network": _history(network.history, scale.network),
        "ibi": {"RDF": inversion[:, 0], "Pressure": inversion[:, 1]},
    }
    draw_learning(histories, out / "learning.png")
    draw_curves(validations, "rdf", "g(r), O-O", out / "rdf.png")
    draw_curves(validations, "adf", "p(angle), O-O-O (1/rad)", out / "adf.png")
    pair_models = {name: models[name] for name in ("prior", "spline", "ibi")}
    draw_pair_potentials(pair_models, validations["spline"].rdf, out / "pair_potentials.png")
    return {f"{kind}/{name}": metric for name, v in validations.items() for kind, metric in sorted(v.metrics.items())}


def _history(records: list[dict[str, Any]], training: Training) -> dict[str, np.ndarray]:
    """Root-mean-square deviations from the losses, and the pressure, of each update."""
    columns = {
        "RDF": np.sqrt([record["loss/RDF"] for record in records]),
        "Pressure": np.array([record["Pressure"] for record in records]),
    }
    if training.angle_weight is not None:
        columns["ADF"] = np.sqrt([record["loss/ADF"] / training.angle_weight for record in records])
    return columns
