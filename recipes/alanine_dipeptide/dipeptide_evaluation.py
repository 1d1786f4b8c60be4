"""Independent simulations of the models."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
from dipeptide_distributions import Angles, distances, halves, motion, populations, published_density
from dipeptide_model import bias
from dipeptide_scales import TEMPERATURE, Dynamics, Evaluation

from mdfit.data import Frames
from mdfit.observables import jensen_shannon_divergence, mean_squared_density_error
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import StatePoint, Trajectory, run

#: Parts of the reference that count as independent for error bars.
BLOCKS = 10


def simulate(
    model: Potential,
    beads: Frames,
    evaluation: Evaluation,
    dynamics: Dynamics,
    seed: int,
    path: Path,
    show_progress: bool,
) -> Trajectory:
    """Chains with the bias, from random frames of the reference; goes on where a run that wrote ``path`` stopped."""
    chosen = np.random.default_rng(seed).choice(len(beads), evaluation.chains, replace=len(beads) < evaluation.chains)
    starts = [beads.structure(frame) for frame in chosen]
    return run(
        model + bias(model.cutoff),
        StatePoint(starts[0], TEMPERATURE),
        dynamics.sampler,
        duration=1000 * evaluation.duration,
        equilibrate=1000 * evaluation.equilibrate,
        every=1000 * evaluation.every,
        key=jax.random.key(seed),
        replicas=evaluation.chains,
        starts=starts,
        out=path,
        show_progress=show_progress,
    )


def judged(name: str, trajectory: Trajectory, reference: np.ndarray, seed: int) -> Metrics:
    """Distances to the density of the reference, populations, and whether they are stationary."""
    angles = Angles.of(trajectory)
    return distances(name, angles, reference, seed) | populations(name, trajectory) | motion(name, trajectory, angles)


def judged_reference(trajectory: Trajectory) -> Metrics:
    """The reference itself: its halves against each other, its populations, and the published densities against it."""
    angles = Angles.of(trajectory)
    density, published = angles.density(), published_density("rho_AA")
    metrics = halves(angles) | populations("reference", trajectory, BLOCKS)
    metrics |= motion("reference", trajectory, angles.blocks(BLOCKS))
    metrics |= _published("published_tip3p_against_reference", published, density)
    for column, name in (("rho_FM", "force_matching"), ("rho_RE", "relative_entropy"), ("rho_FM+RE", "both")):
        metrics |= _published(f"published_{name}", published_density(column), published)
    return metrics


def _published(name: str, density: np.ndarray, reference: np.ndarray) -> Metrics:
    """Of published densities, whose errors are not known."""
    return {
        f"dihedral_density_mse/{name}": Metric(mean_squared_density_error(density, reference), None, "rad^-4"),
        f"jensen_shannon/{name}": Metric(jensen_shannon_divergence(density, reference), None, "nat"),
    }
