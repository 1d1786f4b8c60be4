"""Two classes of potentials of the beads, and the ways to several potentials of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from beads_scales import CHAINS, MEMBERS, TEMPERATURE, Scale

from mdfit.data import Dataset
from mdfit.models import Model
from mdfit.objectives import ForceMatching
from mdfit.potentials import InversePower, PaiNN, PairSpline, Potential, PotentialSet, Scaling, trainable_except
from mdfit.recipes.request import Request
from mdfit.uncertainty import (
    PSGLD,
    LabelLikelihood,
    PolynomialSteps,
    last_layer,
    member_indices,
    sample_posterior,
    train_ensemble,
)
from mdfit.units import BOLTZMANN

#: Beads are listed as their heaviest atom.
BEAD = 8
BATCH = 2
#: A part of the frames chooses the best parameters.
HELD_OUT = 0.2


def learned(potential: Any) -> Any:
    """All but the repulsion, the last term."""
    return trainable_except(potential, [-1])


def spline(key: jax.Array) -> Potential:
    """A pair potential of 46 intervals from 2.4 to 9 Å, at random of some hundredths of k_BT, and a fixed repulsion."""
    values = 0.05 * BOLTZMANN * TEMPERATURE * np.asarray(jax.random.normal(key, (1, 46)))
    return PairSpline("2.4 Å", "9 Å", 46, coefficients=values) + repulsion()


def network(key: jax.Array) -> Potential:
    """A small PaiNN with a cutoff of 5 Å, and a fixed repulsion."""
    scaling = Scaling({BEAD: 0.0}, scale=BOLTZMANN * TEMPERATURE)
    sizes: dict[str, Any] = {"channels": 16, "layers": 1, "radial_functions": 8, "mean_neighbours": 17.0}
    return PaiNN((BEAD,), 5.0, **sizes, scaling=scaling, key=key) + repulsion()


def repulsion() -> InversePower:
    """ε(σ/r)¹² with ε = 1 kJ/mol and σ = 3.165 Å, switched off between 4.5 and 5 Å."""
    return InversePower("1 kJ/mol", "3.165 Å", cutoff="5 Å", power=12, switch_start="4.5 Å")


CLASSES: dict[str, Callable[[jax.Array], Potential]] = {"spline": spline, "network": network}
RATES = {"spline": 3e-3, "network": 3e-2}


def optimizer(kind: str, steps: int) -> optax.GradientTransformation:
    """Adam, whose rate falls to a hundredth."""
    return optax.adam(optax.exponential_decay(RATES[kind], steps, 0.01))


def matching(data: Dataset) -> ForceMatching:
    """Forces alone."""
    return ForceMatching(data, energy=0.0, forces=1.0, batch_size=BATCH)


def single(request: Request, name: str, kind: str, steps: int, data: Dataset) -> tuple[Potential, Dataset, Dataset]:
    """One potential from all data, with the parts that it was trained and validated on."""
    train, valid = data.split(1 - HELD_OUT, seed=request.seed_of(f"{name} split"))
    start = CLASSES[kind](request.key(f"{name} start"))
    trained = request.train(name, start, matching(train), optimizer(kind, steps), steps, fixed=[-1], validate_on=valid)
    return trained.potential, train, valid


def ensemble(request: Request, name: str, kind: str, scale: Scale, data: Dataset) -> PotentialSet:
    """Members on data drawn with replacement, validated on those that were not drawn."""
    parts = member_indices(len(data), MEMBERS, "bootstrap", HELD_OUT, seed=request.seed_of(f"{name} bootstrap"))
    starts: list[Model] = [CLASSES[kind](key) for key in jax.random.split(request.key(f"{name} starts"), MEMBERS)]
    with request.timed(f"train {name}"), request.farm.executor() as executor:
        trained = train_ensemble(
            starts,
            [matching(data.select(used)) for used, _ in parts],
            validate_on=[matching(data.select(left)) for _, left in parts],
            optimizer=optimizer(kind, scale.steps),
            steps=scale.steps,
            train_only=learned,
            executor=executor,
            seed=request.seed_of(name),
            out=request.out / name,
            show_progress=request.show_progress,
        )
    return PotentialSet.of(list(trained.models))


def posterior(
    request: Request, name: str, scale: Scale, data: Dataset, members: PotentialSet, noise: float
) -> PotentialSet:
    """Two samples of each of four chains by pSGLD, which start from members of the ensemble."""
    with request.timed(f"sample {name}"):
        samples = sample_posterior(
            [members[chain] for chain in range(CHAINS)],
            LabelLikelihood(data, forces=noise, batch_size=BATCH),
            PSGLD(),
            PolynomialSteps(1e-3, 1e-4),
            steps=scale.chain_steps,
            burn_in=scale.chain_steps // 2,
            keep=MEMBERS // CHAINS,
            train_only=learned,
            seed=request.seed_of(name),
            out=request.out / name,
            show_progress=request.show_progress,
        )
    return PotentialSet.of(list(samples.models))


def from_last_layer(request: Request, name: str, scale: Scale, data: Dataset, noise: float) -> PotentialSet:
    """Draws of the last layer of one network, of its posterior as it is: errors on labels are those of the noise."""
    potential, train, valid = single(request, name, "network", scale.steps, data)
    uncertain = last_layer(potential, train, valid, forces=noise, regularise=1.0, show_progress=request.show_progress)
    return uncertain.sample(MEMBERS, request.seed_of(f"{name} draws"), scale=1.0)
