"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass

from mdfit.recipes.request import Sampling

#: Of all simulations, in K.
TEMPERATURE = 298.0
#: Of the neighbour lists.
SKIN = "1 Å"
#: Of ensembles, and samples of a posterior.
MEMBERS, CHAINS = 8, 4


@dataclass(frozen=True)
class Scale:
    """Sizes.

    Attributes:
        molecules: in a cube, at 0.9977 g/cm³.
        reference: the all-atom simulation.
        numbers: of frames that potentials are learned from.
        steps: updates of each training.
        steps_of_all: of the training on all frames, which is to come close to what they say.
        chain_steps: of each chain, the first half of which is not used.
        member: the simulation of each member.
        truth: that of the potential from all frames.
        timestep: of the beads.
    """

    molecules: int
    reference: Sampling
    numbers: tuple[int, ...]
    steps: int
    steps_of_all: int
    chain_steps: int
    member: Sampling
    truth: Sampling
    timestep: str = "10 fs"


SIZES = {
    "cpu": Scale(
        molecules=216,
        reference=Sampling("300 ps", "20 ps", "0.1 ps"),
        numbers=(10, 100, 1000),
        steps=1500,
        steps_of_all=4500,
        chain_steps=1000,
        member=Sampling("20 ps", "2 ps", "0.1 ps"),
        truth=Sampling("200 ps", "5 ps", "0.1 ps"),
    ),
    "demo": Scale(
        molecules=216,
        reference=Sampling("1 ps", "0.2 ps", "0.02 ps"),
        numbers=(5, 20),
        steps=20,
        steps_of_all=20,
        chain_steps=20,
        member=Sampling("0.4 ps", "0.1 ps", "0.02 ps"),
        truth=Sampling("1 ps", "0.1 ps", "0.02 ps"),
    ),
}
