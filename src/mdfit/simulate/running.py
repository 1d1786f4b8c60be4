"""Running a simulation: equilibration, production, frames, health."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
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
from mdfit.simulate.output import Output, Resume, checked_path, open_output
from mdfit.simulate.restart import Plan, writing
from mdfit.simulate.samplers import Sampler
from mdfit.simulate.simulation import Lengths, Simulation
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import Trajectory
from mdfit.storage import digest
from mdfit.storage import fingerprint as storage_fingerprint
from mdfit.structure import Structure
from mdfit.units import quantity


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
    starts: Sequence[Structure] | None = None,
    skin: str | float = "0.5 Å",
    neighbour_lists: str = "auto",
    dtype: Any = jnp.float32,
    out: str | Path | None = None,
    resume: Resume = False,
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
        starts: where each replica starts, frames of a reference for instance; by default all do at the structure of the
            state point, which still tells masses and periodicity.
        skin: of the neighbour list in Å.
        neighbour_lists: ``"auto"``, ``"host"`` or ``"device"``.
        dtype: of positions and forces.
        out: a ``.h5`` (H5MD) or ``.xyz``/``.extxyz`` file, written as the run goes (extxyz for one replica).
        resume: go on where the run that wrote ``out`` stopped; ``"auto"``: if there is one, else begin.
        show_progress: a progress bar with the time left.

    Ctrl-C (or SIGTERM) ends the run after the present interval.  A run goes on only as it was begun: the same potential,
    atoms, start, random key, sampler and version of mdfit, for the same or a longer duration.

    Returns:
        The whole trajectory, never a part of it.

    Raises:
        SimulationInterrupted: after Ctrl-C; with ``out`` a restart file has been written.
        SimulationError: when the dynamics explodes; frames up to there are in ``out``.  For settings that make no sense.
        CheckpointError: when ``out`` cannot be resumed, for instance because it was written with other settings or
            another potential.
        UnknownSpeciesError: when the potential does not know an element of the structure.
        PotentialError, StructureError: when the structure does not fit the topology of bonded terms, or a bond is broken.
        OutputError: when ``out`` cannot be written, exists and is not to be resumed, or is being written by another
            process.
    """
    return run_together(
        potential,
        [state_point],
        sampler,
        duration=duration,
        every=every,
        key=key,
        equilibrate=equilibrate,
        replicas=replicas,
        starts=starts,
        skin=skin,
        neighbour_lists=neighbour_lists,
        dtype=dtype,
        out=out,
        resume=resume,
        show_progress=show_progress,
    )[0]


def run_together(
    potential: Potential,
    state_points: Sequence[StatePoint],
    sampler: Sampler,
    *,
    duration: str | float,
    every: str | float,
    key: jax.Array,
    equilibrate: str | float = 0.0,
    replicas: int = 1,
    starts: Sequence[Structure] | None = None,
    skin: str | float = "0.5 Å",
    neighbour_lists: str = "auto",
    dtype: Any = jnp.float32,
    out: str | Path | None = None,
    resume: Resume = False,
    show_progress: bool = False,
) -> list[Trajectory]:
    """Simulates several state points of the same atoms side by side, in one compiled program.

    Each has its own temperature, pressure, cell and starting positions.

    Args:
        potential: as for :func:`run`, like all that is not named here.
        state_points: with the same species, masses, periodic directions and frozen atoms.
        sampler: of all.
        duration: of each.
        every: between saved frames.
        key: random key of all.
        equilibrate: dropped at the start of each.
        replicas: of each state point.
        starts: those of the replicas of the first state point, then of the next ones.
        skin: of the neighbour lists in Å.
        neighbour_lists: ``"auto"``, ``"host"`` or ``"device"``.
        dtype: of positions and forces.
        out: a file for all: the replicas of the first state point come first.
        resume: see :func:`run`.
        show_progress: a progress bar with the time left.

    Returns:
        A trajectory for each state point.

    Raises:
        SimulationError: for state points of different atoms, and as :func:`run`.
        SimulationInterrupted, CheckpointError, UnknownSpeciesError, PotentialError, StructureError, OutputError: as
            :func:`run`.
    """
    for point in state_points:
        potential.check_structure(point.structure)
    lengths = Lengths.of(duration, every, equilibrate, sampler.timestep_fs)
    thickness = quantity(skin, "Å", "skin")
    simulation = Simulation(cast(potential, dtype) if dtype == jnp.float64 else potential, state_points, sampler)
    _check_settings(state_points, sampler, replicas, thickness)
    path = None if out is None else checked_path(out)
    plan = _plan(lengths, potential, state_points, sampler, replicas, dtype, key, starts)
    with contextlib.nullcontext() if path is None else writing(path):
        output, resumed = open_output(path, resume, state_points[0], plan)
        simulation.prepare(key, replicas, thickness, neighbour_lists, dtype)
        if starts is not None:
            positions, cells = _starts(potential, simulation.structure, starts, replicas * len(state_points))
            simulation.restart(simulation.potential, positions, None, cells, key)
        frames: list[dict[str, np.ndarray]] = []
        if output is not None and resumed:
            frames = output.frames()
            simulation.restore(output.restart(simulation.checkpoint()))
        elif output is not None:
            # From here on the run can be resumed, however long its equilibration takes.
            output.write_restart(simulation.checkpoint())
        _advance(simulation, lengths, frames, output, show_progress)
    return simulation.trajectories(frames[: lengths.frames], lengths)


