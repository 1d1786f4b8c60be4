"""Running a reference simulation: relaxation, equilibration, production, frames, health."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mdfit.data import Frames
from mdfit.engines.openmm.output import FramesOutput
from mdfit.engines.openmm.simulation import Settings, Simulation
from mdfit.engines.openmm.system import ReferenceSystem
from mdfit.errors import SimulationError
from mdfit.progress import Bar, progress_bar, stop_on_interrupt
from mdfit.simulate.output import Resume, checked_path, goes_on
from mdfit.simulate.restart import Plan, writing
from mdfit.simulate.simulation import Lengths
from mdfit.simulate.state_point import StatePoint
from mdfit.storage import digest
from mdfit.units import quantity


def run(
    system: ReferenceSystem,
    *,
    temperature: str | float,
    duration: str | float,
    every: str | float,
    out: str | Path,
    seed: int,
    timestep: str | float = "2 fs",
    friction: str | float = "1 /ps",
    equilibrate: str | float = 0.0,
    atoms: Sequence[int] | np.ndarray | None = None,
    resume: Resume = False,
    platform: str | None = None,
    threads: int | None = None,
    dtype: Literal["float32", "float64"] = "float32",
    show_progress: bool = False,
) -> Frames:
    """Simulates at constant volume and temperature, and saves positions, forces, cells and energies.

    Langevin dynamics in the splitting of OpenMM's ``LangevinMiddleIntegrator`` (doi:10.1021/acs.jpca.9b02771), after a
    relaxation of the start.  Positions are never wrapped, so that molecules stay whole.  Forces are those of the
    potential, without the forces of rigid bonds, which are listed as ``constraints``; a
    :class:`~mdfit.data.Mapping` takes care of them.

    Frames of a system with a bias (:meth:`ReferenceSystem.with_bias`) do not tell that it was there: keep its terms.

    A run that was stopped or killed goes on with ``resume=True`` from the last restart file, which is at most two minutes
    or 50 frames old.  On the same machine it takes up the same random numbers: bit by bit on the platform Reference, up to
    the rounding of sums on the others.  Elsewhere it goes on from the same positions and velocities with new ones.

    Args:
        system: what is simulated.
        temperature: in K.
        duration: of the production, in fs or with a unit.
        every: between saved frames.
        out: a ``.h5`` file, in the layout of H5MD.
        seed: of the velocities and of the noise.
        timestep: in fs.
        friction: in 1/ps.
        equilibrate: dropped at the start.
        atoms: which atoms are saved, such as those of the solute; by default all but virtual sites.  A rigid bond must
            not be cut.
        resume: go on where the run that wrote ``out`` stopped; with a longer ``duration``, prolong it.  ``"auto"``: if
            there is one, else begin.
        platform: ``"CPU"``, ``"CUDA"`` ...; by default the fastest, ``"Reference"`` for a few atoms without a cell.
        threads: of the platform CPU; by default OpenMM's choice.
        dtype: of the saved positions and forces.
        show_progress: a progress bar with the time left.

    Ctrl-C (or SIGTERM) ends the run after the present frame; ``resume`` goes on.

    Returns:
        All frames in ``out``, which are those of the whole duration.

    Raises:
        KeyboardInterrupt: after Ctrl-C; a restart file has been written.
        SimulationError: OpenMM is not installed, settings that make no sense, or dynamics that explodes.
        CheckpointError: when ``out`` cannot be resumed, for instance because it was written with other settings.
        DataError: atoms that cannot be chosen.
        OutputError: when ``out`` cannot be written, or exists and is not to be resumed.
    """
    settings = Settings(
        temperature=quantity(temperature, "K", "temperature"),
        timestep=quantity(timestep, "fs", "timestep"),
        friction=quantity(friction, "1/ps", "friction"),
        seed=seed,
        platform=platform,
        threads=threads,
    )
    lengths = Lengths.of(duration, every, equilibrate, settings.timestep)
    chosen = np.arange(len(system.atoms)) if atoms is None else np.asarray(atoms, np.int64)
    simulation = Simulation(system, settings, chosen, np.dtype(dtype))
    path = checked_path(out, (".h5", ".h5md"))
    saved = simulation.template.structure(0)
    plan = _plan(system, settings, lengths, dtype, digest((saved.species, saved.masses, saved.periodic, chosen)))
    output = FramesOutput(path, StatePoint(saved, settings.temperature), plan)
    with writing(path):
        if goes_on(output, resume):
            simulation.restore(output.resume())
        else:
            simulation.start()
            output.write_restart(simulation.checkpoint())
        _advance(simulation, output, lengths, show_progress)
    return Frames.read(path)


def _advance(simulation: Simulation, output: FramesOutput, lengths: Lengths, show_progress: bool) -> None:
    total = lengths.equilibration + lengths.frames * lengths.between
    with progress_bar("Simulating", total, simulation.done, show_progress) as bar, stop_on_interrupt() as interrupt:
        try:
            while simulation.done < lengths.equilibration and not interrupt.requested:
                # In pieces, so that Ctrl-C is heard.
                steps = min(max(lengths.between, 100), lengths.equilibration - simulation.done)
                _steps(simulation, steps, bar)
                if output.restart_due():
                    output.write_restart(simulation.checkpoint())
            while output.count < lengths.frames and not interrupt.requested:
                _steps(simulation, lengths.between, bar)
                if output.append(simulation.frame(), output.count + 1 == lengths.frames):
                    output.write_restart(simulation.checkpoint())
        except SimulationError:
            output.flush()
            raise
    if output.count < lengths.frames:
        output.write_restart(simulation.checkpoint())
        where = f"after frame {output.count} of {lengths.frames}" if output.count else "before its first frame"
        raise KeyboardInterrupt(f"The run was interrupted {where}; resume goes on from there.")


def _steps(simulation: Simulation, steps: int, bar: Bar) -> None:
    began = time.perf_counter()
    simulation.advance(steps)
    nanoseconds = steps * simulation.settings.timestep * 1e-6
    values: dict[str, Any] = {"ns/day": nanoseconds * 86400 / (time.perf_counter() - began)}
    bar.advance(steps, **values)


def _plan(system: ReferenceSystem, settings: Settings, lengths: Lengths, dtype: str, atoms: str) -> Plan:
    return Plan(
        sampler=f"LangevinMiddle({settings.timestep} fs, {settings.friction} /ps, seed {settings.seed})",
        temperature=settings.temperature,
        pressure=None,
        timestep=settings.timestep,
        steps_of_equilibration=lengths.equilibration,
        steps_between_frames=lengths.between,
        replicas=1,
        number_format=dtype,
        potential=system.fingerprint(),
        atoms=atoms,
        start=digest((system.positions, system.structure().cell)),
        random=str(settings.seed),
    )
