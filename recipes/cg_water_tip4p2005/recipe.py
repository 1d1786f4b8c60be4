"""Coarse-grained water from an all-atom simulation of TIP4P/2005.

Force matching and relative entropy, each for a potential of pairs and for a network; after S. Thaler, M. Stupp,
J. Zavadlav, J. Chem. Phys. 157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from tip4p_judgement import AXES, agreement, curves, published
from tip4p_models import network, spline
from tip4p_reference import SAMPLER, judged_system, mapped, system
from tip4p_scales import SIZES, SKIN, TEMPERATURE, Scale

from mdfit.data import Frames
from mdfit.engines.openmm import OpenMM
from mdfit.observables import Pressure, Temperature
from mdfit.recipes.figures import Plot, history_series
from mdfit.recipes.metrics import Metrics, estimated
from mdfit.recipes.script import Request
from mdfit.recipes.speed import nanoseconds_per_day
from mdfit.simulate import JaxMD, Langevin, StatePoint, Trajectory
from mdfit.training import FitResult

SCALES = ("cpu", "demo", "paper")


def run(request: Request) -> Metrics:
    """Reference, four models, and an independent simulation of each."""
    scale = SIZES[request.scale]
    water = system(scale.reference)
    ambient = StatePoint(water.structure(), TEMPERATURE)
    atoms = request.simulate(
        "reference", water, ambient, SAMPLER, scale.reference.sampling, engine=OpenMM(threads=1)
    ).frames()
    chosen = atoms.spread(scale.reference.judged_frames)
    beads, seen = mapped(atoms), mapped(chosen)
    reference = curves(request, "reference", Trajectory.of_frames(seen, temperature=TEMPERATURE))
    metrics = agreement(reference, beads.structure(0))
    metrics |= request.stage(
        "all atoms", lambda: judged_system(scale.reference, chosen, request.seed_of("all atoms")), scale.reference
    )

    # From a frame that relative entropy does not start from, with velocities of its own.
    at, langevin = StatePoint(beads.structure(len(beads) // 2), TEMPERATURE), Langevin(scale.timestep, "1 /ps")
    models = trained(request, scale, beads, langevin)
    found = {}
    for name, result in models.items():
        model, kind = request.save(name, result.potential), scale.kind(name)
        simulated = request.simulate(f"judged_{name}", model, at, langevin, kind.judging, engine=JaxMD(SKIN))
        found[name] = curves(request, name, simulated)
        metrics |= estimated(name, simulated, Pressure(), Temperature())
        metrics |= request.stage(
            f"speed {name}",
            lambda n=name, m=model, k=kind: {
                f"speed/{n}": nanoseconds_per_day(m, at, langevin, k.speed_steps, skin=SKIN)
            },
            model,
        )

    for kind, known in published(beads.structure(0)).items():
        x, y, first = AXES[kind]
        metrics |= request.compare(
            kind,
            {name: own[kind] for name, own in found.items()},
            reference[kind],
            x,
            y,
            target_label="all atoms",
            published={"all atoms, published": known},
            x_limits=(first, None),
        )
    request.draw("learning", *course(models))
    return metrics


def trained(request: Request, scale: Scale, beads: Frames, langevin: Langevin) -> dict[str, FitResult]:
    """The four models; the prior, their last term, is never trained."""
    starts = {"spline": spline(scale.size), "network": network(scale.size, request.key("network"))}
    models: dict[str, FitResult] = {}
    for name, start in starts.items():
        kind, matching, entropy = scale.kind(name), f"force_matching_{name}", f"relative_entropy_{name}"
        models[matching] = kind.matching.train(request, matching, start, beads, fixed=[-1])
        before = models[matching].potential if kind.after_matching else start
        models[entropy] = kind.entropy.train(request, entropy, before, beads, TEMPERATURE, langevin, fixed=[-1])
    return models


def course(models: dict[str, FitResult]) -> list[Plot]:
    """Errors of the forces along force matching, and norms of the gradient along relative entropy."""
    matched = {name: own.history for name, own in models.items() if name.startswith("force")}
    entropic = {name: own.history for name, own in models.items() if name.startswith("relative")}
    forces = [
        history_series(name.replace("_", " "), own, lambda record: 1000 * record["validation_loss"] ** 0.5)
        for name, own in matched.items()
    ]
    gradients = [
        history_series(name.replace("_", " "), own, "gradient_norm", factor=1 / own[0]["gradient_norm"])
        for name, own in entropic.items()
    ]
    label = "norm of the gradient, first = 1"
    return [
        Plot(title="Errors of forces", x="epochs", y="RMSE of validation forces (meV/Å)", series=forces),
        Plot(title="Norms of the gradient", x="updates", y=label, series=gradients, y_scale="log"),
    ]