class SimulationInterrupted(KeyboardInterrupt):
    """A simulation was stopped by Ctrl-C or SIGTERM.

    Attributes:
        trajectories: up to there, one for each state point; none before the first frame.
    """

    def __init__(self, message: str, trajectories: list[Trajectory]):
        super().__init__(message)
        self.trajectories = trajectories

    @property
    def trajectory(self) -> Trajectory | None:
        """That of the first state point."""
        return self.trajectories[0] if self.trajectories else None


def _advance(
    simulation: Simulation,
    lengths: Lengths,
    frames: list[dict[str, np.ndarray]],
    output: Output | None,
    show_progress: bool,
) -> None:
    """Simulates until there are enough ``frames``.

    Raises:
        SimulationInterrupted: after Ctrl-C.
    """
    total = lengths.equilibration + lengths.frames * lengths.between
    with progress_bar("Simulating", total, simulation.done, show_progress) as bar, stop_on_interrupt() as interrupt:
        while simulation.done < lengths.equilibration and not interrupt.requested:
            # In pieces, so that Ctrl-C is heard.
            simulation.advance(min(max(lengths.between, 100), lengths.equilibration - simulation.done), bar)
            if output is not None and output.restart_due():
                output.write_restart(simulation.checkpoint())
        while len(frames) < lengths.frames and not interrupt.requested:
            simulation.advance(lengths.between, bar)
            frame = simulation.frame()
            frames.append(frame if output is None else output.as_kept(frame))
            if output is not None and output.append(frames[-1], len(frames) == lengths.frames):
                output.write_restart(simulation.checkpoint())
    if len(frames) < lengths.frames:
        if output is not None:
            output.write_restart(simulation.checkpoint())
        where = f"after frame {len(frames)} of {lengths.frames}" if frames else "before its first frame"
        remedy = "start it again" if output is None else "resume goes on from there"
        raise SimulationInterrupted(
            f"The run was interrupted {where}; {remedy}.", simulation.trajectories(frames, lengths) if frames else []
        )


def _check_settings(state_points: Sequence[StatePoint], sampler: Sampler, replicas: int, skin: float) -> None:
    if replicas < 1:
        raise SimulationError(f"A run needs at least one replica, not {replicas}.")
    if not skin > 0:
        raise SimulationError(
            f"The skin of the neighbour list must be positive, but is {skin} Å; 0.5 Å suits most cases."
        )
    if sampler.ensemble == "NPT" and any(point.pressure is None for point in state_points[1:]):
        raise SimulationError('Constant pressure needs a pressure of every state point, for instance pressure="1 bar".')
    if sampler.ensemble == "NPT" and not state_points[0].structure.periodic.all():
        raise SimulationError(
            "Constant pressure needs a structure that is periodic in all three directions; set its cell, or choose NVE, "
            "Langevin or NoseHoover."
        )


def _starts(
    potential: Potential, structure: Structure, starts: Sequence[Structure], replicas: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cells of the replicas at the start."""
    if len(starts) != replicas:
        raise SimulationError(f"{len(starts)} starts are given for {replicas} replicas: give one for each.")
    for replica, start in enumerate(starts):
        if not np.array_equal(start.species, structure.species):
            raise SimulationError(
                f"The start of replica {replica} has other atoms than the structure of the state point: give frames of the "
                "same atoms in the same order."
            )
        potential.check_structure(start)
    return np.stack([start.positions for start in starts]), np.stack([start.cell for start in starts])


def _plan(
    lengths: Lengths,
    potential: Potential,
    state_points: Sequence[StatePoint],
    sampler: Sampler,
    replicas: int,
    dtype,
    key: jax.Array,
    starts: Sequence[Structure] | None,
) -> Plan:
    structures = [point.structure for point in state_points]
    begin = [(one.positions, one.velocities, one.cell) for one in (*structures, *(starts or ()))]
    structure = structures[0]
    return Plan(
        sampler=repr(sampler),
        temperature=_of_all([point.temperature for point in state_points]),
        pressure=_of_all([point.pressure for point in state_points]),
        timestep=sampler.timestep_fs,
        steps_of_equilibration=lengths.equilibration,
        steps_between_frames=lengths.between,
        replicas=replicas * len(state_points),
        number_format=jnp.dtype(dtype).name,
        potential=fingerprint(potential),
        atoms=digest((structure.species, structure.masses, structure.periodic, *_frozen(structure))),
        start=digest(begin),
        random=storage_fingerprint(key),
    )


def _of_all(values: Sequence[float | None]) -> float | str | None:
    """The value of a single state point, or a text with those of all."""
    return values[0] if len(values) == 1 else ", ".join(map(str, values))


def _frozen(structure: Structure) -> tuple[np.ndarray, ...]:
    """Nothing when all atoms move, as in restart files of earlier versions."""
    return () if structure.frozen is None else (structure.frozen,)
