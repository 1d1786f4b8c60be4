"""Ways from one data set to a potential that knows how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import optax
from silicon_kinds import Kinds

from mdfit.data import Dataset
from mdfit.models import Model
from mdfit.objectives import ForceMatching
from mdfit.potentials import DimeNetPP, Potential, PotentialSet, UncertainPotential
from mdfit.potentials.last_layer import ForceSpread
from mdfit.recipes.request import Request
from mdfit.training import accuracy
from mdfit.uncertainty import (
    PSGLD,
    LabelLikelihood,
    PolynomialSteps,
    last_layer,
    member_indices,
    rescaled,
    sample_posterior,
    train_ensemble,
    with_known_spread,
)

#: Of the loss, for energies per atom, forces and stresses.
WEIGHTS = {"energy": 10.0, "forces": 1.0, "stress": 20.0}
#: Structures of a batch.
BATCH = 2
#: How the spreads of forces follow from the last layer; the exact way tells stresses as well.
LAST_LAYERS: dict[str, ForceSpread] = {"last_layer": "cheap", "last_layer_exact": "exact"}
#: So many of the structures to validate on may be flagged.
FLAGGED = 0.05


@dataclass(frozen=True)
class Scale:
    """Sizes.

    Attributes:
        channels, blocks: of the networks.
        epochs: of each training.
        members: of the ensemble, and samples of the posterior.
        chains: of the posterior, each from a member of the ensemble.
        chain_epochs: of each chain, the first half of which is not used.
        far: at most so many structures of each kind.
    """

    channels: int = 16
    blocks: int = 2
    epochs: int = 100
    members: int = 8
    chains: int = 4
    chain_epochs: int = 30
    far: int = 1000

    def network(self, train: Dataset, key: jax.Array) -> Potential:
        """A small DimeNet++, with random parameters."""
        return DimeNetPP.for_data(
            train, "4.5 Å", key=key, channels=self.channels, layers=self.blocks, radial_functions=6
        )

    def optimizer(self, structures: int) -> optax.GradientTransformation:
        """Adam, whose rate falls along a cosine."""
        return optax.adam(optax.cosine_decay_schedule(3e-3, self.epochs * -(-structures // BATCH), 0.01))


def matching(data: Dataset) -> ForceMatching:
    """Energies, forces and stresses."""
    return ForceMatching(data, **WEIGHTS, batch_size=BATCH)


def ensemble(request: Request, scale: Scale, kinds: Kinds) -> PotentialSet:
    """Each member from a start of its own, on data drawn with replacement, the best by those that were not drawn."""
    parts = member_indices(len(kinds.train), scale.members, "bootstrap", seed=request.seed_of("bootstrap"))
    starts: list[Model] = [
        scale.network(kinds.train, key) for key in jax.random.split(request.key("starts"), scale.members)
    ]
    with request.timed("train ensemble"), request.farm.executor() as executor:
        trained = train_ensemble(
            starts,
            [matching(kinds.train.select(used)) for used, _ in parts],
            validate_on=[matching(kinds.train.select(left)) for _, left in parts],
            optimizer=scale.optimizer(len(kinds.train)),
            epochs=scale.epochs,
            validate_every=5,
            average=0.99,
            executor=executor,
            seed=request.seed_of("ensemble"),
            out=request.out / "ensemble",
            show_progress=request.show_progress,
        )
    return PotentialSet.of(list(trained.models))


def posterior(
    request: Request, scale: Scale, kinds: Kinds, members: PotentialSet, expected: dict[str, float]
) -> PotentialSet:
    """Samples by pSGLD, on all data to train on, from the first members of the ensemble."""
    likelihood = LabelLikelihood(
        kinds.train,
        energy=expected["energy"],
        forces=expected["forces"],
        stress=expected["stress"],
        batch_size=BATCH,
    )
    steps = scale.chain_epochs * -(-len(kinds.train) // BATCH)
    with request.timed("sample posterior"):
        samples = sample_posterior(
            [members[chain] for chain in range(scale.chains)],
            likelihood,
            PSGLD(),
            PolynomialSteps(2e-4, 2e-5),
            steps=steps,
            burn_in=steps // 2,
            keep=scale.members // scale.chains,
            seed=request.seed_of("posterior"),
            out=request.out / "posterior",
            show_progress=request.show_progress,
        )
    return PotentialSet.of(list(samples.models))


def single(request: Request, scale: Scale, kinds: Kinds) -> Potential:
    """One network, on all data to train on."""
    return request.train(
        "single",
        scale.network(kinds.train, request.key("single")),
        matching(kinds.train),
        scale.optimizer(len(kinds.train)),
        scale.epochs * -(-len(kinds.train) // BATCH),
        validate_on=kinds.validation,
    ).potential


def uncertain(request: Request, scale: Scale, kinds: Kinds) -> dict[str, UncertainPotential]:
    """All of them, with spreads of the size of errors on the structures to validate on."""
    members, network = ensemble(request, scale, kinds), single(request, scale, kinds)
    expected = accuracy(network, kinds.validation).root_mean_squares()
    found: dict[str, UncertainPotential] = {
        "ensemble": rescaled(members, kinds.validation),
        "psgld": rescaled(posterior(request, scale, kinds, members, expected), kinds.validation),
    }
    for name, force_spread in LAST_LAYERS.items():
        found[name] = last_layer(
            network,
            kinds.train,
            kinds.validation,
            force_spread=force_spread,
            seed=request.seed_of("last layer"),
            show_progress=request.show_progress,
        )
    return {name: with_known_spread(one, kinds.validation, flagged=FLAGGED) for name, one in found.items()}
