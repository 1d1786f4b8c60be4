"""What is learned from what: the measurements, the DFT data, and how long each scale takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optax
from ase.build import bulk

import mdfit as mf
from mdfit.data import Dataset
from mdfit.objectives import DiffTRe, ForceMatching
from mdfit.observables import Pressure
from mdfit.potentials import Potential
from mdfit.simulate import Langevin
from mdfit.training import FitResult

HERE = Path(__file__).parent
DFT = HERE.parent / "silicon_dft" / "data"
#: In Å, at 22.5 °C and 1 bar; CODATA 2018, doi:10.1103/RevModPhys.93.025010.
LATTICE_CONSTANT = 5.431020511
TEMPERATURE = "300 K"
#: Strong, so that the energy of each vibration is forgotten between two frames; averages do not depend on it.
FRICTION = "20 /ps"
INTERVAL = "48 fs"
#: Of the force-matching loss: 1 % more force error then costs about as much as 0.06 GPa of pressure.
FORCE_MATCHING = 3000.0


@dataclass(frozen=True)
class Stage:
    """A training.

    Attributes:
        updates: of the parameters.
        rates: learning rate of Adam in the first and the last update.
        sample: length of a trajectory.
        batch: DFT structures per update.
        reuse: smallest share of effective frames with which a trajectory is used again.
        fewest: independent frames that a trajectory must be worth; 0 where it is too short to tell how many it is worth.
    """

    updates: int
    rates: tuple[float, float]
    sample: str
    batch: int = 16
    reuse: float = 0.9
    fewest: float = 5.0


@dataclass(frozen=True)
class Settings:
    """One scale.

    Attributes:
        density: learns the density; its updates are cheap, since the stress needs one derivative less.
        elastic: learns the elastic constants beside the density; without it they are not judged either.
        validation: length of the simulations that judge start and outcome.
        properties: whether properties that are not targets are calculated.
        cells: repeats of the cubic cell of eight atoms along each axis.
    """

    density: Stage
    elastic: Stage | None
    validation: str
    properties: bool
    cells: int = 2


SETTINGS = {
    "demo": Settings(Stage(6, (3e-4, 1e-4), "0.96 ps", batch=8, fewest=0.0), None, "1.44 ps", properties=False),
    "cpu": Settings(
        Stage(10, (3e-4, 5e-5), "1.536 ps", fewest=0.0),
        # New trajectories early: those used again share the noise of C44.
        Stage(12, (1.5e-4, 2e-5), "3.072 ps", reuse=0.98),
        "18 ps",
        properties=True,
    ),
    "paper": Settings(
        Stage(50, (2e-4, 2e-5), "10 ps", 32), Stage(200, (1e-4, 1e-6), "48 ps", 32), "1 ns", properties=True, cells=4
    ),
}


def crystal(cells: int) -> mf.Structure:
    """Diamond structure at the measured density."""
    return mf.Structure.from_ase(bulk("Si", "diamond", a=LATTICE_CONSTANT, cubic=True).repeat(cells))


def sampler() -> Langevin:
    """That of training and judgement."""
    return Langevin("2 fs", friction=FRICTION)


def measurements(cells: int, with_elastic: bool) -> list[mf.Measurement]:
    """1 bar at the measured lattice constant and, when asked for, the elastic constants."""
    at = mf.StatePoint(crystal(cells), TEMPERATURE)
    pressure = mf.Measurement(Pressure(), "1 bar", at, sigma="0.1 GPa", doi="10.1103/RevModPhys.93.025010")
    if not with_elastic:
        return [pressure]
    elastic = mf.measurements.read(HERE / "data" / "elastic_constants.yaml", at=at)
    return [pressure, elastic]


def training_data() -> Dataset:
    """The DFT data from which the start was made."""
    return mf.data.read(DFT / "Si_train.extxyz")


def refine(
    start: Potential, settings: Settings, seed: int, out: Path, show_progress: bool
) -> tuple[Potential, list[dict[str, Any]]]:
    """Learns from the measurements and from DFT at the same time: the density first, then all.

    Returns:
        The potential, and the records of all updates.
    """
    result = _fit(start, settings.density, measurements(settings.cells, False), seed, out / "density", show_progress)
    history = result.history
    if settings.elastic is not None:
        targets = measurements(settings.cells, True)
        result = _fit(result.last, settings.elastic, targets, seed + 50, out / "elastic", show_progress)
        history = history + result.history
    return result.last, history


def _fit(
    start: Potential, stage: Stage, targets: list[mf.Measurement], seed: int, out: Path, show_progress: bool
) -> FitResult:
    """One stage.

    DFT stresses are left out: they say that the crystal has another density than the measured one.
    """
    experiment = DiffTRe(
        targets,
        sampler(),
        equilibrate="0.24 ps",
        sample=stage.sample,
        every=INTERVAL,
        reuse=stage.reuse,
        step_ratio=0.3,
        fewest_samples=stage.fewest,
    )
    dft = ForceMatching(training_data(), energy=10.0, forces=1.0, stress=0.0, batch_size=stage.batch)
    first, last = stage.rates
    rate = optax.exponential_decay(first, max(stage.updates - 1, 1), last / first)
    return mf.fit(
        start,
        experiment + FORCE_MATCHING * dft,
        optimizer=optax.adam(rate, b1=0.1, b2=0.4),
        steps=stage.updates,
        seed=seed,
        out=out,
        show_progress=show_progress,
    ).unless_interrupted()
