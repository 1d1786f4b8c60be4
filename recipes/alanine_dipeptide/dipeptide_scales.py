"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mdfit.simulate import Langevin, NoseHoover
from mdfit.simulate.samplers import Sampler

#: Of the reference and of all models, in K.
TEMPERATURE = 300.0


@dataclass(frozen=True)
class Reference:
    """The all-atom simulation.

    Attributes:
        environment: ``"implicit"`` or ``"tip3p"``.
        force_field: of the molecule.
        duration: kept.
        equilibrate: dropped.
        every: between frames.
        timestep: with hydrogen atoms of 3 amu.
    """

    environment: str
    force_field: str
    duration: str
    equilibrate: str
    every: str
    timestep: str


@dataclass(frozen=True)
class Network:
    """Sizes of the network, a PaiNN.

    Attributes:
        channels: features per bead.
        layers: interaction blocks.
        radial_functions: of the distance.
        cutoff: in Å.
    """

    channels: int
    layers: int
    radial_functions: int
    cutoff: float


@dataclass(frozen=True)
class Dynamics:
    """How the beads move: by BAOAB Langevin dynamics, or by Nosé–Hoover chains.

    Attributes:
        timestep: in fs.
        friction: in 1/ps; None for Nosé–Hoover chains.
    """

    timestep: float
    friction: float | None

    @property
    def sampler(self) -> Sampler:
        return NoseHoover(self.timestep) if self.friction is None else Langevin(self.timestep, self.friction)


@dataclass(frozen=True)
class Matching:
    """Force matching.

    Attributes:
        steps: updates.
        batch: frames per update.
        rate: first learning rate of Adam; it falls exponentially to a hundredth.
    """

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Entropy:
    """Relative entropy.

    Attributes:
        updates: of the parameters.
        rate: first learning rate of Adam; it falls exponentially to a hundredth.
        sample: length of each chain in ps.
        equilibrate: dropped before, in ps.
        every: between frames in ps.
        batch: reference frames per update; None for all.
        start: of the chains; see :class:`mdfit.objectives.RelativeEntropy`.
    """

    updates: int
    rate: float
    sample: float
    equilibrate: float
    every: float
    batch: int | None
    start: Literal["last", "weights", "reference"]


@dataclass(frozen=True)
class Evaluation:
    """Independent simulations of a model.

    Attributes:
        chains: side by side, from random frames of the reference.
        duration: of each in ps.
        equilibrate: dropped, in ps.
        every: between frames in ps.
    """

    chains: int
    duration: float
    equilibrate: float
    every: float


@dataclass(frozen=True)
class Scale:
    """All sizes; ``chains`` of relative entropy run side by side, ``entropy`` starts from the bare prior."""

    reference: Reference
    network: Network
    dynamics: Dynamics
    matching: Matching
    chains: int
    entropy: Entropy
    entropy_after: Entropy
    evaluation: Evaluation


_NETWORK = Network(channels=32, layers=2, radial_functions=8, cutoff=6.0)
_DYNAMICS = Dynamics(timestep=4.0, friction=5.0)
CPU = Scale(
    reference=Reference("implicit", "amber03", "60 ns", "50 ps", "0.5 ps", "4 fs"),
    network=_NETWORK,
    dynamics=_DYNAMICS,
    matching=Matching(steps=4000, batch=200, rate=2e-3),
    chains=64,
    entropy=Entropy(50, 3e-3, sample=8, equilibrate=2, every=0.2, batch=6000, start="weights"),
    entropy_after=Entropy(50, 1e-3, sample=10, equilibrate=2, every=0.2, batch=6000, start="last"),
    evaluation=Evaluation(chains=64, duration=200, equilibrate=40, every=0.5),
)
DEMO = Scale(
    reference=Reference("implicit", "amber03", "20 ps", "4 ps", "0.1 ps", "4 fs"),
    network=Network(channels=8, layers=1, radial_functions=6, cutoff=6.0),
    dynamics=_DYNAMICS,
    matching=Matching(steps=10, batch=20, rate=1e-3),
    chains=8,
    entropy=Entropy(2, 1e-3, sample=0.4, equilibrate=0, every=0.04, batch=20, start="weights"),
    entropy_after=Entropy(2, 1e-3, sample=0.4, equilibrate=0, every=0.04, batch=20, start="last"),
    evaluation=Evaluation(chains=8, duration=2, equilibrate=0.4, every=0.1),
)
#: The settings of the published program, with PaiNN in place of DimeNet++.
PAPER = Scale(
    reference=Reference("tip3p", "amber03", "100 ns", "1 ns", "0.2 ps", "2 fs"),
    network=Network(channels=64, layers=3, radial_functions=12, cutoff=5.0),
    dynamics=Dynamics(timestep=2.0, friction=100.0),
    matching=Matching(steps=80_000, batch=500, rate=3e-4),
    chains=100,
    entropy=Entropy(300, 3e-3, sample=100, equilibrate=10, every=0.5, batch=None, start="weights"),
    entropy_after=Entropy(50, 5e-4, sample=100, equilibrate=10, every=0.5, batch=None, start="last"),
    evaluation=Evaluation(chains=100, duration=2000, equilibrate=100, every=0.2),
)
#: Of each model of the curves; lengths are multiples of all time steps.
_OF_CURVES = replace(CPU, matching=Matching(steps=2000, batch=200, rate=2e-3))
DATA_SWEEP = replace(
    _OF_CURVES,
    entropy_after=Entropy(30, 1e-3, sample=10, equilibrate=2, every=0.2, batch=6000, start="last"),
    evaluation=Evaluation(chains=64, duration=150, equilibrate=30, every=0.5),
)
#: Frames of the reference, evenly spread over it.
NUMBERS_OF_FRAMES = (300, 2000, 15_000, 120_000)
TIMESTEP_SWEEP = replace(
    _OF_CURVES,
    entropy_after=Entropy(20, 1e-3, sample=3.6, equilibrate=1.2, every=0.24, batch=6000, start="last"),
    evaluation=Evaluation(chains=64, duration=48, equilibrate=12, every=0.48),
)
#: In fs.
TIMESTEPS = (2.0, 3.0, 4.0, 5.0, 6.0)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER, "data_sweep": DATA_SWEEP, "timestep_sweep": TIMESTEP_SWEEP}
