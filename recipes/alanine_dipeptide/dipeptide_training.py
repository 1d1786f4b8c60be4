"""Force matching and relative entropy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optax
from dipeptide_model import only_network
from dipeptide_scales import TEMPERATURE, Dynamics, Entropy, Matching

from mdfit.data import Dataset, Frames
from mdfit.objectives import ForceMatching, MappedEnsemble, RelativeEntropy
from mdfit.objectives.base import Objective
from mdfit.potentials import Potential
from mdfit.simulate import Langevin
from mdfit.training import FitResult, fit

#: Part of the frames that choose the best force-matched parameters.
VALIDATION = 0.1


def match_forces(
    start: Potential, beads: Frames, matching: Matching, seed: int, out: Path, show_progress: bool
) -> FitResult:
    """The potential whose forces on validation frames are closest to the mapped ones."""
    train, valid = _split(beads, seed)
    objective = ForceMatching(train, energy=0.0, forces=1.0, batch_size=matching.batch)
    rate = optax.exponential_decay(matching.rate, matching.steps, 0.01)
    return _fit(start, objective, optax.adam(rate), matching.steps, seed, out, show_progress, validate_on=valid)


def minimise_entropy(
    start: Potential,
    ensemble: MappedEnsemble,
    entropy: Entropy,
    dynamics: Dynamics,
    chains: int,
    bias: Potential | None,
    seed: int,
    out: Path,
    show_progress: bool,
) -> FitResult:
    """Adam with a short memory, in steps that keep a quarter of the effective frames."""
    objective = RelativeEntropy(
        ensemble,
        Langevin(dynamics.timestep, dynamics.friction),
        sample=1000 * entropy.sample,
        every=1000 * entropy.every,
        equilibrate=1000 * entropy.equilibrate,
        chains=chains,
        start=entropy.start,
        bias=bias,
        batch=entropy.batch,
        step_ratio=0.25,
    )
    rate = optax.exponential_decay(entropy.rate, entropy.updates, 0.01)
    return _fit(start, objective, optax.adam(rate, b1=0.1, b2=0.4), entropy.updates, seed, out, show_progress)


def ensemble_of(beads: Frames, strata: np.ndarray | None = None) -> MappedEnsemble:
    """The reference for relative entropy, with the basin of each frame where chains are spread over them."""
    return MappedEnsemble.of(beads.dataset(labels=False), TEMPERATURE, strata)


def _split(beads: Frames, seed: int) -> tuple[Dataset, Dataset]:
    order = np.random.default_rng(seed).permutation(len(beads))
    held_out = max(1, round(VALIDATION * len(beads)))
    return beads.select(np.sort(order[held_out:])).dataset(), beads.select(np.sort(order[:held_out])).dataset()


def _fit(
    start: Potential,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    steps: int,
    seed: int,
    out: Path,
    show_progress: bool,
    validate_on: Dataset | None = None,
) -> FitResult:
    """Goes on where a run in ``out`` stopped.

    Raises:
        KeyboardInterrupt: after Ctrl-C, which ends the whole recipe.
    """
    result = fit(
        start,
        objective,
        optimizer=optimizer,
        steps=steps,
        validate_on=validate_on,
        train_only=only_network,
        seed=seed,
        out=out,
        resume=(out / "checkpoint.safetensors").exists(),
        show_progress=show_progress,
    )
    if result.stopped == "interrupted":
        raise KeyboardInterrupt(f"The training in {out} was interrupted.")
    return result
