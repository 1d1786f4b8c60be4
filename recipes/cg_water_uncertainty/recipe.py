"""Coarse-grained water: how sure is a potential of beads, by the number of frames that it was learned from?

Pair splines and networks by force matching on a simulation of TIP4P/2005: ensembles, posteriors by pSGLD and the last
layer; structure and pressure with the error of the simulation and that of the potential.  After S. Thaler, G. Doehner,
J. Zavadlav, J. Chem. Theory Comput. 19, 4520 (2023), doi:10.1021/acs.jctc.2c01267.
"""

from __future__ import annotations

import numpy as np
from beads_judgement import judged, rdf_plots, simulated, truth, width_plot
from beads_models import CLASSES, ensemble, from_last_layer, posterior, single
from beads_scales import SIZES, TEMPERATURE, Scale

from mdfit.data import Frames, Mapping
from mdfit.engines import openmm
from mdfit.objectives.accuracy import accuracy
from mdfit.potentials import PotentialSet
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Langevin, StatePoint

SCALES = ("cpu", "demo")
METHODS = ("ensemble_spline", "ensemble_network", "psgld_spline", "psgld_network", "last_layer_network")


def run(request: Request) -> Metrics:
    """The reference, one potential of each class from all frames, then several from fewer."""
    scale = SIZES[request.scale]
    beads, metrics = reference(request, scale)
    all_atoms = metrics["pressure/all_atoms"].value
    start = beads.structure(len(beads) // 2)
    known, noise = {}, {}
    for kind in CLASSES:
        potential, _, valid = single(request, f"all_frames_{kind}", kind, scale.steps_of_all, beads.dataset())
        request.save(f"all_frames_{kind}", potential)
        known[kind] = truth(request, kind, potential, start, scale)
        noise[kind] = accuracy(potential, valid).summary()["force_rmse"]
        metrics[f"force_error/{kind}"] = Metric(noise[kind], None, "eV/Å")
        metrics[f"pressure/all_frames/{kind}"] = Metric.of(known[kind]["pressure"])
    curves: dict[str, dict[int, dict]] = {method: {} for method in METHODS}
    for number in scale.numbers:
        for method, potentials in several(request, scale, beads.spread(number), number, noise).items():
            if number == scale.numbers[-1]:
                request.save(method, potentials)
            found = simulated(request, f"{method}_{number}", potentials, start, scale)
            curves[method][number] = found
            metrics |= judged(number, method, found, known[method.rsplit("_", 1)[1]], all_atoms)
    for method in METHODS:
        kind = method.rsplit("_", 1)[1]
        request.draw(f"rdf_{method}", *rdf_plots(curves[method], known[kind]["rdf"], method.replace("_", " ")))
    request.draw("widths", width_plot(metrics, scale.numbers, METHODS))
    return metrics


def reference(request: Request, scale: Scale) -> tuple[Frames, Metrics]:
    """Beads at the centres of mass of rigid molecules, and the pressure of all atoms."""
    water = openmm.water_box(scale.molecules, "tip4p2005", cutoff="9 Å")
    at = StatePoint(water.structure(), TEMPERATURE)
    engine = openmm.OpenMM(threads=1)
    atoms = request.simulate("reference", water, at, Langevin("2 fs", "1 /ps"), scale.reference, engine=engine).frames()
    molecules = list(np.arange(atoms.number_of_atoms).reshape(-1, 3))
    pressures = openmm.pressures(water, atoms.spread(min(len(atoms), 300)), TEMPERATURE)
    parts = np.array([part.mean() for part in np.array_split(pressures, 10)])
    pressure = Metric(float(pressures.mean()), float(parts.std(ddof=1) / np.sqrt(10)), "bar")
    return Mapping.centres_of_mass(molecules, atoms).frames(atoms), {"pressure/all_atoms": pressure}


def several(
    request: Request, scale: Scale, frames: Frames, number: int, noise: dict[str, float]
) -> dict[str, PotentialSet]:
    """Sets of potentials from so many frames, by each method."""
    data, found = frames.dataset(), {}
    for kind in CLASSES:
        members = ensemble(request, f"ensemble_{kind}_{number}_fit", kind, scale, data)
        found[f"ensemble_{kind}"] = members
        found[f"psgld_{kind}"] = posterior(request, f"psgld_{kind}_{number}_fit", scale, data, members, noise[kind])
    found["last_layer_network"] = from_last_layer(request, f"last_layer_{number}_fit", scale, data, noise["network"])
    return {method: found[method] for method in METHODS}
