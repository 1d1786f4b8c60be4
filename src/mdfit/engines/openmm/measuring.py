"""What OpenMM tells of a system with rigid bonds beside its frames: pressure, temperature and speed."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.data import Frames
from mdfit.engines.openmm.system import NANOMETRE, ReferenceSystem, require_openmm
from mdfit.simulate import Langevin
from mdfit.units import BAR, BOLTZMANN, KILOJOULE_PER_MOLE

#: Time steps between temperatures.
BETWEEN = 50


def pressures(system: ReferenceSystem, frames: Frames, temperature: float) -> np.ndarray:
    """−∂U/∂V of molecules that are moved with the cell as a whole, and the ideal gas of their centres, of each frame.

    Their averages are the pressure of rigid molecules: M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2.7.

    Args:
        system: periodic, with virtual sites or without.
        frames: of all its atoms.
        temperature: in K.

    Returns:
        ``(frames,)`` in bar.
    """
    openmm = require_openmm()
    # A barostat that never acts tells the pressure.
    barostat = openmm.MonteCarloBarostat(1.0, temperature, 0)
    context = context_of(system, Langevin("1 fs"), temperature, 0, barostat)
    context.setVelocities(np.zeros_like(system.positions))
    found = []
    for frame in range(len(frames)):
        _place(context, system, frames, frame)
        found.append(barostat.computeCurrentPressure(context)._value)
    # At rest only the forces count.
    molecules = len(context.getMolecules())
    volumes = np.abs(np.linalg.det(frames.cells))
    return np.array(found) + molecules * BOLTZMANN * temperature / volumes / BAR


@dataclass(frozen=True, eq=False)
class Speed:
    """Of a simulation that is under way.

    Attributes:
        temperatures: in K, every 50 time steps.
        nanoseconds_per_day: on one thread.
    """

    temperatures: np.ndarray
    nanoseconds_per_day: float


def speed(system: ReferenceSystem, at: Frames, sampler: Langevin, temperature: float, steps: int, seed: int) -> Speed:
    """Of the platform CPU on one thread, from the last frame, after a fifth of the steps.

    Args:
        system: what is simulated.
        at: frames of all its atoms.
        sampler: its time step and friction.
        temperature: in K.
        steps: time steps that are timed.
        seed: of velocities and noise.
    """
    context = context_of(system, sampler, temperature, seed)
    _place(context, system, at, -1)
    context.setVelocitiesToTemperature(temperature, seed % 2**30 + 1)
    context.getIntegrator().step(steps // 5)
    temperatures, seconds = [], 0.0
    for _ in range(steps // BETWEEN):
        began = time.perf_counter()
        context.getIntegrator().step(BETWEEN)
        seconds += time.perf_counter() - began
        kinetic = context.getState(getEnergy=True).getKineticEnergy()._value * KILOJOULE_PER_MOLE
        temperatures.append(2 * kinetic / (system.degrees_of_freedom * BOLTZMANN))
    simulated = len(temperatures) * BETWEEN * sampler.timestep_fs * 1e-6
    return Speed(np.array(temperatures), 86400 * simulated / seconds)


def _place(context: Any, system: ReferenceSystem, frames: Frames, frame: int) -> None:
    places = system.positions.copy()
    places[system.atoms] = frames.positions[frame]
    context.setPeriodicBoxVectors(*(frames.cells[frame] / NANOMETRE).tolist())
    context.setPositions(places / NANOMETRE)
    context.computeVirtualSites()


def context_of(system: ReferenceSystem, sampler: Langevin, temperature: float, seed: int, *forces: Any) -> Any:
    """On one thread of the platform CPU, with further forces."""
    openmm = require_openmm()
    simulated = copy.deepcopy(system.system)
    for force in forces:
        simulated.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(temperature, sampler.friction_per_ps, sampler.timestep_fs / 1000)
    integrator.setRandomNumberSeed(seed % 2**30 + 1)
    return openmm.Context(simulated, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
