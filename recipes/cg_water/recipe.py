"""Coarse-grained water from the measured O-O distribution, the O-O-O angles and 1 bar.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import optax
from water_inversion import inverted
from water_models import flat_spline, monatomic_water, prior, published_network, sizes, small_network, zero_spline
from water_scales import SIZES, SKIN, Phase, Scale, Start
from water_targets import AXES, TEMPERATURE, configuration, known, lattice, observables, published_metrics, targets

from mdfit.objectives import ForceMatching
from mdfit.observables import Pressure, Temperature
from mdfit.potentials import Potential, Sum, labelled_by, pair_curve
from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.methods import Reweighting
from mdfit.recipes.metrics import Metrics, estimated
from mdfit.recipes.plots import learning_plots
from mdfit.recipes.script import Request
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.training import FitResult
from mdfit.units import BOLTZMANN

SCALES = ("cpu", "demo", "paper")
Models = dict[str, Potential]
Histories = dict[str, list[dict[str, float]]]


def run(request: Request) -> Metrics:
    """Trains the spline and the network, inverts the spline for comparison, and validates all of them."""
    scale = SIZES[request.scale]
    at, langevin = cell(request, "pairs", scale.pairs.beads), Langevin(scale.timestep, "1 /ps")
    models, histories = trained(request, scale, at, langevin)
    metrics, found = published_metrics(at), {}
    for name, model in models.items():
        request.save(name, model)
        kind = scale.network if name == "network" else scale.pairs
        # From a lattice of its own, so that it remembers nothing of the training.
        start = cell(request, f"validation of {name}", kind.validation_beads)
        simulated = request.simulate(f"validation_{name}", model, start, langevin, kind.validation, engine=JaxMD(SKIN))
        curves = observables(start.structure).items()
        found[name] = {curve: request.average(f"{curve}_{name}", one, simulated) for curve, one in curves}
        metrics |= estimated(name, simulated, Pressure(), Temperature())
    # Long time steps shift the pressure by more than its error.
    short, start = Langevin("2 fs", "1 /ps"), cell(request, "validation at 2 fs", scale.pairs.validation_beads)
    sampling, engine = scale.pairs.validation, JaxMD(SKIN)
    finer = request.simulate("validation_2fs", models["spline"], start, short, sampling, engine=engine)
    metrics |= estimated("spline_2fs", finer, Pressure(), Temperature())
    measured, published = known("oxygen", at), known("published", at)
    for curve, (x, y) in AXES.items():
        own, others = {name: curves[curve] for name, curves in found.items()}, {"published model": published[curve]}
        metrics |= request.compare(curve, own, measured[curve], x, y, published=others, beyond=["prior"])
    request.draw("learning", *course(histories))
    request.draw("pair_potentials", pair_potentials(models, observables(at.structure)["rdf"].grid, measured["rdf"]))
    return metrics


def cell(request: Request, name: str, beads: int | None) -> StatePoint:
    """A lattice of its own, or the published configuration."""
    return configuration() if beads is None else lattice(beads, request.seed_of(f"cell, {name}"))


def trained(request: Request, scale: Scale, at: StatePoint, langevin: Langevin) -> tuple[Models, Histories]:
    """All models and the course of their trainings; phases of the network go on where the last one ended."""
    (pairs,), start = scale.pairs.phases, flat_spline()
    spline = reweighted(request, "spline", start, at, langevin, pairs)
    inversion, inverse = inverted(request, start, at, langevin, pairs)
    histories = {"spline": deviations(spline, pairs), "ibi": inverse}
    network = published_network(request.key("start")) if scale.start is None else matched(request, scale.start)
    small, done = cell(request, "network", scale.network.beads), 0
    for number, phase in enumerate(scale.network.phases):
        name = f"network_refined_{number}" if number else "network"
        result = reweighted(request, name, network, small, langevin, phase)
        histories[name] = [{}] * done + deviations(result, phase)
        network, done = result.last, done + phase.descent.updates
    return {"spline": spline.last, "network": network, "ibi": inversion, "prior": prior()}, histories


def reweighted(request: Request, name: str, start: Sum, at: StatePoint, langevin: Langevin, phase: Phase) -> FitResult:
    """All but the prior learns from the measurements."""
    is_newton = phase.descent.damping is not None
    # Gauss-Newton steps would fit the noise of a trajectory that is used twice.  Energies drift slowly while the potential
    # changes; their estimate of the number of samples then says one, at random.
    reuse, fewest = 1.0 if is_newton else 0.9, 0.0
    method = Reweighting(phase.descent, phase.sampling, phase.step_ratio, reuse, fewest, SKIN)
    aims = targets(at, phase.pressure_weight, phase.angle_weight, phase.together)
    units = partial(sizes, spline=phase.spline_size) if is_newton else None
    return method.train(request, name, start, aims, langevin, fixed=[-1], parameter_sizes=units)


def matched(request: Request, start: Start) -> Sum:
    """A network with the forces of mW, a spline of pairs that is zero, and the prior."""
    model, at, langevin = monatomic_water(), cell(request, "mW", start.beads), Langevin("10 fs", "1 /ps")
    liquid = request.simulate("mW", model, at, langevin, start.sampling, engine=JaxMD(SKIN))
    frames = labelled_by(model, (liquid.structure(frame) for frame in range(len(liquid))))
    objective = ForceMatching(frames, energy=0.1, forces=10.0, stress=1.0, batch_size=2)
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, start.updates, 1e-2))
    random = small_network(request.key("start"))
    network, repulsion = request.train("start", random, objective, optimizer, start.updates, fixed=[-1]).last.terms
    # Of shorter range than the other spline: the network shares its list of neighbours.
    return network + zero_spline(6.0, 28) + repulsion


def deviations(result: FitResult, phase: Phase) -> list[dict[str, float]]:
    """Root-mean-square deviations from the losses, and the pressure, of each update."""
    weights = {"RDF": 1.0} if phase.angle_weight is None else {"RDF": 1.0, "ADF": phase.angle_weight}

    def record_of(record: dict[str, Any]) -> dict[str, float]:
        rmse = {curve: (record[f"loss/{curve}"] / weight) ** 0.5 for curve, weight in weights.items()}
        return rmse | {"Pressure": record["Pressure"]}

    return [record_of(record) for record in result.history]


def course(histories: Histories) -> list[Plot]:
    """Deviations and pressure against the number of simulations or updates."""
    deviations = learning_plots(histories, {"RDF": "RMSE of the RDF", "ADF": "RMSE of the ADF (1/rad)"}, "log")
    return deviations + learning_plots(histories, {"Pressure": "pressure (bar)"}, measured={"Pressure": 1.0})


def pair_potentials(models: Models, distances: np.ndarray, measured: np.ndarray) -> Plot:
    """Potentials of pairs, beside −kT ln g of the measured distribution."""
    fine = np.linspace(2.3, 8.0, 400)
    pairs = [Series(label=name, x=fine, y=1000 * pair_curve(models[name], fine)) for name in ("prior", "spline", "ibi")]
    inverse = -1000 * BOLTZMANN * TEMPERATURE * np.log(np.maximum(measured, 1e-9))
    return Plot(
        title="Potentials of pairs",
        x="r (Å)",
        y="energy of a pair (meV)",
        series=[*pairs, Series(label="−kT ln g, measured", x=distances, y=inverse, style="measured")],
        x_limits=(2.3, 8.0),
        y_limits=(-60.0, 120.0),
    )
