"""Independent particles in a double well: a field is learned from their density.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.  Units of the paper: kT = 1, length
of the line = 1, mass = 1; here 1 eV (at 11604.5 K), 1 Å and 1 amu.  The particles are free along y and z.
"""

from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mdfit.measurements import Measurement
from mdfit.objectives import DiffTRe
from mdfit.observables import Coordinate, Distribution, estimate
from mdfit.potentials import ExternalPolynomial, ExternalSpline, Potential, trainable
from mdfit.simulate import Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.training import FitResult, fit
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
    "demo": Scale(
        particles=50, frames=40, updates=5, trainings=1, validation_frames=100, lengths=(5, 10), growth=(5, 10)
    ),
    "paper": Scale(particles=2000, frames=2000),
}


def frames_in_fs(frames: int) -> float:
    """How long so many frames take."""
    return frames * STEPS_BETWEEN_FRAMES * TIMESTEP / FEMTOSECOND


def truth() -> Potential:
    """U = 2500 (x − 0.5)⁶ − 10 (x − 0.55)²."""
    return ExternalPolynomial(0, 0.5, [0, 0, 0, 0, 0, 0, 2500.0]) + ExternalPolynomial(0, 0.55, [0, 0, -10.0])


def start(seed: int) -> Potential:
    """A nearly flat spline, which is trained, on a harmonic prior, which is not."""
    coefficients = 0.01 * np.random.default_rng(seed).normal(size=50)
    return ExternalSpline(0, 0.0, 1.0, 47, coefficients) + ExternalPolynomial(0, 0.5, [0, 0, 75.0])


def only_spline(potential: Potential):
    """Flags for training: all of the spline, nothing of the prior."""
    flags = trainable(potential)
    prior = jax.tree.map(lambda _: False, flags.terms[1])
    return eqx.tree_at(lambda tree: tree.terms[1], flags, prior)


def energy(potential: Potential, x) -> np.ndarray:
    """Of one particle at each x."""
    places = jnp.zeros((len(x), 3)).at[:, 0].set(jnp.asarray(x))
    species = jnp.ones(len(x), jnp.int32)
    return np.asarray(sum(term.field_energy(places, species) for term in potential.terms))


def exact_density(smearing: float = SMEARING) -> np.ndarray:
    """The density of the truth at the points of ``GRID``, every particle a Gaussian."""
    x = np.linspace(-0.5, 1.5, 4001)
    weights = np.exp(-energy(truth(), x))
    weights /= weights.sum()
    kernels = np.exp(-0.5 * ((GRID[:, None] - x) / smearing) ** 2) / (np.sqrt(2 * np.pi) * smearing)
    return kernels @ weights


def state_point(particles: int, x: float = 0.5) -> StatePoint:
    """All particles at the same place."""
    places = np.zeros((particles, 3))
    places[:, 0] = x
    structure = Structure(np.ones(particles, np.int32), places, np.zeros((3, 3)), np.zeros(3, bool), np.ones(particles))
    return StatePoint(structure, TEMPERATURE)


def objective(scale: Scale, reuse: float = 0.9, fewest_samples: float = 5.0) -> DiffTRe:
    """Mean squared deviation from the exact density."""
    measurement = Measurement(DENSITY, exact_density(), state_point(scale.particles), weight=1.0)
    return DiffTRe(
        [measurement],
        SAMPLER,
        sample=frames_in_fs(scale.frames),
        every=frames_in_fs(1),
        equilibrate=frames_in_fs(scale.dropped),
        reuse=reuse,
        fewest_samples=fewest_samples,
    )


def train(scale: Scale, seed: int, out: Path | None = None, show_progress: bool = False) -> FitResult:
    """The training of the paper: Adam with short memory, the rate falls from 0.2 to 0.002."""
    rate = optax.polynomial_schedule(0.2, 0.002, power=2, transition_steps=scale.updates)
    return fit(
        start(seed),
        objective(scale),
        optimizer=optax.adam(rate, b1=0.1, b2=0.4),
        steps=scale.updates,
        train_only=only_spline,
        seed=seed,
        out=out,
        show_progress=show_progress,
    ).unless_interrupted()


def sampled_density(potential: Potential, particles: int, frames: int, seed: int) -> np.ndarray:
    """Of a new simulation from a start far off."""
    trajectory = run(
        potential,
        state_point(particles, x=0.1),
        SAMPLER,
        duration=frames_in_fs(frames),
        every=frames_in_fs(1),
        equilibrate=frames_in_fs(100),
        key=jax.random.key(1000 + seed),
    )
    return np.asarray(estimate(DENSITY, trajectory).value)


def judge(result: FitResult, scale: Scale, seed: int, validation_frames: int) -> dict[str, float]:
    """How good the trained field is.

    Returns:
        ``first_loss``, ``final_loss``, the root-mean-square errors ``validation_rms`` of the density of a new simulation
        and ``potential_rms`` (kT, constant removed, where the exact density is above 0.3), and ``reuse_fraction``: the
        share of the last quarter of the updates that used their trajectory again.
    """
    losses = [record["loss"] for record in result.history]
    again = [1 - record["recomputed"] for record in result.history]
    density = exact_density()
    populated = density > 0.3
    difference = (energy(result.last, GRID) - energy(truth(), GRID))[populated]
    sampled = sampled_density(result.last, scale.particles, validation_frames, seed)
    return {
        "first_loss": losses[0],
        "final_loss": losses[-1],
        "validation_rms": float(np.sqrt(np.mean((sampled - density) ** 2))),
        "potential_rms": float(np.std(difference)),
        "reuse_fraction": float(np.mean(again[-(len(again) // 4) :])),
    }
