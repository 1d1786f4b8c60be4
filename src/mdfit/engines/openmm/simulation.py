"""Replicas under way in OpenMM, in our units."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mdfit.data import Frames
from mdfit.engines.openmm.system import BIAS_GROUP, NANOMETRE, ReferenceSystem, require_openmm
from mdfit.errors import CheckpointError, ExplosionError, SimulationError, nearest
from mdfit.progress import Bar
from mdfit.simulate import Frame, Langevin, MonteCarloNPT, Particles, Simulation, StatePoint
from mdfit.simulate.health import check_frame
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN, KILOJOULE_PER_MOLE, PICOSECOND

#: Particles of a molecule that is simulated faster without vectors and threads: 22 take 28 µs a time step on the platform
#: Reference and 130 µs on the platform CPU (one core of an AMD EPYC; accelerators were not compared).
SMALL = 30
#: Of rigid bonds, relative to their length.
_CONSTRAINT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Settings:
    """How the atoms move.

    Attributes:
        sampler: with or without a barostat.
        platform: of OpenMM; None for the fastest.
        threads: of the platform CPU; None for OpenMM's choice.
        relax: whether starts without velocities are relaxed.
        dtype: of recorded positions and forces.
    """

    sampler: Langevin | MonteCarloNPT
    platform: str | None
    threads: int | None
    relax: bool
    dtype: np.dtype


class OpenMMSimulation(Simulation):
    """One context of OpenMM for each replica, one after the other.

    Args:
        system: what is simulated.
        state_points: of its atoms.
        starts: of every replica.
        atoms: which are recorded.
        settings: how they move.

    Raises:
        SimulationError: OpenMM cannot simulate the system, or there are no such atoms.
        DataError: atoms that cannot be chosen.
    """

    def __init__(
        self,
        system: ReferenceSystem,
        state_points: Sequence[StatePoint],
        starts: Sequence[Structure],
        atoms: np.ndarray,
        settings: Settings,
    ):
        structure = system.structure()
        if atoms.size == 0 or atoms.min() < 0 or atoms.max() >= structure.number_of_atoms:
            raise SimulationError(
                f"atoms must be some of 0 to {structure.number_of_atoms - 1}, virtual sites not counted."
            )
        self.done = 0
        self.particles = _recorded(system, structure, atoms)
        self._timestep = settings.sampler.timestep_fs
        each = len(starts) // len(state_points)
        saved = system.atoms[atoms]
        self._replicas = [
            _Replica(system, state_points[number // each], start, saved, settings)
            for number, start in enumerate(starts)
        ]

    def begin(self, key: jax.Array) -> None:
        self.done = 0
        for replica, own in zip(self._replicas, jax.random.split(key, len(self._replicas)), strict=True):
            # OpenMM takes 0 for a seed of its own choice, and no more than 31 bits.
            replica.begin(1 + int(jax.random.bits(own)) % 2**30)

    def advance(self, steps: int, bar: Bar) -> None:
        began = time.perf_counter()
        when = f"{self.done * self._timestep:.1f} fs"
        for replica in self._replicas:
            replica.advance(steps, when)
        self.done += steps
        nanoseconds = len(self._replicas) * steps * self._timestep * 1e-6
        bar.advance(steps, **{"ns/day": nanoseconds * 86400 / (time.perf_counter() - began)})

    def frame(self) -> Frame:
        moments = [replica.frame(self.done * self._timestep) for replica in self._replicas]
        return {name: np.stack([moment[name] for moment in moments]) for name in moments[0]}

    def checkpoint(self) -> Any:
        replicas = {str(number): replica.checkpoint() for number, replica in enumerate(self._replicas)}
        return {"done": np.array(self.done, np.int64), "replicas": replicas}

    def restore(self, arrays: dict[str, np.ndarray], source: Path) -> None:
        parts = ("exact", "portable", "seed")
        names = {f"replicas.{number}.{part}" for number in range(len(self._replicas)) for part in parts}
        single = ("done", *(name for name in names if name.endswith("seed")))
        if set(arrays) != names | {"done"} or any(arrays[name].shape != () for name in single):
            raise CheckpointError(f"The restart file of {source} is damaged; start the run again in another file.")
        self.done = int(arrays["done"])
        for number, replica in enumerate(self._replicas):
            replica.restore({part: arrays[f"replicas.{number}.{part}"] for part in parts}, self.done)


def _recorded(system: ReferenceSystem, structure: Structure, atoms: np.ndarray) -> Particles:
    """Some of the atoms; their temperature is that of all when none is left out."""
    whole = Frames(
        structure.species,
        structure.masses,
        structure.positions[None],
        structure.cell,
        structure.periodic,
        constraints=system.constraints,
        names=system.names,
    )
    part = whole.of_atoms(atoms)
    return Particles(
        part.species,
        part.masses,
        part.periodic,
        degrees_of_freedom=3 * part.number_of_atoms - len(part.constraints),
        constraints=part.constraints,
        names=part.names,
    )


class _Replica:
    """A context of OpenMM."""

    def __init__(
        self, system: ReferenceSystem, at: StatePoint, start: Structure, saved: np.ndarray, settings: Settings
    ):
        self._openmm = require_openmm()
        self._system, self._at, self._start, self._saved, self._settings = system, at, start, saved, settings
        self._periodic = bool(start.periodic.all())
        self._seed = 1
        self._context = self._new_context()

    def _new_context(self) -> Any:
        openmm, sampler = self._openmm, self._settings.sampler
        kelvin = self._at.temperature
        integrator = openmm.LangevinMiddleIntegrator(kelvin, sampler.friction_per_ps, sampler.timestep_fs / 1000.0)
        integrator.setConstraintTolerance(_CONSTRAINT_TOLERANCE)
        integrator.setRandomNumberSeed(self._seed)
        platform, properties = self._platform()
        system = copy.deepcopy(self._system.system)
        if isinstance(sampler, MonteCarloNPT):
            system.addForce(self._barostat(sampler))
        arguments = [system, integrator] + ([] if platform is None else [platform, properties])
        try:
            return openmm.Context(*arguments)
        except openmm.OpenMMException as problem:
            raise SimulationError(f"OpenMM cannot simulate this system: {problem}") from None

    def _barostat(self, sampler: MonteCarloNPT) -> Any:
        pressure, kelvin, every = self._at.pressure, self._at.temperature, sampler.attempt_every
        if sampler.anisotropic:
            barostat = self._openmm.MonteCarloAnisotropicBarostat(
                self._openmm.Vec3(pressure, pressure, pressure), kelvin, True, True, True, every
            )
        else:
            barostat = self._openmm.MonteCarloBarostat(pressure, kelvin, every)
        barostat.setRandomNumberSeed(self._seed)
        return barostat

    def _platform(self) -> tuple[Any, dict[str, str]]:
        openmm, name, threads = self._openmm, self._settings.platform, self._settings.threads
        available = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
        if name is None and threads is None:
            if self._system.system.getNumParticles() > SMALL or self._periodic:
                return None, {}
            name = "Reference"
        if name is None:
            name = "CPU"
        if name not in available:
            raise SimulationError(f"OpenMM has no platform {name!r} here: {nearest(name, available)}.")
        properties = {} if threads is None or name != "CPU" else {"Threads": str(threads)}
        return openmm.Platform.getPlatformByName(name), properties

    def begin(self, seed: int) -> None:
        """At the start, relaxed, with new velocities unless it has some.

        Raises:
            SimulationError: the relaxation fails.
        """
        self._seed = seed
        context = self._context = self._new_context()
        if self._periodic:
            context.setPeriodicBoxVectors(*(self._start.cell / NANOMETRE))
        particles = self._system.positions / NANOMETRE
        particles[self._system.atoms] = self._start.positions / NANOMETRE
        context.setPositions(particles)
        context.computeVirtualSites()
        self._guarded(lambda: context.applyConstraints(_CONSTRAINT_TOLERANCE), "the start")
        if self._start.velocities is not None:
            velocities = np.zeros_like(particles)
            velocities[self._system.atoms] = self._start.velocities * PICOSECOND / NANOMETRE
            context.setVelocities(velocities)
            return
        if self._settings.relax:
            minimize = self._openmm.LocalEnergyMinimizer.minimize
            self._guarded(lambda: minimize(context, 50.0, 2000), "the relaxation")
        context.setVelocitiesToTemperature(self._at.temperature, seed)

    def advance(self, steps: int, when: str) -> None:
        self._guarded(lambda: self._context.getIntegrator().step(steps), when)

    def frame(self, time: float) -> Frame:
        """The present configuration, with forces in eV/Å and the energy in eV."""
        potential = {group for group in range(32) if group != BIAS_GROUP}
        state = self._context.getState(getPositions=True, getForces=True, getEnergy=True, groups=potential)
        energy = state.getPotentialEnergy()._value * KILOJOULE_PER_MOLE
        kinetic = state.getKineticEnergy()._value * KILOJOULE_PER_MOLE
        temperature = 2 * kinetic / (self._system.degrees_of_freedom * BOLTZMANN)
        check_frame(np.array([energy]), np.array([temperature]), self._at.temperature, time)
        cell = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value) * NANOMETRE
        dtype = self._settings.dtype
        forces = state.getForces(asNumpy=True)._value[self._saved] * (KILOJOULE_PER_MOLE / NANOMETRE)
        return {
            "positions": (state.getPositions(asNumpy=True)._value[self._saved] * NANOMETRE).astype(dtype),
            "forces": forces.astype(dtype),
            "cells": cell if self._periodic else np.zeros((3, 3)),
            "potential_energies": np.float64(energy),
        }

    def checkpoint(self) -> dict[str, np.ndarray]:
        """OpenMM's own binary, exact on this machine, and its portable text."""
        state = self._context.getState(getPositions=True, getVelocities=True, getParameters=True)
        return {
            "exact": np.frombuffer(self._context.createCheckpoint(), np.uint8),
            "portable": np.frombuffer(self._openmm.XmlSerializer.serialize(state).encode(), np.uint8),
            "seed": np.array(self._seed, np.int64),
        }

    def restore(self, checkpoint: dict[str, np.ndarray], done: int) -> None:
        """Goes on from a checkpoint after so many time steps."""
        exception = self._openmm.OpenMMException
        self._seed = 1 + (int(checkpoint["seed"]) - 1) % 2**30
        self._context = self._new_context()
        try:
            self._context.loadCheckpoint(checkpoint["exact"].tobytes())
        except exception:
            # Another machine or version: the same random numbers must not come again.
            self._seed = 1 + (self._seed + 7919 * (1 + done)) % 2**30
            self._context = self._new_context()
            try:
                self._context.setState(
                    self._openmm.XmlSerializer.deserialize(checkpoint["portable"].tobytes().decode())
                )
            except (exception, ValueError) as problem:
                raise CheckpointError(f"The checkpoint cannot be continued ({problem}): start the run again.") from None

    def _guarded(self, work: Any, when: str) -> None:
        try:
            work()
        except self._openmm.OpenMMException as problem:
            raise ExplosionError(
                f"After {when} OpenMM stopped ({problem}): the dynamics explodes. Use a shorter time step or another "
                "start; frames up to here are kept."
            ) from None
