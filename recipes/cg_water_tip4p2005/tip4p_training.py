"""Force matching and relative entropy."""

from __future__ import annotations

from typing import Any

import optax
from tip4p_scales import TEMPERATURE, Entropy, Matching

from mdfit.data import Frames
from mdfit.objectives import ForceMatching, MappedEnsemble, RelativeEntropy
from mdfit.potentials import Potential, trainable_except
from mdfit.recipes.script import Request
from mdfit.simulate import JaxMD, Langevin
from mdfit.training import FitResult

#: Of the neighbour lists in Å: beads move 0.04 Å in a time step of 10 fs, the fastest of them four times as much.
SKIN = 1.0
#: Part of the frames that force matching learns from; the others choose the best parameters.
LEARNED_FROM = 0.9


def sampler(timestep: float) -> Langevin:
    """Constant temperature; friction of 1/ps."""
    return Langevin(timestep, friction="1 /ps")


def all_but_the_prior(potential: Potential) -> Any:
    """Flags for training: all terms but the last."""
    return trainable_except(potential, [-1])


def match_forces(request: Request, name: str, start: Potential, beads: Frames, matching: Matching) -> FitResult:
    """The potential whose forces on the frames that are set aside are closest to those on the molecules."""
    train, valid = beads.spread(matching.frames).dataset().split(LEARNED_FROM, seed=request.seed)
    objective = ForceMatching(train, energy=0.0, forces=1.0, batch_size=matching.batch)
    optimizer = optax.adam(optax.exponential_decay(matching.rate, matching.steps, 0.01))
    return request.train(name, start, objective, optimizer, matching.steps, all_but_the_prior, validate_on=valid)


def minimise_entropy(
    request: Request, name: str, start: Potential, beads: Frames, entropy: Entropy, timestep: float
) -> FitResult:
    """Newton steps for what is linear in its parameters, otherwise Adam with a short memory, as published."""
    chosen = beads.spread(entropy.frames)
    objective = RelativeEntropy(
        MappedEnsemble.of(chosen.dataset(labels=False), TEMPERATURE),
        sampler(timestep),
        sample=entropy.sample,
        every=entropy.every,
        equilibrate=entropy.equilibrate,
        chains=1,
        batch=min(entropy.batch, len(chosen)),
        newton=entropy.newton,
        engine=JaxMD(skin=SKIN),
    )
    first, last = entropy.rates
    rate = optax.exponential_decay(first, entropy.updates, last / first)
    optimizer = optax.adam(rate, b1=0.1, b2=0.4) if entropy.newton is None else optax.sgd(rate)
    return request.train(name, start, objective, optimizer, entropy.updates, all_but_the_prior)
