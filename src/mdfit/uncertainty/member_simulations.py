"""A simulation of each member of a set of potentials."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import ExplosionError, NeighborListError
from mdfit.farm import run_tasks
from mdfit.observables import Observable, TrajectoryObservable, estimate
from mdfit.potentials import Potential, PotentialSet
from mdfit.progress import progress_bar
from mdfit.simulate import EachMember, Engine, Sampler, StatePoint, Trajectory, run
from mdfit.simulate.trajectory import per_frame_arrays
from mdfit.uncertainty.uncertain_estimate import UncertainEstimate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SimulationPlan:
    """How observables are simulated, whatever the potential; see :func:`mdfit.simulate.run`.

    Attributes:
        at: structure, temperature, pressure.
        sampler: ensemble and equations of motion.
        duration: of the production, in fs or with a unit.
        every: between frames.
        equilibrate: dropped at the start.
        replicas: side by side.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.

    Example:
        >>> from mdfit import StatePoint, Structure, key
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.simulate import Langevin
        >>> from mdfit.uncertainty import SimulationPlan
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0), "100 K")
        >>> plan = SimulationPlan(at, Langevin("1 fs"), duration="4 fs", every="2 fs")
        >>> len(plan.run(LennardJones(), key(0)))
        2
    """

    at: StatePoint
    sampler: Sampler
    duration: str | float
    every: str | float
    equilibrate: str | float = 0.0
    replicas: int = 1
    engine: Engine | None = None

    def run(
        self,
        potential: Potential | EachMember,
        key: jax.Array,
        out: str | Path | None = None,
        show_progress: bool = False,
    ) -> Trajectory:
        """Simulates a potential; with ``out`` it goes on where it was stopped.

        Raises:
            ExplosionError, SimulationError, CheckpointError, OutputError, KeyboardInterrupt: see
                :func:`mdfit.simulate.run`.
        """
        return run(
            potential,
            self.at,
            self.sampler,
            duration=self.duration,
            every=self.every,
            equilibrate=self.equilibrate,
            replicas=self.replicas,
            engine=self.engine,
            key=key,
            out=out,
            show_progress=show_progress,
        )


@dataclass(frozen=True)
class MemberSimulations:
    """Trajectories of the members of a set.

    Attributes:
        trajectories: by member; of those whose simulations held.
        exploded: why the others did not, by member.
        weights: ``(members,)`` of all.

    Example:
        >>> from mdfit import StatePoint, Structure, key
        >>> from mdfit.potentials import LennardJones, PotentialSet
        >>> from mdfit.simulate import Langevin
        >>> from mdfit.uncertainty import SimulationPlan, simulate_members
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0), "100 K")
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> members = simulate_members(both, SimulationPlan(at, Langevin("1 fs"), "4 fs", "2 fs"), key(0))
        >>> sorted(members.trajectories), members.exploded
        ([0, 1], {})
    """

    trajectories: dict[int, Trajectory]
    exploded: dict[int, str] = field(default_factory=dict)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))


def simulate_members(
    potentials: PotentialSet,
    plan: SimulationPlan,
    key: jax.Array,
    out: str | Path | None = None,
    show_progress: bool = False,
    side_by_side: bool = False,
    executor: Executor | None = None,
) -> MemberSimulations:
    """Simulates each member with noise of its own; one that explodes is counted, and does not keep the others from running.

    Args:
        potentials: the set.
        plan: of every simulation.
        key: random key.
        out: directory of the trajectories, ``member_0.h5`` and so on, where the same call goes on.
        show_progress: one bar for all.
        side_by_side: all members in one compiled program, which pays where a single one leaves the device idle; when one of
            them explodes, they are simulated one by one.
        executor: workers that simulate several members at a time, such as :func:`mdfit.farm.local_executor`.

    Raises:
        KeyboardInterrupt: after Ctrl-C; with ``out`` the same call goes on.
        SimulationError, CheckpointError, OutputError: see :func:`mdfit.simulate.run`; not for dynamics that explodes.
        TasksFailed: in their place with ``executor``, after the others are done.
    """
    if side_by_side:
        together = _side_by_side(potentials, plan, key, out, show_progress)
        if together is not None:
            return together
    tasks: dict[str, dict[str, Any]] = {
        f"member {member}": {
            "plan": plan,
            "potential": potential,
            "key": np.asarray(jax.random.key_data(jax.random.fold_in(key, member))),
            # Workers may have another working directory.
            "out": None if out is None else Path(out).absolute() / f"member_{member}.h5",
        }
        for member, potential in enumerate(potentials)
    }
    title = "Simulating members"
    if executor is not None:
        found = run_tasks(_simulated, tasks, executor, title=title, show_progress=show_progress)
    else:
        found = {}
        with progress_bar(title, len(tasks), show=show_progress) as bar:
            for name, settings in tasks.items():
                found[name] = _simulated(**settings)
                bar.advance()
    exploded = {member: one for member, one in enumerate(found.values()) if isinstance(one, str)}
    for member, why in exploded.items():
        log.warning("Member %d of %d exploded: %s", member, len(potentials), why)
    trajectories = {member: one for member, one in enumerate(found.values()) if not isinstance(one, str)}
    return MemberSimulations(trajectories, exploded, np.asarray(potentials.weights.value))


def _simulated(plan: SimulationPlan, potential: Potential, key: np.ndarray, out: Path | None) -> Trajectory | str:
    """One member, or why it exploded."""
    try:
        return plan.run(potential, jax.random.wrap_key_data(jnp.asarray(key)), out)
    except (ExplosionError, NeighborListError) as error:
        return str(error)


def _side_by_side(
    potentials: PotentialSet, plan: SimulationPlan, key: jax.Array, out: str | Path | None, show_progress: bool
) -> MemberSimulations | None:
    """All members together; None when one of them explodes."""
    everyone = replace(plan, replicas=plan.replicas * len(potentials))
    path = None if out is None else Path(out) / "members.h5"
    try:
        found = everyone.run(EachMember(potentials), key, path, show_progress)
    except (ExplosionError, NeighborListError) as error:
        log.warning("One of the members explodes (%s): they are simulated one by one.", error)
        return None
    own = {member: _replicas(found, plan.replicas * member, plan.replicas) for member in range(len(potentials))}
    return MemberSimulations(own, {}, np.asarray(potentials.weights.value))


def _replicas(trajectory: Trajectory, first: int, number: int) -> Trajectory:
    arrays: dict[str, Any] = {n: a[first : first + number] for n, a in per_frame_arrays(trajectory).items()}
    return replace(trajectory, **arrays)


def estimate_simulated(
    observables: Sequence[Observable | TrajectoryObservable],
    simulations: MemberSimulations,
    potentials: PotentialSet | None = None,
    discard: int | str = 0,
) -> list[UncertainEstimate]:
    """Observables over the simulations of the members of a set.

    Args:
        observables: of :mod:`mdfit.observables`.
        simulations: of :func:`simulate_members`.
        potentials: the set, for observables that need derivatives of the energy.
        discard: see :func:`mdfit.observables.estimate`.

    Raises:
        ObservableError: when fewer than two simulations held, or as :func:`mdfit.observables.estimate`.
    """
    members = sorted(simulations.trajectories)
    found = []
    for observable in observables:
        single = [
            estimate(
                observable,
                simulations.trajectories[member],
                discard,
                potential=None if potentials is None else potentials[member],
            )
            for member in members
        ]
        warned = {member: one.warnings[0] for member, one in zip(members, single, strict=True) if one.warnings}
        found.append(
            UncertainEstimate.of(
                observable.name,
                np.array([one.value for one in single]),
                np.array([one.standard_error for one in single]),
                independent=True,
                weights=simulations.weights[members] if len(simulations.weights) else None,
                unit=observable.unit,
                labels=observable.labels,
                grid=single[0].grid if single else None,
                grid_unit=observable.grid_unit,
                exploded=tuple(sorted(simulations.exploded)),
                warnings=_of_members(warned),
            )
        )
    return found


def _of_members(warned: dict[int, str]) -> tuple[str, ...]:
    """What the first of the members that have a warning says, for all of them."""
    if not warned:
        return ()
    return (f"members {', '.join(map(str, warned))}: {next(iter(warned.values()))}",)
