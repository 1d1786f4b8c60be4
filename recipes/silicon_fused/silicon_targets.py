"""What is learned from what: the measurements, the DFT data, and how long each scale takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.build import bulk

import mdfit as mf
from mdfit.objectives import ForceMatching
from mdfit.observables import Pressure
from mdfit.potentials import Potential
from mdfit.recipes.methods import Descent, Reweighting
from mdfit.recipes.request import Request, Sampling
from mdfit.simulate import Langevin

HERE = Path(__file__).parent
DFT = HERE.parent / "silicon_dft" / "data"
#: In Å, at 22.5 °C and 1 bar; CODATA 2018, doi:10.1103/RevModPhys.93.025010.
LATTICE_CONSTANT = 5.431020511
TEMPERATURE = "300 K"
#: Of training and judgement.  The friction is strong, so that the energy of each vibration is forgotten between two
#: frames; averages do not depend on it.
SAMPLER = Langevin("2 fs", friction="20 /ps")
#: Of the force-matching loss: 1 % more force error then costs about as much as 0.06 GPa of pressure.
FORCE_MATCHING = 3000.0


@dataclass(frozen=True)
class Settings:
    """One scale.

    Attributes:
        density: learns the density; its updates are cheap, since the stress needs one derivative less.
        elastic: learns the elastic constants beside the density; without it they are not judged either.
        validation: length of the simulations that judge start and outcome.
        properties: whether properties that are not targets are calculated.
        batch: DFT structures per update.
        cells: repeats of the cubic cell of eight atoms along each axis.
    """

    density: Reweighting
    elastic: Reweighting | None
    validation: Sampling
    properties: bool
    batch: int = 16
    cells: int = 2


def sampling(duration: str, equilibrate: str = "0.24 ps") -> Sampling:
    """Frames between which vibrations forget their energy."""
    return Sampling(duration, equilibrate, "48 fs")


def _method(
    updates: int, rates: tuple[float, float], duration: str, reuse: float = 0.9, fewest: float = 5.0
) -> Reweighting:
    """By Adam; no trajectories of ``fewest`` independent frames are asked for where they are too short to tell."""
    return Reweighting(Descent(updates, rates), sampling(duration), 0.3, reuse, fewest)


SETTINGS = {
    "demo": Settings(
        _method(6, (3e-4, 8.03e-5), "0.96 ps", fewest=0.0),
        None,
        sampling("1.44 ps", "0.48 ps"),
        properties=False,
        batch=8,
    ),
    "cpu": Settings(
        _method(10, (3e-4, 4.1e-5), "1.536 ps", fewest=0.0),
        # New trajectories early: those used again share the noise of C44.
        _method(12, (1.5e-4, 1.67e-5), "3.072 ps", reuse=0.98),
        sampling("18 ps", "0.48 ps"),
        properties=True,
    ),
    "paper": Settings(
        _method(50, (2e-4, 1.91e-5), "10 ps"),
        _method(200, (1e-4, 9.77e-7), "48 ps"),
        sampling("1 ns", "0.48 ps"),
        properties=True,
        batch=32,
        cells=4,
    ),
}


def state_point(cells: int) -> mf.StatePoint:
    """Diamond structure at the measured density."""
    crystal = bulk("Si", "diamond", a=LATTICE_CONSTANT, cubic=True).repeat(cells)
    return mf.StatePoint(mf.Structure.from_ase(crystal), TEMPERATURE)


def measurements(cells: int, with_elastic: bool) -> list[mf.Measurement]:
    """1 bar at the measured lattice constant and, when asked for, the elastic constants."""
    at = state_point(cells)
    pressure = mf.Measurement(Pressure(), "1 bar", at, sigma="0.1 GPa", doi="10.1103/RevModPhys.93.025010")
    return [pressure, mf.measurements.read(HERE / "data" / "elastic_constants.yaml", at=at)][: 1 + with_elastic]


def refine(request: Request, start: Potential, settings: Settings) -> tuple[Potential, list[dict[str, Any]]]:
    """Learns from the measurements and from DFT at the same time: the density first, then all.

    DFT stresses are left out: they say that the crystal has another density than the measured one.

    Returns:
        The potential, and the records of all updates.
    """
    data, history = mf.data.read(DFT / "Si_train.extxyz"), []
    dft = ForceMatching(data, energy=10.0, forces=1.0, stress=0.0, batch_size=settings.batch)
    potential = start
    for name, method in (("density", settings.density), ("elastic", settings.elastic)):
        if method is not None:
            experiment = method.objective(measurements(settings.cells, name == "elastic"), SAMPLER)
            objective, descent = experiment + FORCE_MATCHING * dft, method.descent
            result = request.train(name, potential, objective, descent.optimizer(), descent.updates)
            potential, history = result.last, history + result.history
    return potential, history
