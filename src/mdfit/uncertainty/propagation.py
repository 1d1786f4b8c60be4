"""From a set of potentials to observables with both error bars."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import jax

from mdfit.errors import ObservableError
from mdfit.observables import Observable, TrajectoryObservable
from mdfit.potentials import Potential, PotentialSet
from mdfit.simulate import Trajectory
from mdfit.uncertainty.member_reweighting import MemberWeights, estimate_reweighted, member_weights
from mdfit.uncertainty.member_simulations import (
    MemberSimulations,
    SimulationPlan,
    estimate_simulated,
    simulate_members,
)
from mdfit.uncertainty.uncertain_estimate import UncertainEstimate

log = logging.getLogger(__name__)

#: ``auto`` reweights where that is sound, and simulates where it is not.
Way = Literal["auto", "simulate", "reweight", "first order"]


@dataclass(frozen=True, eq=False)
class Propagated:
    """Observables of a set of potentials, and what they were found from.

    Attributes:
        estimates: in the order of the observables.
        reweighted: the frames of one trajectory under each member; None where there was none.
        simulations: of each member; None where none were needed.

    Example:
        >>> from mdfit.uncertainty import Propagated
        >>> Propagated((), None, None).estimates
        ()
    """

    estimates: tuple[UncertainEstimate, ...]
    reweighted: MemberWeights | None
    simulations: MemberSimulations | None


def estimate(
    observables: Observable | TrajectoryObservable | Sequence[Observable | TrajectoryObservable],
    potentials: PotentialSet,
    plan: SimulationPlan,
    key: jax.Array,
    *,
    way: Way = "auto",
    made_by: Potential | None = None,
    trajectory: Trajectory | None = None,
    side_by_side: bool = False,
    executor: Executor | None = None,
    out: str | Path | None = None,
    show_progress: bool = False,
) -> Propagated:
    """Values of observables with the statistical error of the simulation and the error of the potential, apart.

    ``"reweight"`` takes one trajectory to all members; it costs little, but members must say nearly the same of its
    frames.  ``"simulate"`` runs the plan with each member.  ``"auto"`` reweights first, and simulates, and says so, where
    the weights cannot be trusted or an observable needs the order of frames.  ``"first order"`` expands the weights.

    Args:
        observables: one, or several of the same simulation.
        potentials: an ensemble, or samples of a posterior.
        plan: of the simulation.
        key: random key.
        way: see above.
        made_by: drives the one trajectory; by default the mean of the set, each step of which costs as much as one of every
            member.  A single member costs that part of it.
        trajectory: one that is there already, instead; of ``made_by``, or with its potential energies.
        side_by_side: see :func:`simulate_members`.
        executor: see there.
        out: directory of the trajectories, where the same call goes on.
        show_progress: bars with the time left.

    Raises:
        ObservableError: an observable has no meaning for the trajectory, or fewer than two simulations held.
        ReweightingError: for ``"reweight"`` and ``"first order"``, an observable that needs the order of the frames.
        ExplosionError: the one trajectory explodes.
        SimulationError, CheckpointError, OutputError, KeyboardInterrupt: see :func:`mdfit.simulate.run`.
    """
    wanted = [observables] if isinstance(observables, (Observable, TrajectoryObservable)) else list(observables)
    if not isinstance(potentials, PotentialSet):
        raise ObservableError(
            f"{type(potentials).__name__} is no set of potentials; give a PotentialSet, of a last layer its draws "
            "(.sample(8)), of a shallow ensemble its members (.as_set())."
        )
    if way not in get_args(Way):
        raise ObservableError(f"way is one of {', '.join(map(repr, get_args(Way)))}, not {way!r}.")
    ordered = [one.name for one in wanted if isinstance(one, TrajectoryObservable)]
    if way == "simulate" or (way == "auto" and ordered):
        if ordered and way == "auto":
            log.info("%s needs the order of frames: each member is simulated.", ordered[0])
        return _simulated(
            wanted, simulate_members(potentials, plan, key, out, show_progress, side_by_side, executor), potentials
        )
    if trajectory is None:
        path = None if out is None else Path(out) / "mean.h5"
        driver = potentials if made_by is None else made_by
        trajectory = plan.run(driver, key, path, show_progress)
        # The engine has written the energies of its own potential.
        made_by = None
    frames = member_weights(potentials, trajectory, made_by)
    if way == "auto" and not frames.sound:
        log.warning(
            "Reweighting is not sound (%s): each member is simulated.",
            "; ".join(f"member {member}: {text}" for member, text in frames.problems.items()),
        )
        simulations = simulate_members(potentials, plan, key, out, show_progress, side_by_side, executor)
        return replace(_simulated(wanted, simulations, potentials), reweighted=frames)
    return Propagated(tuple(estimate_reweighted(wanted, frames, way == "first order")), frames, None)


def _simulated(
    observables: list[Observable | TrajectoryObservable], simulations: MemberSimulations, potentials: PotentialSet
) -> Propagated:
    return Propagated(tuple(estimate_simulated(observables, simulations, potentials)), None, simulations)
