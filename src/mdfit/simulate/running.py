"""Running a simulation: equilibration, production, frames, health."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import jax
import numpy as np

from mdfit.errors import SimulationError
from mdfit.potentials import Potential, known_spread
from mdfit.progress import progress_bar, stop_on_interrupt
from mdfit.simulate.each_member import EachMember
from mdfit.simulate.engine import Engine, Frame, Simulation
from mdfit.simulate.jax_md.engine import JaxMD
from mdfit.simulate.lengths import Lengths
from mdfit.simulate.output import Resume, checked_path, open_output
from mdfit.simulate.restart import Output, Plan, writing
from mdfit.simulate.samplers import Sampler, without_drift
from mdfit.simulate.spread_watch import SpreadWatch, WhenUnsure
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import Recording, Trajectory
from mdfit.storage import digest
from mdfit.storage import fingerprint as storage_fingerprint
from mdfit.structure import Structure


@overload
def run(
    system: Any,
    at: StatePoint,
    sampler: Sampler,
    *,
    duration: str | float,
    every: str | float,
    key: jax.Array,
    equilibrate: str | float = 0.0,
    replicas: int = 1,
    starts: Sequence[Structure] | None = None,
    engine: Engine | None = None,
    out: str | Path | None = None,
    resume: Resume = "auto",
    when_unsure: WhenUnsure = "warn",
    show_progress: bool = False,
) -> Trajectory: ...


@overload
def run(
    system: Any,
    at: Sequence[StatePoint],
    sampler: Sampler,
    *,
    duration: str | float,
    every: str | float,
    key: jax.Array,
    equilibrate: str | float = 0.0,
    replicas: int = 1,
    starts: Sequence[Structure] | None = None,
    engine: Engine | None = None,
    out: str | Path | None = None,
    resume: Resume = "auto",
    when_unsure: WhenUnsure = "warn",
    show_progress: bool = False,
) -> list[Trajectory]: ...


def run(
    system: Any,
    at: StatePoint | Sequence[StatePoint],
    sampler: Sampler,
    *,
    duration: str | float,
    every: str | float,
    key: jax.Array,
    equilibrate: str | float = 0.0,
    replicas: int = 1,
    starts: Sequence[Structure] | None = None,
    engine: Engine | None = None,
    out: str | Path | None = None,
    resume: Resume = "auto",
    when_unsure: WhenUnsure = "warn",
    show_progress: bool = False,
) -> Trajectory | list[Trajectory]:
    """Simulates a state point, or several of the same atoms side by side.

    Args:
        system: what makes the forces: a potential, :class:`~mdfit.simulate.EachMember` of a set, or a system of the
            engine's program.
        at: structure, temperature and pressure; or a list of them with the same species, masses, periodic directions and
            frozen atoms, each with its own temperature, pressure, cell and starting positions.
        sampler: ensemble and equations of motion.
        duration: of the production, in fs or with a unit.
        every: between saved frames.
        key: random key: initial velocities (unless the structure has some) and noise.  The centre of mass starts at rest
            wherever the dynamics would keep its velocity.
        equilibrate: dropped at the start.
        replicas: independent copies of each state point with their own velocities, simulated side by side; those of the
            structure count for a single one only.
        starts: where each replica starts, frames of a reference for instance, those of the first state point first; by
            default all do at the structure of their state point, which still tells masses and periodicity.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.
        out: a ``.h5`` (H5MD) or ``.xyz``/``.extxyz`` file, written as the run goes (extxyz for one replica).
        resume: ``"auto"`` goes on where the run that wrote ``out`` stopped, and returns its frames when it is whole;
            True: there must be one; False: there must be none.
        when_unsure: what is done at frames where forces, energy or virial of an uncertain potential spread more than on the
            data that it was validated on (``potential.known_spread``): ``"warn"`` or ``"stop"``.
        show_progress: a progress bar with the time left.

    Ctrl-C (or SIGTERM) ends the run after the present interval.  A run goes on only as it was begun: the same system,
    atoms, start, random key, sampler, engine and version of mdfit, for the same or a longer duration.

    Returns:
        The whole trajectory, never a part of it; a list with one for each state point when ``at`` is a list.

    Raises:
        SimulationInterrupted: after Ctrl-C; with ``out`` a restart file has been written.
        ExplosionError: when the dynamics explodes; frames up to there are in ``out``.
        ExtrapolationError: for ``"stop"``; frames up to there are in ``out``.
        SimulationError: for settings that make no sense, or state points of different atoms.
        CheckpointError: when ``out`` cannot be resumed, for instance because it was written with other settings or
            another potential.
        UnknownSpeciesError: when the potential does not know an element of the structure.
        PotentialError, StructureError: when the structure does not fit the topology of bonded terms, or a bond is broken.
        OutputError: when ``out`` cannot be written, exists and is not to be resumed, or is being written by another
            process.
    """
    engine = JaxMD() if engine is None else engine
    points = [at] if isinstance(at, StatePoint) else list(at)
    lengths = Lengths.of(duration, every, equilibrate, sampler.timestep_fs)
    places = _starts(points, starts, replicas, sampler)
    simulation = engine.simulation(system, points, sampler, places)
    watch = SpreadWatch(known_spread(system) if isinstance(system, Potential) else None, when_unsure)
    depends_on = tuple(system.reads.conditions) if isinstance(system, (Potential, EachMember)) else ()
    recording = Recording(
        simulation.particles,
        tuple(point.conditions(sampler.ensemble, depends_on) for point in points),
        sampler.timestep_fs,
        lengths.between * sampler.timestep_fs,
    )
    path = None if out is None else checked_path(out)
    plan = _plan(engine, system, lengths, sampler, recording, points, starts, key, replicas)
    with contextlib.nullcontext() if path is None else writing(path):
        output, resumed = open_output(path, resume, recording, plan)
        frames: list[Frame] = []
        if output is not None and resumed:
            frames = output.frames()
            simulation.restore(output.arrays(), output.path)
            output.check_steps(simulation.done)
        else:
            simulation.begin(key)
            if output is not None:
                # From here on the run can be resumed, however long its equilibration takes.
                output.write_restart(simulation.checkpoint())
        _advance(simulation, recording, lengths, frames, output, watch, show_progress)
        watch.end(len(frames) * len(places))
    trajectories = recording.trajectories(frames[: lengths.frames])
    return trajectories[0] if isinstance(at, StatePoint) else trajectories


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
    recording: Recording,
    lengths: Lengths,
    frames: list[Frame],
    output: Output | None,
    watch: SpreadWatch,
    show_progress: bool,
) -> None:
    """Simulates until there are enough ``frames``.

    Raises:
        SimulationInterrupted: after Ctrl-C.
    """
    total = lengths.equilibration + lengths.frames * lengths.between
    with progress_bar("Simulating", total, simulation.done, show_progress) as bar, stop_on_interrupt() as interrupt:
        try:
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
                watch.look(frame, len(frames) * recording.interval)
        except SimulationError:
            if output is not None:
                output.flush()
            raise
    if len(frames) < lengths.frames:
        if output is not None:
            output.write_restart(simulation.checkpoint())
        where = f"after frame {len(frames)} of {lengths.frames}" if frames else "before its first frame"
        remedy = "start it again" if output is None else "resume goes on from there"
        raise SimulationInterrupted(
            f"The run was interrupted {where}; {remedy}.", recording.trajectories(frames) if frames else []
        )


def _starts(
    points: Sequence[StatePoint], starts: Sequence[Structure] | None, replicas: int, sampler: Sampler
) -> list[Structure]:
    """Where every replica starts; velocities only those of the state points, without that of the centre of mass."""
    if replicas < 1:
        raise SimulationError(f"A run needs at least one replica, not {replicas}.")
    if starts is None:
        structures = [without_drift(point.structure, sampler) for point in points]
        # Replicas with the same velocities would be copies, where the dynamics has no noise.
        own = structures if replicas == 1 else [structure.replace(velocities=None) for structure in structures]
        return [structure for structure in own for _ in range(replicas)]
    if len(starts) != replicas * len(points):
        raise SimulationError(
            f"{len(starts)} starts are given for {replicas * len(points)} replicas: give one for each."
        )
    for replica, start in enumerate(starts):
        if not np.array_equal(start.species, points[0].structure.species):
            raise SimulationError(
                f"The start of replica {replica} has other atoms than the structure of the state point: give frames of the "
                "same atoms in the same order."
            )
    return [start.replace(velocities=None) for start in starts]


def _plan(
    engine: Engine,
    system: Any,
    lengths: Lengths,
    sampler: Sampler,
    recording: Recording,
    points: Sequence[StatePoint],
    starts: Sequence[Structure] | None,
    key: jax.Array,
    replicas: int,
) -> Plan:
    structures = [point.structure for point in points]
    begin = [(one.positions, one.velocities, one.cell) for one in (*structures, *(starts or ()))]
    particles = recording.particles
    # Nothing when all atoms move, as in restart files of earlier versions.
    frozen = () if particles.frozen is None else (particles.frozen,)
    return Plan(
        sampler=repr(sampler),
        temperature=_of_all([point.temperature for point in points]),
        pressure=_of_all([point.pressure for point in points]),
        timestep=sampler.timestep_fs,
        steps_of_equilibration=lengths.equilibration,
        steps_between_frames=lengths.between,
        replicas=replicas * len(points),
        number_format=engine.number_format,
        potential=engine.fingerprint(system),
        atoms=digest((particles.species, particles.masses, particles.periodic, *frozen)),
        start=digest(begin),
        random=storage_fingerprint(key),
        engine=engine.name,
    )


def _of_all(values: Sequence[float | None]) -> float | str | None:
    """The value of a single state point, or a text with those of all."""
    return values[0] if len(values) == 1 else ", ".join(map(str, values))
