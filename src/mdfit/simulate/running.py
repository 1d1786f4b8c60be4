"""Running a simulation: equilibration, production, frames, health."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.potentials.fingerprint import fingerprint
from mdfit.precision import cast
from mdfit.progress import progress_bar, stop_on_interrupt
from mdfit.simulate.dynamics import Context, Dynamics
from mdfit.simulate.health import check_frame, check_step
from mdfit.simulate.neighbours import ListBuilder, list_builder
from mdfit.simulate.output import Plan, open_output
from mdfit.simulate.samplers import Sampler
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import PER_FRAME, Trajectory
from mdfit.storage import digest
from mdfit.units import BOLTZMANN, quantity

#: Room for so many more neighbours within the cutoff than an atom has at the start; more of them mean a new compilation.
PACKING_MARGIN = 2


@dataclass(frozen=True)
class Lengths:
    """Numbers of time steps: dropped at the start, between frames, and the number of frames."""

    equilibration: int
    between: int
    frames: int

    @classmethod
    def of(cls, duration, every, equilibrate, timestep: float) -> Lengths:
        total, interval, dropped = (
            quantity(value, "fs", name)
            for value, name in ((duration, "duration"), (every, "every"), (equilibrate, "equilibrate"))
        )
        between = round(interval / timestep)
        if between < 1 or abs(between * timestep - interval) > 1e-6 * interval:
            raise SimulationError(
                f"The interval between frames ({interval} fs) is not a multiple of the time step ({timestep} fs)."
            )
        frames = round(total / interval)
        if frames < 1:
            raise SimulationError(f"A duration of {total} fs holds no frame at one every {interval} fs; lengthen it.")
        if dropped < 0:
            raise SimulationError(f"The equilibration must not be negative, but is {dropped} fs; give 0 or more.")
        return cls(round(dropped / timestep), between, frames)


def run(
    potential: Potential,
    state_point: StatePoint,
    sampler: Sampler,
    *,
    duration: str | float,
    every: str | float,
    key: jax.Array,
    equilibrate: str | float = 0.0,
    replicas: int = 1,
    skin: str | float = "0.5 Å",
    neighbour_lists: str = "auto",
    dtype: Any = jnp.float32,
    out: str | Path | None = None,
    resume: bool = False,
    show_progress: bool = False,
) -> Trajectory:
    """Simulates a state point.

    Neighbour lists are rebuilt before any pair can be missed; when one overflows it grows, and no step is done with an
    incomplete list.

    Args:
        potential: whose forces drive the atoms.
        state_point: structure, temperature and pressure.
        sampler: ensemble and integrator.
        duration: of the production, in fs or with a unit.
        every: between saved frames.
        key: random key: initial velocities (unless the structure has some) and noise.
        equilibrate: dropped at the start.
        replicas: independent copies with their own velocities, simulated side by side.
        skin: of the neighbour list in Å.
        neighbour_lists: ``"auto"``, ``"host"`` or ``"device"``.
        dtype: of positions and forces.
        out: a ``.h5`` (H5MD) or ``.xyz``/``.extxyz`` file, written as the run goes (extxyz for one replica).
        resume: go on where the run that wrote ``out`` stopped.
        show_progress: a progress bar with the time left.

    Ctrl-C ends the run after the present interval; the trajectory then ends there.

    Raises:
        KeyboardInterrupt: after Ctrl-C before the first frame; with ``out`` a restart file has been written.
        SimulationError: when the dynamics explodes; frames up to there are in ``out``.  For settings that make no sense.
        CheckpointError: when ``out`` cannot be resumed, for instance because it was written with other settings or
            another potential.
        UnknownSpeciesError: when the potential does not know an element of the structure.
        OutputError: when ``out`` cannot be written, or exists and is not to be resumed.
    """
    potential.check_species(set(np.unique(state_point.structure.species).tolist()))
    lengths = Lengths.of(duration, every, equilibrate, sampler.timestep_fs)
    thickness = quantity(skin, "Å", "skin")
    _check_settings(state_point, sampler, replicas, thickness)
    simulation = _Simulation(cast(potential, dtype) if dtype == jnp.float64 else potential, state_point, sampler)
    output = open_output(out, resume, state_point, _plan(lengths, potential, state_point, sampler, replicas, dtype))
    simulation.prepare(key, replicas, thickness, neighbour_lists, dtype)
    frames: list[dict[str, np.ndarray]] = []
    if output is not None and resume:
        frames = output.frames()
        simulation.restore(output.restart(simulation.checkpoint()))
    total = lengths.equilibration + lengths.frames * lengths.between
    with progress_bar("Simulating", total, simulation.done, show_progress) as bar, stop_on_interrupt() as interrupt:
        while simulation.done < lengths.equilibration and not interrupt.requested:
            # In pieces, so that Ctrl-C is heard.
            simulation.advance(min(max(lengths.between, 100), lengths.equilibration - simulation.done), bar)
        while len(frames) < lengths.frames and not interrupt.requested:
            simulation.advance(lengths.between, bar)
            frames.append(simulation.frame())
            if output is not None and output.append(frames[-1], len(frames) == lengths.frames):
                output.write_restart(simulation.checkpoint())
    if output is not None and interrupt.requested:
        output.write_restart(simulation.checkpoint())
    if not frames:
        remedy = "start it again" if output is None else "resume goes on from there"
        raise KeyboardInterrupt(f"The run was interrupted before its first frame; {remedy}.")
    return _trajectory(frames[: lengths.frames], lengths, simulation)


def _check_settings(state_point: StatePoint, sampler: Sampler, replicas: int, skin: float) -> None:
    if replicas < 1:
        raise SimulationError(f"A run needs at least one replica, not {replicas}.")
    if not skin > 0:
        raise SimulationError(
            f"The skin of the neighbour list must be positive, but is {skin} Å; 0.5 Å suits most cases."
        )
    if sampler.ensemble == "NPT" and not state_point.structure.periodic.all():
        raise SimulationError(
            "Constant pressure needs a structure that is periodic in all three directions; set its cell, or choose NVE, "
            "Langevin or NoseHoover."
        )


def _plan(
    lengths: Lengths, potential: Potential, state_point: StatePoint, sampler: Sampler, replicas: int, dtype
) -> Plan:
    structure = state_point.structure
    return Plan(
        sampler=repr(sampler),
        temperature=state_point.temperature,
        pressure=state_point.pressure,
        timestep=sampler.timestep_fs,
        steps_of_equilibration=lengths.equilibration,
        steps_between_frames=lengths.between,
        replicas=replicas,
        number_format=jnp.dtype(dtype).name,
        potential=fingerprint(potential),
        atoms=digest((structure.species, structure.masses, structure.periodic)),
    )


class _Simulation:
    """A running simulation of all replicas."""

    def __init__(self, potential: Potential, state_point: StatePoint, sampler: Sampler):
        self.potential, self.state_point, self.sampler = potential, state_point, sampler
        self.structure = state_point.structure
        self.degrees_of_freedom = sampler.degrees_of_freedom(self.structure.number_of_atoms)
        self.done = 0

    def prepare(self, key, replicas: int, skin: float, neighbour_lists: str, dtype) -> None:
        structure = self.structure
        self.skin = skin
        point, cutoff = self.state_point, self.potential.cutoff
        self.dynamics = Dynamics(self.sampler, point.temperature, point.pressure, cutoff, skin)
        reach = self.potential.cutoff + skin
        self._builder: ListBuilder = list_builder(neighbour_lists, structure.periodic, structure.cell, reach)
        positions = jnp.tile(jnp.asarray(structure.positions, dtype), (replicas, 1, 1))
        cells = jnp.tile(jnp.asarray(structure.cell, dtype), (replicas, 1, 1))
        lists = self._builder.build(positions, cells)
        self.context = Context(self.potential, jnp.asarray(structure.species, jnp.int32), lists)
        self._packed_width = 0
        if self.potential.many_body:
            self._pack(int(self.dynamics.most_neighbours(positions, self.context)) + PACKING_MARGIN)
        momenta = None
        if structure.velocities is not None:
            momenta = jnp.asarray(structure.velocities * structure.masses[:, None], dtype)
            momenta = jnp.tile(momenta, (replicas, 1, 1))
        masses = jnp.asarray(structure.masses, dtype)
        keys = jax.random.split(key, replicas)
        self.state = self.dynamics.initialize(keys, positions, masses, momenta, self.context)

    def checkpoint(self) -> dict[str, Any]:
        """All that the following steps depend on; the lists too, since their order decides how sums are rounded."""
        lists = self.context.neighbours
        return {
            "state": self.state,
            "done": np.asarray(self.done, np.int64),
            "list_origin": lists.origin,
            "list_cell": lists.cell,
            "list_memory": self._builder.memory(),
            "packed_width": np.asarray(self._packed_width, np.int64),
        }

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Goes back to a :meth:`checkpoint`."""
        self.state, self.done = checkpoint["state"], int(checkpoint["done"])
        self._builder.recall(checkpoint["list_memory"])
        self._packed_width = int(checkpoint["packed_width"])
        self._build_lists(checkpoint["list_origin"], checkpoint["list_cell"])

    def renew_lists(self) -> None:
        """New neighbour lists at the present positions."""
        self._build_lists(self.state.position, self.dynamics.cells(self.state, self.context))

    def _build_lists(self, positions, cells) -> None:
        lists = self._builder.build(positions, cells).with_packed_width(self._packed_width)
        self.context = self.context._replace(neighbours=lists)

    def _pack(self, width: int) -> None:
        """Makes room for so many neighbours within the cutoff in the graphs that the potential sees."""
        self._packed_width = width
        self.context = self.context._replace(neighbours=self.context.neighbours.with_packed_width(width))

    def advance(self, steps: int, bar) -> None:
        """Time steps with new lists as needed."""
        remaining = steps
        fresh = False
        while remaining > 0:
            progress = self.dynamics.advance(self.state, self.context, remaining)
            done, finite = int(progress.steps), bool(progress.finite)
            self.state = progress.state
            self.done += done
            remaining -= done
            bar.advance(done)
            if remaining > 0 and bool(progress.crowded):
                self._pack(self._packed_width + PACKING_MARGIN)
            elif remaining > 0:
                if fresh or not finite:
                    check_step(finite, done, float(progress.jump), self.skin, self.time)
                self.renew_lists()
                fresh = True

    @property
    def time(self) -> float:
        """In fs since the start."""
        return self.done * self.sampler.timestep_fs

    def frame(self) -> dict[str, np.ndarray]:
        """The present frame of all replicas, checked."""
        state = self.state
        prediction = self.dynamics.record(state, self.context)
        cells = np.asarray(self.dynamics.cells(state, self.context), np.float64)
        velocities = np.asarray(state.momentum / state.mass)
        energy = np.asarray(prediction.energy[:, 0])
        periodic = self.structure.periodic.all()
        volumes = np.abs(np.linalg.det(cells)) if periodic else np.full(len(cells), np.inf)
        kinetic = 0.5 * np.sum(velocities.astype(np.float64) ** 2 * self.structure.masses[:, None], axis=(1, 2))
        temperature = 2 * kinetic / (self.degrees_of_freedom * BOLTZMANN)
        check_frame(energy, temperature, self.state_point.temperature, self.time)
        return {
            "positions": np.asarray(state.position),
            "velocities": velocities,
            "cells": cells,
            "potential_energies": energy,
            "stresses": np.asarray(prediction.strain_derivative[:, 0]) / volumes[:, None, None],
        }


def _trajectory(frames, lengths: Lengths, simulation: _Simulation) -> Trajectory:
    structure, point, sampler = simulation.structure, simulation.state_point, simulation.sampler
    arrays = {name: np.stack([frame[name] for frame in frames], axis=1) for name in PER_FRAME}
    return Trajectory(
        times=np.arange(1, len(frames) + 1) * lengths.between * sampler.timestep_fs,
        species=structure.species,
        masses=structure.masses,
        periodic=structure.periodic,
        degrees_of_freedom=simulation.degrees_of_freedom,
        ensemble=sampler.ensemble,
        temperature=point.temperature,
        pressure=point.pressure,
        timestep=sampler.timestep_fs,
        **arrays,
    )
