"""An observable at every frame of a trajectory."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.collective_variables import CollectiveVariable
from mdfit.observables.derivatives import stiffness_of_frames, temperature_derivatives_of_frames
from mdfit.observables.snapshot import Snapshot
from mdfit.potentials import Potential
from mdfit.simulate import Trajectory
from mdfit.simulate.trajectory import PER_FRAME

#: Pairs of atoms of all the frames that are evaluated at once.
_PAIRS_AT_ONCE = 2**19
#: The arguments of :meth:`Snapshot.at` for the arrays of a trajectory of another name.
_NAMES = {"potential_energies": "potential_energy", "stresses": "stress", "cells": "cell"}


def per_frame(observable: Observable, trajectory: Trajectory, potential: Potential | None = None) -> np.ndarray:
    """``observable.per_snapshot`` at every frame.

    Args:
        observable: a function of single frames.
        trajectory: of one or several replicas.
        potential: that of the simulation, for observables that need derivatives of the energy.

    Returns:
        ``(replicas, frames, *shape)`` in double precision.

    Raises:
        ObservableError: when the observable has no meaning for the trajectory, needs a potential that is not given, or
            a value is not finite.
    """
    _require_places(trajectory)
    observable.check(trajectory)
    replicas, frames = trajectory.replicas, len(trajectory)
    columns = {name: np.asarray(getattr(trajectory, name), np.float64) for name in PER_FRAME}
    named = {_NAMES.get(name, name): column for name, column in columns.items()}
    if observable.needs_stiffness and potential is not None:
        named["stiffness"] = stiffness_of_frames(potential, trajectory)
    depends_on_temperature = "temperature" in trajectory.conditions.energy_depends_on
    if observable.needs_temperature_derivatives and potential is None and depends_on_temperature:
        raise ObservableError(
            f"{observable.name} of a potential that depends on the temperature needs its derivatives, which trajectories "
            "do not hold; give the potential of the simulation as well: estimate(observable, trajectory, "
            "potential=potential)."
        )
    if observable.needs_temperature_derivatives and potential is not None:
        named["temperature_derivatives"] = temperature_derivatives_of_frames(potential, trajectory)
    flat = {name: jnp.asarray(c.reshape(replicas * frames, *c.shape[2:])) for name, c in named.items()}
    template = Snapshot.of(trajectory, 0)
    values = np.asarray(_evaluate(observable, template, flat)).astype(np.float64)
    values = values.reshape(replicas, frames, *values.shape[1:])
    _require_finite(observable, values, trajectory)
    return values


@dataclass(frozen=True)
class _Values(Observable):
    """A collective variable as it is."""

    collective_variable: CollectiveVariable

    @property
    def name(self) -> str:
        return self.collective_variable.name

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        self.collective_variable.check(trajectory, 0.0)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        return self.collective_variable.values(snapshot)


def variable_per_frame(collective_variable: CollectiveVariable, trajectory: Trajectory) -> np.ndarray:
    """The values of a collective variable at every frame, for plots and for statistics of one's own.

    Args:
        collective_variable: such as ``Dihedral(1, 3, 4, 6)``.
        trajectory: of one or several replicas.

    Returns:
        ``(replicas, frames, tuples)`` in the unit of the variable.

    Raises:
        ObservableError: when the trajectory lacks the atoms, or a value is not finite.
    """
    return per_frame(_Values(collective_variable), trajectory)


@functools.partial(jax.jit, static_argnums=0)
def _evaluate(observable: Observable, template: Snapshot, columns: dict[str, Array]) -> Array:
    together = max(1, _PAIRS_AT_ONCE // template.number_of_atoms**2)
    return jax.lax.map(lambda frame: observable.per_snapshot(template.at(**frame)), columns, batch_size=together)


def _require_places(trajectory: Trajectory) -> None:
    """A histogram would not show that there are none."""
    for name in ("positions", "cells"):
        array = getattr(trajectory, name)
        finite = np.isfinite(array).reshape(*array.shape[:2], -1).all(axis=-1)
        if not finite.all():
            replica, frame = np.argwhere(~finite)[0]
            raise ObservableError(
                f"The {name} of frame {frame} of replica {replica} are not finite; look at the frame before this one."
            )


def _require_finite(observable: Observable, values: np.ndarray, trajectory: Trajectory) -> None:
    finite = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=-1)
    if not finite.all():
        replica, frame = np.argwhere(~finite)[0]
        raise ObservableError(
            f"{observable.name} is not finite at {trajectory.times[frame]:g} fs of replica {replica}: "
            f"{observable.remedy}."
        )
