"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Of the reference and of all models, in K.
TEMPERATURE = 298.0
#: Between saved frames of the reference.
EVERY = "0.1 ps"


@dataclass(frozen=True)
class Reference:
    """The all-atom simulation and how many of its frames are used.

    Attributes:
        molecules: in a cube, at 0.9977 g/cm³.
        cutoff: of Lennard-Jones and of the direct part of Ewald's sum.
        duration: kept.
        equilibrate: dropped.
        judged_frames: for the curves that models are compared with.
        speed_steps: time steps that measure its speed and its temperature.
    """

    molecules: int
    cutoff: str
    duration: str
    equilibrate: str
    judged_frames: int
    speed_steps: int


@dataclass(frozen=True)
class Matching:
    """Force matching with Adam.

    Attributes:
        frames: of the reference, at equal intervals; a tenth of them chooses the best parameters.
        steps: updates.
        batch: frames of each.
        rate: first learning rate; it falls exponentially to a hundredth.
    """

    frames: int
    steps: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Entropy:
    """Relative entropy with one chain, which goes on where the last one ended.

    Attributes:
        frames: of the reference, at equal intervals.
        updates: of the parameters.
        rates: first and last learning rate; it falls exponentially.
        sample: length of the chain of each update in fs.
        equilibrate: dropped before, in fs.
        every: between frames in fs.
        batch: reference frames of each update.
        newton: damping of Newton steps, of which the rates are parts; None stands for Adam.
    """

    frames: int
    updates: int
    rates: tuple[float, float]
    sample: float
    equilibrate: float
    every: float
    batch: int
    newton: float | None = None


@dataclass(frozen=True)
class Judging:
    """An independent simulation of a model, all in fs.

    Attributes:
        duration: kept.
        equilibrate: dropped.
        every: between frames.
    """

    duration: float
    equilibrate: float
    every: float


@dataclass(frozen=True)
class Model:
    """A kind of model and all that is done with it.

    Attributes:
        matching: by forces.
        entropy: by relative entropy.
        after_matching: whether relative entropy starts from the force-matched model, or from the bare prior.
        judging: of both.
        speed_steps: time steps that measure the speed.
    """

    matching: Matching
    entropy: Entropy
    after_matching: bool
    judging: Judging
    speed_steps: int


@dataclass(frozen=True)
class Scale:
    """All sizes; ``size`` is that of the network and the spline, ``timestep`` that of all models in fs."""

    reference: Reference
    size: Literal["small", "published"]
    timestep: float
    spline: Model
    network: Model


CPU = Scale(
    reference=Reference(500, "9 Å", "400 ps", "30 ps", 500, 5000),
    size="small",
    timestep=10.0,
    spline=Model(
        matching=Matching(400, steps=600, batch=4, rate=1e-2),
        entropy=Entropy(400, 24, (0.5, 0.1), sample=10_000, equilibrate=1_000, every=100, batch=200, newton=0.03),
        after_matching=False,
        judging=Judging(100_000, 5_000, 250),
        speed_steps=2000,
    ),
    network=Model(
        matching=Matching(1600, steps=1500, batch=4, rate=5e-3),
        entropy=Entropy(400, 40, (1e-3, 1e-4), sample=5_000, equilibrate=500, every=100, batch=100),
        after_matching=True,
        judging=Judging(100_000, 5_000, 250),
        speed_steps=500,
    ),
)
_SHORT = Judging(3_000, 500, 50)
DEMO = Scale(
    reference=Reference(216, "9 Å", "6 ps", "1 ps", 30, 200),
    size="small",
    timestep=10.0,
    spline=Model(
        matching=Matching(30, steps=60, batch=4, rate=1e-2),
        entropy=Entropy(60, 4, (0.4, 0.4), sample=5_000, equilibrate=500, every=50, batch=60, newton=0.1),
        after_matching=False,
        judging=_SHORT,
        speed_steps=200,
    ),
    network=Model(
        matching=Matching(30, steps=60, batch=2, rate=5e-3),
        entropy=Entropy(30, 2, (1e-3, 1e-3), sample=500, equilibrate=100, every=50, batch=10),
        after_matching=True,
        judging=_SHORT,
        speed_steps=50,
    ),
)
_PUBLISHED = Entropy(8000, 300, (3e-3, 3e-5), sample=70_000, equilibrate=5_000, every=100, batch=700)
_PUBLISHED_JUDGING = Judging(1_000_000, 100_000, 100)
#: The settings of the published program (with a Langevin thermostat): 100 epochs of 8,000 frames.
PAPER = Scale(
    reference=Reference(1020, "9 Å", "1 ns", "100 ps", 2000, 5000),
    size="published",
    timestep=2.0,
    spline=Model(
        matching=Matching(8000, steps=80_000, batch=10, rate=1e-1),
        entropy=Entropy(8000, 300, (0.1, 1e-3), sample=70_000, equilibrate=5_000, every=100, batch=700),
        after_matching=False,
        judging=_PUBLISHED_JUDGING,
        speed_steps=2000,
    ),
    network=Model(
        matching=Matching(8000, steps=80_000, batch=10, rate=1e-3),
        entropy=_PUBLISHED,
        after_matching=False,
        judging=_PUBLISHED_JUDGING,
        speed_steps=500,
    ),
)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER}
