"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mdfit.recipes.methods import Descent, Entropy, Matching
from mdfit.recipes.request import Sampling

#: Of the reference and of all models, in K.
TEMPERATURE = 298.0
#: Of the neighbour lists: beads move 0.04 Å in a time step of 10 fs, the fastest of them four times as much.
SKIN = "1 Å"


@dataclass(frozen=True)
class Reference:
    """The all-atom simulation and how many of its frames are used.

    Attributes:
        molecules: in a cube, at 0.9977 g/cm³.
        cutoff: of Lennard-Jones and of the direct part of Ewald's sum.
        sampling: how long it is.
        judged_frames: for the curves that models are compared with.
        speed_steps: time steps that measure its speed and its temperature.
    """

    molecules: int
    cutoff: str
    sampling: Sampling
    judged_frames: int
    speed_steps: int


@dataclass(frozen=True)
class Model:
    """A kind of model and all that is done with it.

    Attributes:
        matching: by forces.
        entropy: by relative entropy, with one chain, which goes on where the last one ended.
        after_matching: whether relative entropy starts from the force-matched model, or from the bare prior.
        judging: the independent simulation of both.
        speed_steps: time steps that measure the speed.
    """

    matching: Matching
    entropy: Entropy
    after_matching: bool
    judging: Sampling
    speed_steps: int


@dataclass(frozen=True)
class Scale:
    """All sizes; ``size`` is that of the network and the spline, ``timestep`` that of all models."""

    reference: Reference
    size: Literal["small", "published"]
    timestep: str
    spline: Model
    network: Model

    def kind(self, name: str) -> Model:
        """Of the model with this name."""
        return self.spline if name.endswith("spline") else self.network


CPU = Scale(
    reference=Reference(500, "9 Å", Sampling("400 ps", "30 ps", "0.1 ps"), 500, 5000),
    size="small",
    timestep="10 fs",
    spline=Model(
        matching=Matching(600, batch=4, rate=1e-2, frames=400),
        entropy=Entropy(
            Descent(24, (0.5, 0.1), damping=0.03), Sampling("10 ps", "1 ps", "0.1 ps"), batch=200, frames=400, skin=SKIN
        ),
        after_matching=False,
        judging=Sampling("100 ps", "5 ps", "0.25 ps"),
        speed_steps=2000,
    ),
    network=Model(
        matching=Matching(1500, batch=4, rate=5e-3, frames=1600),
        entropy=Entropy(
            Descent(40, (1e-3, 1e-4)), Sampling("5 ps", "0.5 ps", "0.1 ps"), batch=100, frames=400, skin=SKIN
        ),
        after_matching=True,
        judging=Sampling("100 ps", "5 ps", "0.25 ps"),
        speed_steps=500,
    ),
)
DEMO = Scale(
    reference=Reference(216, "9 Å", Sampling("6 ps", "1 ps", "0.1 ps"), 30, 200),
    size="small",
    timestep="10 fs",
    spline=Model(
        matching=Matching(60, batch=4, rate=1e-2, frames=30),
        entropy=Entropy(
            Descent(4, (0.4, 0.4), damping=0.1), Sampling("5 ps", "0.5 ps", "50 fs"), batch=60, frames=60, skin=SKIN
        ),
        after_matching=False,
        judging=Sampling("3 ps", "0.5 ps", "50 fs"),
        speed_steps=200,
    ),
    network=Model(
        matching=Matching(60, batch=2, rate=5e-3, frames=30),
        entropy=Entropy(
            Descent(2, (1e-3, 1e-3)), Sampling("0.5 ps", "0.1 ps", "50 fs"), batch=10, frames=30, skin=SKIN
        ),
        after_matching=True,
        judging=Sampling("3 ps", "0.5 ps", "50 fs"),
        speed_steps=50,
    ),
)
#: The settings of the published program (with a Langevin thermostat): 100 epochs of 8,000 frames.
PAPER = Scale(
    reference=Reference(1020, "9 Å", Sampling("1 ns", "100 ps", "0.1 ps"), 2000, 5000),
    size="published",
    timestep="2 fs",
    spline=Model(
        matching=Matching(80_000, batch=10, rate=1e-1, frames=8000),
        entropy=Entropy(
            Descent(300, (0.1, 1e-3)), Sampling("70 ps", "5 ps", "0.1 ps"), batch=700, frames=8000, skin=SKIN
        ),
        after_matching=False,
        judging=Sampling("1 ns", "100 ps", "0.1 ps"),
        speed_steps=2000,
    ),
    network=Model(
        matching=Matching(80_000, batch=10, rate=1e-3, frames=8000),
        entropy=Entropy(
            Descent(300, (3e-3, 3e-5)), Sampling("70 ps", "5 ps", "0.1 ps"), batch=700, frames=8000, skin=SKIN
        ),
        after_matching=False,
        judging=Sampling("1 ns", "100 ps", "0.1 ps"),
        speed_steps=500,
    ),
)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER}
