"""One simulation in OpenMM, in our units."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.data import Frames
from mdfit.engines.openmm.system import BIAS_GROUP, NANOMETRE, ReferenceSystem, require_openmm
from mdfit.errors import CheckpointError, SimulationError, nearest
from mdfit.simulate.health import check_frame
from mdfit.units import BOLTZMANN, KILOJOULE_PER_MOLE

#: Particles of a molecule that is simulated faster without vectors and threads: 22 take 28 µs a time step on the platform
#: Reference and 130 µs on the platform CPU (one core of an AMD EPYC; accelerators were not compared).
SMALL = 30
#: Of rigid bonds, relative to their length.
_CONSTRAINT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Settings:
    """How the atoms move.

    Attributes:
        temperature: K.
        timestep: fs.
        friction: 1/ps.
        seed: of the velocities and of the noise.
        platform: of OpenMM; None for the fastest.
        threads: of the platform CPU; None for OpenMM's choice.

    Raises:
        SimulationError: values that make no sense.
    """

    temperature: float
    timestep: float
    friction: float
    seed: int
    platform: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, unit in (("temperature", "K"), ("timestep", "fs"), ("friction", "1/ps")):
            if not getattr(self, name) > 0:
                raise SimulationError(f"The {name} must be positive, but is {getattr(self, name)} {unit}.")
        if self.threads is not None and self.threads < 1:
            raise SimulationError(f"threads must be at least 1, but is {self.threads}.")


class Simulation:
    """A context of OpenMM.

    Attributes:
        done: time steps so far.
        template: a frame with the atoms that are saved.
    """

    def __init__(self, system: ReferenceSystem, settings: Settings, atoms: np.ndarray, dtype: np.dtype):
        self._openmm = require_openmm()
        self.settings = settings
        self.done = 0
        self._system, self._dtype = system, dtype
        structure = system.structure()
        self._periodic = bool(structure.periodic.all())
        if atoms.size == 0 or atoms.min() < 0 or atoms.max() >= structure.number_of_atoms:
            raise SimulationError(
                f"atoms must be some of 0 to {structure.number_of_atoms - 1}, virtual sites not counted."
            )
        whole = Frames(
            structure.species,
            structure.masses,
            structure.positions[None],
            structure.cell,
            structure.periodic,
            constraints=system.constraints,
            names=system.names,
            temperature=settings.temperature,
        )
        self.template = whole.of_atoms(atoms)
        self._saved = system.atoms[atoms]
        self._context = self._new_context(settings.seed)

    def _new_context(self, seed: int) -> Any:
        openmm, settings = self._openmm, self.settings
        integrator = openmm.LangevinMiddleIntegrator(
            settings.temperature, settings.friction, settings.timestep / 1000.0
        )
        integrator.setConstraintTolerance(_CONSTRAINT_TOLERANCE)
        # OpenMM takes 0 for a seed of its own choice.
        integrator.setRandomNumberSeed(seed % 2**30 + 1)
        platform, properties = self._platform()
        arguments = [self._system.system, integrator] + ([] if platform is None else [platform, properties])
        try:
            return openmm.Context(*arguments)
        except openmm.OpenMMException as problem:
            raise SimulationError(f"OpenMM cannot simulate this system: {problem}") from None

    def _platform(self) -> tuple[Any, dict[str, str]]:
        openmm, name = self._openmm, self.settings.platform
        available = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
        if name is None and self.settings.threads is None:
            if self._system.system.getNumParticles() > SMALL or self._periodic:
                return None, {}
            name = "Reference"
        if name is None:
            name = "CPU"
        if name not in available:
            raise SimulationError(f"OpenMM has no platform {name!r} here: {nearest(name, available)}.")
        threads = self.settings.threads
        properties = {} if threads is None or name != "CPU" else {"Threads": str(threads)}
        return openmm.Platform.getPlatformByName(name), properties

    def start(self) -> None:
        """Relaxes the start and draws velocities.

        Raises:
            SimulationError: the relaxation fails.
        """
        self._context.setPositions(self._system.positions / NANOMETRE)
        self._guarded(lambda: self._context.applyConstraints(_CONSTRAINT_TOLERANCE), "the start")
        self._guarded(lambda: self._openmm.LocalEnergyMinimizer.minimize(self._context, 50.0, 2000), "the relaxation")
        self._context.setVelocitiesToTemperature(self.settings.temperature, self.settings.seed % 2**30 + 1)

    def advance(self, steps: int) -> None:
        """Does time steps.

        Raises:
            SimulationError: the dynamics explodes.
        """
        time = self.done * self.settings.timestep
        self._guarded(lambda: self._context.getIntegrator().step(steps), f"{time:.1f} fs")
        self.done += steps

    def frame(self) -> Frames:
        """The present configuration, with forces in eV/Å and the energy in eV.

        Raises:
            SimulationError: the energy is not finite, or the temperature far too high.
        """
        potential = {group for group in range(32) if group != BIAS_GROUP}
        state = self._context.getState(getPositions=True, getForces=True, getEnergy=True, groups=potential)
        energy = state.getPotentialEnergy()._value * KILOJOULE_PER_MOLE
        kinetic = state.getKineticEnergy()._value * KILOJOULE_PER_MOLE
        temperature = 2 * kinetic / (self._system.degrees_of_freedom * BOLTZMANN)
        time = self.done * self.settings.timestep
        check_frame(np.array([energy]), np.array([temperature]), self.settings.temperature, time)
        positions = state.getPositions(asNumpy=True)._value[self._saved] * NANOMETRE
        forces = state.getForces(asNumpy=True)._value[self._saved] * (KILOJOULE_PER_MOLE / NANOMETRE)
        cell = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value) * NANOMETRE
        return dataclasses.replace(
            self.template,
            positions=positions[None].astype(self._dtype),
            forces=forces[None].astype(self._dtype),
            cells=cell[None] if self._periodic else np.zeros((1, 3, 3)),
            energies=np.array([energy]),
        )

    def checkpoint(self) -> dict[str, np.ndarray]:
        """All that is needed to go on: OpenMM's own binary, exact on this machine, and its portable text."""
        state = self._context.getState(getPositions=True, getVelocities=True, getParameters=True)
        return {
            "exact": np.frombuffer(self._context.createCheckpoint(), np.uint8),
            "portable": np.frombuffer(self._openmm.XmlSerializer.serialize(state).encode(), np.uint8),
            "steps": np.array(self.done),
        }

    def restore(self, checkpoint: dict[str, np.ndarray]) -> None:
        """Goes on from a checkpoint.

        Raises:
            CheckpointError: it belongs to another system.
        """
        exception = self._openmm.OpenMMException
        self.done = int(checkpoint["steps"])
        try:
            self._context.loadCheckpoint(checkpoint["exact"].tobytes())
        except exception:
            # Another machine or version: the same random numbers must not come again.
            self._context = self._new_context(self.settings.seed + 7919 * (1 + self.done))
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
            raise SimulationError(
                f"After {when} OpenMM stopped ({problem}): the dynamics explodes. Use a shorter time step or another "
                "start; frames up to here are kept."
            ) from None
