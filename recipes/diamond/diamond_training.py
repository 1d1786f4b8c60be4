"""What is learned, from what, and how the outcome is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import numpy as np
import optax
from ase.build import bulk

import mdfit as mf
from mdfit.objectives import DiffTRe
from mdfit.observables import ElasticConstants, Pressure, Stress
from mdfit.potentials import DimeNetPP, Potential, StillingerWeber, trainable
from mdfit.precision import key
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import Langevin, StatePoint
from mdfit.training import FitResult
from mdfit.units import BAR, GIGAPASCAL, quantity

DATA = Path(__file__).parent / "data"
CARBON = 6
TEMPERATURE = "298.15 K"
#: Of the cubic cell at 3512 kg/m³.
LATTICE_CONSTANT = "3.568 Å"
#: Published: 4 /ps.  C44 contains fluctuations of the optical vibration, whose energy must be forgotten from frame to frame
#: to give independent samples of them; averages do not depend on the friction.
FRICTION = "40 /ps"
#: Published: 5e-8 and 1e-10 per (kJ/mol/nm³)²; 1 GPa is 602.21 kJ/mol/nm³.  The published mean is over the nine
#: components of the stress tensor, in which each shear stands twice.
STRESS_WEIGHT = 5e-8 * 602.21**2 * 6 / 9 * np.array([1, 1, 1, 2, 2, 2])
ELASTIC_WEIGHT = 1e-10 * 602.21**2


@dataclass(frozen=True)
class Phase:
    """Some updates with trajectories of one length.

    Attributes:
        name: of its directory.
        updates: of the parameters.
        rates: in the first and in the last update: of Adam, or parts of Gauss-Newton steps.
        equilibrate, sample, every: of each trajectory.
        timestep: of the integrator.
        trains: the prior, without the network; the network; or both.
        gauss_newton: damping of Gauss-Newton steps; None stands for Adam.
        uncertainties: of the pressure and of the elastic constants in GPa, which weigh them in the loss.
        elastic: whether the elastic constants are targets, too; without them an update costs little.
        published: whether with the published targets, weights and memory of Adam.
    """

    name: str
    updates: int
    rates: tuple[float, float]
    equilibrate: str
    sample: str
    every: str = "25 fs"
    timestep: str = "1 fs"
    trains: Literal["prior", "network", "both"] = "network"
    gauss_newton: float | None = 1e-3
    uncertainties: tuple[float, float] = (1.0, 10.0)
    elastic: bool = True
    published: bool = False


@dataclass(frozen=True)
class Validation:
    """The simulation that judges a potential: of its own, from the perfect crystal.

    Attributes:
        cells: repeats of the cubic cell of eight atoms.
        duration: for the trained potential.
        duration_of_prior: for the start, of which less need be known.
        equilibrate: dropped before.
        every: between frames.
        timestep: of the integrator.
    """

    cells: int
    duration: str
    duration_of_prior: str
    equilibrate: str
    every: str
    timestep: str = "0.5 fs"


@dataclass(frozen=True)
class Settings:
    """One scale: repeats of the cubic cell of eight atoms, phases of the training, validation."""

    cells: int
    phases: tuple[Phase, ...]
    validation: Validation


SETTINGS = {
    "demo": Settings(
        2,
        (
            Phase(
                "prior", 3, (1.0, 1.0), "0.1 ps", "1 ps", trains="prior", gauss_newton=1e-4, uncertainties=(0.1, 5.0)
            ),
            Phase("network", 2, (1.0, 1.0), "0.1 ps", "0.4 ps"),
        ),
        Validation(2, "2 ps", "2 ps", "0.2 ps", "25 fs"),
    ),
    "cpu": Settings(
        2,
        (
            Phase(
                "prior", 10, (1.0, 1.0), "0.1 ps", "5 ps", trains="prior", gauss_newton=1e-4, uncertainties=(0.1, 5.0)
            ),
            Phase("network", 12, (0.8, 0.2), "0.1 ps", "2.4 ps"),
            # The prior again, too, since the network moves C44, but hardly C11 - C12.
            Phase(
                "both", 5, (1.0, 0.338), "0.1 ps", "4 ps", trains="both", gauss_newton=1e-5, uncertainties=(0.3, 5.0)
            ),
            # Frames three quarters of a period (50 fs) of the optical vibration apart are independent estimates of C44;
            # the second step is shorter, so that both average their noise.
            Phase(
                "refine",
                2,
                (1.0, 0.632),
                "0.1 ps",
                "5.92 ps",
                every="37 fs",
                trains="both",
                gauss_newton=1e-5,
                uncertainties=(0.3, 5.0),
            ),
            Phase("pressure", 2, (1.0, 0.6), "0.1 ps", "3 ps", trains="both", gauss_newton=1e-6, elastic=False),
        ),
        Validation(2, "30.007 ps", "8.029 ps", "1 ps", "37 fs"),
    ),
    "paper": Settings(
        5,
        (Phase("only", 700, (2e-3, 3.2e-6), "10 ps", "60 ps", timestep="0.5 fs", gauss_newton=None, published=True),),
        Validation(5, "10 ns", "1 ns", "1 ns", "1 ps"),
    ),
}


def prior() -> Potential:
    """Stillinger-Weber with the shape constants of silicon."""
    return StillingerWeber(CARBON, epsilon=quantity("200 kJ/mol", "eV"), sigma=1.4)


def network(seed: int) -> Potential:
    """DimeNet++, not trained, that sees the four nearest neighbours."""
    return DimeNetPP((CARBON,), cutoff=2.0, key=key(seed))


def only_network(potential: Potential):
    """Flags for training: all of the network, nothing of the prior."""
    flags = trainable(potential)
    return eqx.tree_at(lambda tree: tree.terms[1], flags, jax.tree.map(lambda _: False, flags.terms[1]))


def state_point(cells: int) -> StatePoint:
    """The crystal at its measured density."""
    a = quantity(LATTICE_CONSTANT, "Å")
    return StatePoint(mf.Structure.from_ase(bulk("C", "diamond", a=a, cubic=True).repeat(cells)), TEMPERATURE)


def measurements(at: StatePoint, phase: Phase) -> list[mf.Measurement]:
    """No stress at 1 bar, and the elastic constants.

    As published, with the published weights; else the pressure instead of the six components, which are one by symmetry.
    """
    constants = mf.measurements.read(DATA / "elastic_constants.yaml", at=at)
    if phase.published:
        elastic = mf.Measurement(ElasticConstants(), constants.value, at, weight=ELASTIC_WEIGHT, doi=constants.doi)
        return [mf.Measurement(Stress(), [0.0] * 6, at, weight=STRESS_WEIGHT), elastic]
    uncertainty, stiffness = phase.uncertainties
    pressure = mf.Measurement(Pressure(), "1 bar", at, sigma=f"{uncertainty} GPa")
    if not phase.elastic:
        return [pressure]
    return [pressure, mf.Measurement(ElasticConstants(), constants.value, at, sigma=stiffness, doi=constants.doi)]


def train(potential: Potential, phase: Phase, cells: int, request: Request) -> FitResult:
    """One phase, from where the last one ended."""
    objective = DiffTRe(
        measurements(state_point(cells), phase),
        Langevin(phase.timestep, friction=FRICTION),
        equilibrate=phase.equilibrate,
        sample=phase.sample,
        every=phase.every,
        # The five parameters of the prior have nothing to gain from the noise of one trajectory; a network has.
        step_ratio={"prior": 0.1, "network": 0.8, "both": 0.5}[phase.trains],
        reuse=0.9 if phase.trains == "prior" or phase.published else 1.0,
        gauss_newton=phase.gauss_newton,
        fewest_samples=2,
    )
    first, last = phase.rates
    rate = optax.exponential_decay(first, max(phase.updates - 1, 1), last / first)
    out = request.out / f"fit_{phase.name}"
    return mf.fit(
        potential,
        objective,
        optimizer=optax.adam(rate, b1=0.1, b2=0.4) if phase.gauss_newton is None else optax.sgd(rate),
        steps=phase.updates,
        train_only=only_network if phase.trains == "network" else trainable,
        seed=request.seed,
        out=out,
        show_progress=request.show_progress,
    ).unless_interrupted()


def judge(potential: Potential, validation: Validation, duration: str, request: Request, name: str) -> Metrics:
    """Elastic constants and stress of a simulation that shares nothing with those of the training."""
    out = request.out / f"validation_{name}.h5"
    trajectory = mf.simulate.run(
        potential,
        state_point(validation.cells),
        Langevin(validation.timestep, friction=FRICTION),
        duration=duration,
        equilibrate=validation.equilibrate,
        every=validation.every,
        key=key(1000 + request.seed),
        out=out,
        show_progress=request.show_progress,
    )
    constants = mf.estimate(ElasticConstants(), trajectory, potential=potential)
    stress = mf.estimate(Stress(), trajectory)
    metrics = Metric.of_components(constants)
    worst = stress.labels[int(np.argmax(np.abs(stress.value)))]
    largest = Metric.of_components(stress)[worst]
    metrics["stress_max"] = replace(largest, value=abs(largest.value))
    # Not from the errors of the three components, which fluctuate together.
    return metrics | {"stress_mean": Metric.of(mf.estimate(Pressure(), trajectory), -BAR / GIGAPASCAL, "GPa")}
