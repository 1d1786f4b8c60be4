"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from water_targets import PUBLISHED_PRESSURE_WEIGHT

from mdfit.recipes.methods import Descent
from mdfit.recipes.request import Sampling

#: Of the neighbour lists: beads move 0.04 Å in a time step of 10 fs, the fastest of them four times as much.
SKIN = "1.5 Å"


@dataclass(frozen=True)
class Phase:
    """Updates by trajectory reweighting.

    Attributes:
        descent: Adam with a short memory, as published, or parts of Gauss-Newton steps.
        sampling: of each trajectory.
        pressure_weight: of the squared pressure in 1/bar².
        angle_weight: of the mean squared deviation of the angles; None for a potential of pairs.
        step_ratio: see :class:`mdfit.objectives.DiffTRe`.
        together: how many bins of the RDF and of the ADF make one target.
        spline_size: of a change of the spline in eV that is as large as one of 1 of the network's parameters.
    """

    descent: Descent
    sampling: Sampling
    pressure_weight: float
    angle_weight: float | None = None
    step_ratio: float | None = None
    together: tuple[int, int] = (1, 1)
    spline_size: float = 1.0


@dataclass(frozen=True)
class Model:
    """A kind of model: its phases of training, in a cell of ``beads`` (None for the published one), and its validation."""

    phases: tuple[Phase, ...]
    beads: int | None
    validation: Sampling
    validation_beads: int


@dataclass(frozen=True)
class Start:
    """How the network is fitted to the forces of mW: beads and length of its simulation, and updates."""

    beads: int
    sampling: Sampling
    updates: int


@dataclass(frozen=True)
class Scale:
    """All sizes; ``pairs`` are the spline and the inversion; without ``start`` the network is the published one."""

    timestep: str
    pairs: Model
    network: Model
    start: Start | None


_PAIRS = Phase(Descent(36, (8e-3, 7.075e-5)), Sampling("12 ps", "1.5 ps", "0.2 ps"), 1e-9)
_ADAM = Phase(Descent(60, (3e-3, 1e-4)), Sampling("12 ps", "1 ps", "0.2 ps"), 1e-9, 10.0, step_ratio=0.2)
#: First the pairs, whose deviation is the larger one, then the angles again.
_REFINEMENT = Phase(
    Descent(7, (0.6, 0.3272), damping=0.1), Sampling("12 ps", "1 ps", "0.1 ps"), 1e-9, 3.5, 0.3, together=(4, 8)
)
_ANGLES = replace(_REFINEMENT, descent=Descent(8, (0.5, 0.1908), damping=0.1), angle_weight=10.0)
#: In these units the network has 72 % of the squared derivatives instead of 9 %, so that it takes part in the steps.
_LAST_REFINEMENT = Phase(
    Descent(12, (0.3, 0.1), damping=0.03), Sampling("24 ps", "1 ps", "0.1 ps"), 1e-8, 6.0, 0.3, (2, 4), spline_size=0.2
)
CPU = Scale(
    timestep="10 fs",
    pairs=Model((_PAIRS,), None, Sampling("60 ps", "6 ps", "0.4 ps"), 901),
    network=Model((_ADAM, _REFINEMENT, _ANGLES, _LAST_REFINEMENT), 150, Sampling("120 ps", "12 ps", "0.4 ps"), 267),
    start=Start(64, Sampling("12 ps", "5 ps", "0.5 ps"), updates=480),
)
_SHORT = Sampling("2 ps", "0.5 ps", "0.1 ps")
_FEW = (
    replace(_ADAM, descent=Descent(2, (3e-3, 1e-4)), sampling=_SHORT),
    replace(_REFINEMENT, descent=Descent(1, (0.6, 0.3272), damping=0.1), sampling=_SHORT),
)
_THREE = replace(_PAIRS, descent=Descent(3, (8e-3, 7.075e-5)), sampling=Sampling("4 ps", "0.5 ps", "0.1 ps"))
DEMO = Scale(
    timestep="10 fs",
    pairs=Model((_THREE,), 150, Sampling("5 ps", "0.5 ps", "0.1 ps"), 150),
    network=Model(_FEW, 100, Sampling("3 ps", "0.3 ps", "0.1 ps"), 100),
    start=Start(27, Sampling("3 ps", "5 ps", "0.5 ps"), updates=30),
)
_PUBLISHED = Phase(Descent(300, (3e-3, 3e-6)), Sampling("60 ps", "10 ps", "0.1 ps"), PUBLISHED_PRESSURE_WEIGHT)
_LONG = Sampling("10 ns", "1 ns", "1 ps")
#: The published settings of the network (with a Langevin thermostat); the pair potential in the same way.
PAPER = Scale(
    timestep="2 fs",
    pairs=Model((_PUBLISHED,), None, _LONG, 901),
    network=Model((replace(_PUBLISHED, angle_weight=1.0),), None, _LONG, 901),
    start=None,
)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER}
