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
        spline_steps, network_steps: updates of each training.
        chain_steps: of each chain, the first half of which is not used.
        member: the simulation of each member.
        truth: that of the potential from all frames.
        timestep: of the beads.
    """

    molecules: int
    reference: Sampling
    numbers: tuple[int, ...]
    spline_steps: int
    network_steps: int
    chain_steps: int
    member: Sampling
    truth: Sampling
    timestep: str = "10 fs"


SIZES = {
    "cpu": Scale(
        molecules=216,
        reference=Sampling("300 ps", "20 ps", "0.1 ps"),
        numbers=(10, 100, 1000),
        spline_steps=400,
        network_steps=600,
        chain_steps=600,
        member=Sampling("20 ps", "2 ps", "0.1 ps"),
        truth=Sampling("200 ps", "5 ps", "0.1 ps"),
    ),
    "demo": Scale(
        molecules=216,
        reference=Sampling("1 ps", "0.2 ps", "0.02 ps"),
        numbers=(5, 20),
        spline_steps=20,
        network_steps=10,
        chain_steps=20,
        member=Sampling("0.4 ps", "0.1 ps", "0.02 ps"),
        truth=Sampling("1 ps", "0.1 ps", "0.02 ps"),
    ),
}
