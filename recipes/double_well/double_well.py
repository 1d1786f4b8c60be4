"""Independent particles in a double well: a field is learned from their density.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.  Units of the paper: kT = 1, length
of the line = 1, mass = 1; here 1 eV (at 11604.5 K), 1 Å and 1 amu.  The particles are free along y and z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.measurements import Measurement
from mdfit.observables import Coordinate, Distribution, estimate
from mdfit.potentials import ExternalPolynomial, ExternalSpline, Potential, Sum, field_curve
from mdfit.recipes.methods import Descent, Reweighting
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Request, Sampling
from mdfit.simulate import Langevin, StatePoint
from mdfit.structure import Structure
from mdfit.training import FitResult
from mdfit.units import BOLTZMANN, FEMTOSECOND

TEMPERATURE = 1 / BOLTZMANN
TIMESTEP = 1e-3
FRICTION = 4.0
STEPS_BETWEEN_FRAMES = 100
SMEARING = 0.01
SAMPLER = Langevin(TIMESTEP / FEMTOSECOND, friction=1000 * FEMTOSECOND * FRICTION)
#: On 101 points from 0 to 1, both included.
DENSITY = Distribution(Coordinate(0), -0.005, 1.005, bins=101, smearing=SMEARING)
GRID = np.linspace(0, 1, 101)
#: The density above which the learned potential counts.
POPULATED = 0.3


@dataclass(frozen=True)
class Scale:
    """Sizes of a training: particles, frames of a trajectory, frames dropped before, updates.

    ``trainings`` are done from different seeds and judged by ``validation_frames``; the norms of the gradients at the
    outcome of the first one are drawn for trajectories of ``lengths`` frames, and their growth between the two lengths
    ``growth`` is found for all of them.
    """

    particles: int = 200
    frames: int = 400
    dropped: int = 50
    updates: int = 200
    trainings: int = 5
    validation_frames: int = 2000
    lengths: tuple[int, ...] = (5, 10, 20, 40, 80, 160, 320, 640)
    growth: tuple[int, int] = (40, 320)


SCALE_OF = {
    "cpu": Scale(),
    "demo": Scale(50, 40, updates=5, trainings=1, validation_frames=100, lengths=(5, 10), growth=(5, 10)),
    "paper": Scale(particles=2000, frames=2000),
}


def truth() -> Potential:
    """U = 2500 (x − 0.5)⁶ − 10 (x − 0.55)²."""
    return ExternalPolynomial(0, 0.5, [0, 0, 0, 0, 0, 0, 2500.0]) + ExternalPolynomial(0, 0.55, [0, 0, -10.0])


def start(seed: int) -> Sum:
    """A nearly flat spline, which is trained, on a harmonic prior, which is not."""
    coefficients = 0.01 * np.random.default_rng(seed).normal(size=50)
    return ExternalSpline(0, 0.0, 1.0, 47, coefficients) + ExternalPolynomial(0, 0.5, [0, 0, 75.0])


def exact_density(smearing: float = SMEARING) -> np.ndarray:
    """The density of the truth at the points of ``GRID``, every particle a Gaussian."""
    x = np.linspace(-0.5, 1.5, 4001)
    weights = np.exp(-field_curve(truth(), x))
    kernels = np.exp(-0.5 * ((GRID[:, None] - x) / smearing) ** 2) / (np.sqrt(2 * np.pi) * smearing)
    return kernels @ weights / weights.sum()


def state_point(particles: int, x: float = 0.5) -> StatePoint:
    """All particles at the same place."""
    return StatePoint(Structure.in_open_space(np.full((particles, 1), x) * [1, 0, 0]), TEMPERATURE)


def sampling(frames: int, dropped: int) -> Sampling:
    """So many frames."""
    interval = STEPS_BETWEEN_FRAMES * TIMESTEP / FEMTOSECOND
    return Sampling(frames * interval, dropped * interval, interval)


def method(scale: Scale, reuse: float = 0.9, fewest_samples: float = 5.0) -> Reweighting:
    """That of the paper: Adam with short memory."""
    descent = Descent(scale.updates, (0.2, 0.002), schedule="quadratic")
    lengths = sampling(scale.frames, scale.dropped)
    return Reweighting(descent, lengths, reuse=reuse, fewest_samples=fewest_samples)


def target(scale: Scale) -> list[Measurement]:
    """The exact density."""
    return [Measurement(DENSITY, exact_density(), state_point(scale.particles), weight=1.0)]


def train(request: Request, scale: Scale, seed: int) -> FitResult:
    """From the start with this seed; nothing but the spline."""
    return method(scale).train(request, f"fit_{seed}", start(seed), target(scale), SAMPLER, fixed=[1])


def sampled_density(request: Request, name: str, potential: Potential, particles: int, frames: int) -> np.ndarray:
    """Of a new simulation from a start far off."""
    at = state_point(particles, x=0.1)
    trajectory = request.simulate(f"validation_{name}", potential, at, SAMPLER, sampling(frames, 100))
    return np.asarray(estimate(DENSITY, trajectory).value)


def judge(result: FitResult, sampled: np.ndarray) -> Metrics:
    """How good the trained field is.

    Root-mean-square errors of the density of a new simulation, ``validation_rms``, and of the potential (constant removed)
    where particles are, ``potential_rms``; ``reuse_fraction`` is the share of the last quarter of the updates that used
    their trajectory again.
    """
    density, history = exact_density(), result.history
    last_quarter = history[-(len(history) // 4) :]
    difference = (field_curve(result.last, GRID) - field_curve(truth(), GRID))[density > POPULATED]
    return {
        "first_loss": Metric(history[0]["loss"], None, "1"),
        "final_loss": Metric(history[-1]["loss"], None, "1"),
        "validation_rms": Metric(float(np.sqrt(np.mean((sampled - density) ** 2))), None, "1/Å"),
        "potential_rms": Metric(float(np.std(difference)), None, "kT"),
        "reuse_fraction": Metric(float(np.mean([1 - record["recomputed"] for record in last_quarter])), None, "1"),
    }
