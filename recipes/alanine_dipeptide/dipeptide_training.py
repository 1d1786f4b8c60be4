"""Force matching and relative entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optax
from dipeptide_model import bias, only_network
from dipeptide_scales import TEMPERATURE, Dynamics, Entropy, Matching

from mdfit.data import Dataset, Frames
from mdfit.objectives import ForceMatching, MappedEnsemble, RelativeEntropy
from mdfit.potentials import Potential, Sum
from mdfit.recipes.script import Request
from mdfit.training import FitResult

#: Part of the frames that choose the best force-matched parameters.
VALIDATION = 0.1


def match_forces(request: Request, name: str, start: Potential, beads: Frames, matching: Matching) -> FitResult:
    """The potential whose forces on validation frames are closest to the mapped ones."""
    train, valid = _split(beads, request.seed)
    objective = ForceMatching(train, energy=0.0, forces=1.0, batch_size=matching.batch)
    rate = optax.exponential_decay(matching.rate, matching.steps, 0.01)
    return request.train(name, start, objective, optax.adam(rate), matching.steps, only_network, valid)


def minimise_entropy(
    request: Request,
    name: str,
    start: Potential,
    beads: Frames,
    entropy: Entropy,
    dynamics: Dynamics,
    chains: int,
) -> FitResult:
    """Adam with a short memory, in steps that keep a quarter of the effective frames."""
    objective = RelativeEntropy(
        MappedEnsemble.of(beads.dataset(labels=False), TEMPERATURE),
        dynamics.sampler,
        sample=1000 * entropy.sample,
        every=1000 * entropy.every,
        equilibrate=1000 * entropy.equilibrate,
        chains=chains,
        start=entropy.start,
        batch=entropy.batch,
        step_ratio=0.25,
    )
    optimizer = optax.adam(optax.exponential_decay(entropy.rate, entropy.updates, 0.01), b1=0.1, b2=0.4)
    return request.train(name, start, objective, optimizer, entropy.updates, only_network)


def refine_with_bias(
    request: Request,
    name: str,
    matched: Sum,
    biased: Frames,
    entropy: Entropy,
    dynamics: Dynamics,
    chains: int,
) -> tuple[Potential, Sequence[Mapping[str, Any]]]:
    """Relative entropy after force matching, with the bias in both ensembles; the potential without bias, and the history.

    The minimum is at the same potential as without, but rare basins count as much as others.  ``biased`` are frames of
    the simulation, not drawn by weights.
    """
    entropy = replace(entropy, batch=min(entropy.batch or len(biased), len(biased)))
    result = minimise_entropy(request, name, matched + bias(matched.cutoff), biased, entropy, dynamics, chains)
    assert isinstance(result.last, Sum)
    return Sum(result.last.terms[:-1]), result.history


def _split(beads: Frames, seed: int) -> tuple[Dataset, Dataset]:
    order = np.random.default_rng(seed).permutation(len(beads))
    held_out = max(1, round(VALIDATION * len(beads)))
    return beads.select(np.sort(order[held_out:])).dataset(), beads.select(np.sort(order[:held_out])).dataset()
