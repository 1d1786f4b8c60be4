"""What is learned, from what, and how the outcome is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from ase.build import bulk

import mdfit as mf
from mdfit.observables import ElasticConstants, Pressure, Stress
from mdfit.potentials import Potential, StillingerWeber
from mdfit.recipes.methods import Descent, Reweighting
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Request, Sampling
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
        trains: the prior, without the network; the network; or both.
        descent: by Adam, or by parts of Gauss-Newton steps.
        sampling: of each trajectory.
        uncertainties: of the pressure and of the elastic constants in GPa, which weigh them in the loss.
        elastic: whether the elastic constants are targets, too; without them an update costs little.
        timestep: of the integrator.
        published: whether with the published targets, weights and memory of Adam.
    """

    name: str
    trains: Literal["prior", "network", "both"]
    descent: Descent
    sampling: Sampling
    uncertainties: tuple[float, float] = (1.0, 10.0)
    elastic: bool = True
    timestep: str = "1 fs"
    published: bool = False


@dataclass(frozen=True)
class Settings:
    """One scale: repeats of the cubic cell of eight atoms, phases, and the simulations that judge outcome and priors."""

    cells: int
    phases: tuple[Phase, ...]
    validation: Sampling
    validation_of_prior: Sampling


def _sampling(duration: str, every: str = "25 fs") -> Sampling:
    return Sampling(duration, "0.1 ps", every)


_SHORT = Sampling("2 ps", "0.2 ps", "25 fs")
_OF_PRIOR, _OF_BOTH = (0.1, 5.0), (0.3, 5.0)
SETTINGS = {
    "demo": Settings(
        2,
        (
            Phase("prior", "prior", Descent(3, (1.0, 1.0), damping=1e-4), _sampling("1 ps"), _OF_PRIOR),
            Phase("network", "network", Descent(2, (1.0, 1.0), damping=1e-3), _sampling("0.4 ps")),
        ),
        _SHORT,
        _SHORT,
    ),
    "cpu": Settings(
        2,
        (
            Phase("prior", "prior", Descent(10, (1.0, 1.0), damping=1e-4), _sampling("5 ps"), _OF_PRIOR),
            Phase("network", "network", Descent(12, (0.8, 0.176), damping=1e-3), _sampling("2.4 ps")),
            # The prior again, too, since the network moves C44, but hardly C11 - C12.
            Phase("both", "both", Descent(5, (1.0, 0.258), damping=1e-5), _sampling("4 ps"), _OF_BOTH),
            # Frames three quarters of a period (50 fs) of the optical vibration apart are independent estimates of C44;
            # the second step is shorter, so that both average their noise.
            Phase("refine", "both", Descent(2, (1.0, 0.4), damping=1e-5), _sampling("5.92 ps", "37 fs"), _OF_BOTH),
            Phase("pressure", "both", Descent(2, (1.0, 0.36), damping=1e-6), _sampling("3 ps"), elastic=False),
        ),
        Sampling("30.007 ps", "1 ps", "37 fs"),
        Sampling("8.029 ps", "1 ps", "37 fs"),
    ),
    "paper": Settings(
        5,
        (
            Phase(
                "only",
                "network",
                Descent(700, (2e-3, 3.17e-6)),
                Sampling("60 ps", "10 ps", "25 fs"),
                timestep="0.5 fs",
                published=True,
            ),
        ),
        Sampling("10 ns", "1 ns", "1 ps"),
        Sampling("1 ns", "1 ns", "1 ps"),
    ),
}


def prior() -> Potential:
    """Stillinger-Weber with the shape constants of silicon."""
    return StillingerWeber(CARBON, epsilon=quantity("200 kJ/mol", "eV"), sigma=1.4)


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
    elastic = mf.Measurement(ElasticConstants(), constants.value, at, sigma=stiffness, doi=constants.doi)
    return [pressure, elastic] if phase.elastic else [pressure]


def train(request: Request, potential: Potential, phase: Phase, cells: int) -> FitResult:
    """One phase, from where the last one ended."""
    method = Reweighting(
        phase.descent,
        phase.sampling,
        # The five parameters of the prior have nothing to gain from the noise of one trajectory; a network has.
        step_ratio={"prior": 0.1, "network": 0.8, "both": 0.5}[phase.trains],
        reuse=0.9 if phase.trains == "prior" or phase.published else 1.0,
        fewest_samples=2,
    )
    targets, langevin = measurements(state_point(cells), phase), Langevin(phase.timestep, friction=FRICTION)
    fixed = [1] if phase.trains == "network" else []
    return method.train(request, f"fit_{phase.name}", potential, targets, langevin, fixed=fixed)


def judge(request: Request, potential: Potential, name: str, cells: int, sampling: Sampling) -> Metrics:
    """Elastic constants and stress of a simulation that shares nothing with those of the training."""
    langevin = Langevin("0.5 fs", friction=FRICTION)
    trajectory = request.simulate(f"validation_{name}", potential, state_point(cells), langevin, sampling)
    metrics = Metric.of_components(mf.estimate(ElasticConstants(), trajectory, potential=potential))
    stress = mf.estimate(Stress(), trajectory)
    largest = Metric.of_components(stress)[stress.labels[int(np.argmax(np.abs(stress.value)))]]
    metrics["stress_max"] = replace(largest, value=abs(largest.value))
    # Not from the errors of the three components, which fluctuate together.
    return metrics | {"stress_mean": Metric.of(mf.estimate(Pressure(), trajectory), -BAR / GIGAPASCAL, "GPa")}
