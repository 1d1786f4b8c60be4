"""The all-atom simulation of TIP4P/2005, its molecules as beads, its pressure, temperature and speed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from tip4p_scales import EVERY, TEMPERATURE, Reference

from mdfit.data import Frames, Mapping
from mdfit.engines import openmm
from mdfit.engines.openmm.system import NANOMETRE, ReferenceSystem
from mdfit.observables.statistics import error_of_mean, jackknife
from mdfit.precision import key
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import Langevin, StatePoint, run
from mdfit.units import BAR, BOLTZMANN, KILOJOULE_PER_MOLE

#: Of the time step in fs.
TIMESTEP = 2.0
#: Time steps between temperatures.
BETWEEN = 50
#: Parts of the reference for the errors of its pressure.
BLOCKS = 10


def system(reference: Reference) -> ReferenceSystem:
    """A cube of rigid molecules."""
    return openmm.water_box(reference.molecules, "tip4p2005", cutoff=reference.cutoff)


def simulate(reference: Reference, seed: int, path: Path, show_progress: bool) -> Frames:
    """Goes on where a run that wrote ``path`` stopped."""
    molecules = system(reference)
    return run(
        molecules,
        StatePoint(molecules.structure(), TEMPERATURE),
        Langevin(TIMESTEP, "1 /ps"),
        duration=reference.duration,
        equilibrate=reference.equilibrate,
        every=EVERY,
        key=key(seed),
        engine=openmm.OpenMM(threads=1),
        out=path,
        show_progress=show_progress,
    ).frames()


def mapped(frames: Frames) -> Frames:
    """One bead at the centre of mass of each molecule, whose force is that on the molecule."""
    atoms = np.arange(frames.number_of_atoms).reshape(-1, 3)
    return Mapping.centres_of_mass(list(atoms), frames).frames(frames)


def judged_system(reference: Reference, frames: Frames, seed: int) -> Metrics:
    """Pressure of frames; temperature and speed of a short simulation from the last of them."""
    molecules = system(reference)
    context = context_of(molecules, seed)
    found = pressures(molecules, context, frames)
    parts = found[: len(found) // BLOCKS * BLOCKS].reshape(BLOCKS, -1).mean(axis=1)
    _, error = jackknife(lambda average: average, parts)
    temperatures, seconds = _dynamics(molecules, context, reference.speed_steps, seed)
    simulated = len(temperatures) * BETWEEN * TIMESTEP * 1e-6
    uncertainty, _ = error_of_mean(temperatures[None, :, None])
    return {
        "pressure/reference": Metric(float(found.mean()), float(error), "bar"),
        "temperature/reference": Metric(float(temperatures.mean()), float(uncertainty[0]), "K"),
        "speed/all_atom": Metric(86400 * simulated / seconds, None, "ns/day"),
    }


def pressures(molecules: ReferenceSystem, context: Any, frames: Frames) -> np.ndarray:
    """−∂U/∂V with rigid molecules that move with the cell, and the ideal gas, of each frame in bar."""
    barostat = next(force for force in molecules.system.getForces() if hasattr(force, "computeCurrentPressure"))
    places = molecules.positions.copy()
    context.setVelocities(np.zeros_like(places))
    found = []
    for positions, cell in zip(frames.positions, frames.cells, strict=True):
        places[molecules.atoms] = positions
        context.setPeriodicBoxVectors(*(cell / NANOMETRE).tolist())
        context.setPositions(places / NANOMETRE)
        context.computeVirtualSites()
        found.append(barostat.computeCurrentPressure(context)._value)
    # At rest only the forces count.
    volumes = np.abs(np.linalg.det(frames.cells))
    return np.array(found) + frames.number_of_atoms / 3 * BOLTZMANN * TEMPERATURE / volumes / BAR


def context_of(molecules: ReferenceSystem, seed: int) -> Any:
    """On one thread; a barostat that never acts tells the pressure."""
    import openmm as program

    molecules.system.addForce(program.MonteCarloBarostat(1.0, TEMPERATURE, 0))
    integrator = program.LangevinMiddleIntegrator(TEMPERATURE, 1.0, TIMESTEP / 1000)
    integrator.setRandomNumberSeed(seed % 2**30 + 1)
    platform = program.Platform.getPlatformByName("CPU")
    return program.Context(molecules.system, integrator, platform, {"Threads": "1"})


def _dynamics(molecules: ReferenceSystem, context: Any, steps: int, seed: int) -> tuple[np.ndarray, float]:
    """Temperatures along a simulation, and the seconds that it took."""
    context.setVelocitiesToTemperature(TEMPERATURE, seed % 2**30 + 1)
    context.getIntegrator().step(steps // 5)
    temperatures, seconds = [], 0.0
    for _ in range(steps // BETWEEN):
        began = time.perf_counter()
        context.getIntegrator().step(BETWEEN)
        seconds += time.perf_counter() - began
        kinetic = context.getState(getEnergy=True).getKineticEnergy()._value * KILOJOULE_PER_MOLE
        temperatures.append(2 * kinetic / (molecules.degrees_of_freedom * BOLTZMANN))
    return np.array(temperatures), seconds
