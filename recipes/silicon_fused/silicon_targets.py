"""What is learned from what: the measurements, the DFT data, and how long each scale takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
#: Of the force-matching loss: then 1 % more force error costs as much as 0.08 GPa of pressure.
FORCE_MATCHING = 3000.0


@dataclass(frozen=True)
class Settings:
    """One scale.

    Attributes:
        updates: of the parameters.
        sample: length of a training trajectory.
        rates: learning rate of Adam in the first and the last update.
        batch: DFT structures per update.
        elastic: whether the elastic constants are targets and are judged; they need most of the time.
        validation: length of the simulations that judge start and outcome.
        properties: whether properties that are not targets are calculated.
        cells: repeats of the cubic cell of eight atoms along each axis.
    """

    updates: int
    sample: str
    rates: tuple[float, float]
    batch: int
    elastic: bool
    validation: str
    properties: bool
    cells: int = 2


SETTINGS = {
    "demo": Settings(4, "0.96 ps", (3e-4, 1e-4), 8, elastic=False, validation="2.88 ps", properties=False),
    "cpu": Settings(14, "3.072 ps", (1.8e-4, 1.5e-5), 16, elastic=True, validation="18 ps", properties=True),
    "paper": Settings(200, "48 ps", (1e-4, 1e-6), 32, elastic=True, validation="1 ns", properties=True, cells=4),
}


def crystal(cells: int) -> mf.Structure:
    """Diamond structure at the measured density."""
    return mf.Structure.from_ase(bulk("Si", "diamond", a=LATTICE_CONSTANT, cubic=True).repeat(cells))


def sampler() -> Langevin:
    """That of training and judgement."""
    return Langevin("2 fs", friction=FRICTION)


def measurements(settings: Settings) -> list[mf.Measurement]:
    """1 bar at the measured lattice constant and, where they are targets, the elastic constants."""
    at = mf.StatePoint(crystal(settings.cells), TEMPERATURE)
    pressure = mf.Measurement(Pressure(), "1 bar", at, sigma="0.1 GPa", doi="10.1103/RevModPhys.93.025010")
    if not settings.elastic:
        return [pressure]
    elastic = mf.measurements.read(HERE / "data" / "elastic_constants.yaml", at=at)
    return [pressure, elastic]


def training_data() -> Dataset:
    """The DFT data from which the start was made."""
    return mf.data.read(DFT / "Si_train.extxyz")


def refine(start: Potential, settings: Settings, seed: int, out: Path, show_progress: bool) -> FitResult:
    """Learns from the measurements and from DFT forces and energies at the same time.

    DFT stresses are left out: they say that the crystal has another density than the measured one.
    """
    experiment = DiffTRe(
        measurements(settings),
        sampler(),
        equilibrate="0.24 ps",
        sample=settings.sample,
        every=INTERVAL,
        reuse=0.98,
        step_ratio=0.3,
    )
    dft = ForceMatching(training_data(), energy=10.0, forces=1.0, stress=0.0, batch_size=settings.batch)
    first, last = settings.rates
    rate = optax.exponential_decay(first, max(settings.updates - 1, 1), last / first)
    return mf.fit(
        start,
        experiment + FORCE_MATCHING * dft,
        optimizer=optax.adam(rate, b1=0.1, b2=0.4),
        steps=settings.updates,
        seed=seed,
        out=out,
        resume=(out / "checkpoint.safetensors").exists(),
        show_progress=show_progress,
    )
