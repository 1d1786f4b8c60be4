"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from water_beads import PUBLISHED_PRESSURE_WEIGHT
from water_training import Training


@dataclass(frozen=True)
class Start:
    """How the network is fitted to the forces of mW before it learns from experiment.

    Attributes:
        beads: of the cell.
        frames: of the simulation of mW.
        epochs: of force matching.
    """

    beads: int
    frames: int
    epochs: int


@dataclass(frozen=True)
class Scale:
    """Sizes of the models and of their trainings.

    Attributes:
        pairs: of the spline and of the Boltzmann inversion.
        network: of the network.
        refinements: of the network afterwards.
        start: of the small network; None takes the published network with random parameters.
        pair_beads: of the cell in which pair potentials are trained and validated; None for the published configuration.
        network_beads: of the cell of the network.
        validation_beads: of the cell in which the network is validated.
        pair_validation: length of the independent simulations in fs.
        network_validation: the same for the network.
        pair_every: between frames of the simulations of pair potentials in fs.
        network_every: the same for the network.
    """

    pairs: Training
    network: Training
    refinements: tuple[Training, ...]
    start: Start | None
    pair_beads: int | None
    network_beads: int | None
    validation_beads: int
    pair_validation: float
    network_validation: float
    pair_every: float
    network_every: float


#: First the pairs, whose deviation is the larger one, then the angles again.
_REFINEMENT = Training(
    updates=7,
    first_rate=0.6,
    last_rate=0.3272,
    sample=12_000,
    every=100,
    equilibrate=1_000,
    timestep=10,
    pressure_weight=1e-9,
    angle_weight=3.5,
    step_ratio=0.3,
    gauss_newton=0.1,
    together=(4, 8),
)
#: In these units the network has 72 % of the squared derivatives instead of 9 %, so that it takes part in the steps.
_LAST_REFINEMENT = replace(
    _REFINEMENT,
    updates=12,
    first_rate=0.3,
    last_rate=0.1,
    sample=24_000,
    pressure_weight=1e-8,
    angle_weight=6.0,
    gauss_newton=0.03,
    together=(2, 4),
    spline_size=0.2,
)
CPU = Scale(
    pairs=Training(
        updates=36,
        first_rate=8e-3,
        last_rate=7.075e-5,
        sample=12_000,
        every=200,
        equilibrate=1_500,
        timestep=10,
        pressure_weight=1e-9,
    ),
    network=Training(
        updates=60,
        first_rate=3e-3,
        last_rate=1e-4,
        sample=12_000,
        every=200,
        equilibrate=1_000,
        timestep=10,
        pressure_weight=1e-9,
        angle_weight=10.0,
        step_ratio=0.2,
    ),
    refinements=(
        _REFINEMENT,
        replace(_REFINEMENT, updates=8, first_rate=0.5, last_rate=0.1908, angle_weight=10.0),
        _LAST_REFINEMENT,
    ),
    start=Start(beads=64, frames=24, epochs=40),
    pair_beads=None,
    network_beads=150,
    validation_beads=267,
    pair_validation=60_000,
    network_validation=120_000,
    pair_every=400,
    network_every=400,
)
DEMO = Scale(
    pairs=replace(CPU.pairs, updates=3, sample=4_000, every=100, equilibrate=500),
    network=replace(CPU.network, updates=2, sample=2_000, every=100, equilibrate=500),
    refinements=(replace(_REFINEMENT, updates=1, sample=2_000, equilibrate=500),),
    start=Start(beads=27, frames=6, epochs=10),
    pair_beads=150,
    network_beads=100,
    validation_beads=100,
    pair_validation=5_000,
    network_validation=3_000,
    pair_every=100,
    network_every=100,
)
_PUBLISHED = Training(
    updates=300,
    first_rate=3e-3,
    last_rate=3e-6,
    sample=60_000,
    every=100,
    equilibrate=10_000,
    timestep=2,
    pressure_weight=PUBLISHED_PRESSURE_WEIGHT,
)
#: The published settings of the network (with a Langevin thermostat); the pair potential in the same way.
PAPER = Scale(
    pairs=_PUBLISHED,
    network=replace(_PUBLISHED, angle_weight=1.0),
    refinements=(),
    start=None,
    pair_beads=None,
    network_beads=None,
    validation_beads=901,
    pair_validation=10_000_000,
    network_validation=10_000_000,
    pair_every=1_000,
    network_every=1_000,
)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER}
