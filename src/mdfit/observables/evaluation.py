"""An observable at every frame of a trajectory."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.simulate.trajectory import PER_FRAME

#: Pairs of atoms of all the frames that are evaluated at once.
_PAIRS_AT_ONCE = 2**19


def per_frame(observable: Observable, trajectory: Trajectory) -> np.ndarray:
    """``observable.per_snapshot`` at every frame.

    Returns:
        ``(replicas, frames, *shape)`` in double precision.

    Raises:
        ObservableError: when the observable has no meaning for the trajectory, or a value is not finite.
    """
    observable.check(trajectory)
    replicas, frames = trajectory.replicas, len(trajectory)
    columns = [np.asarray(getattr(trajectory, name), np.float64) for name in PER_FRAME]
    flat = tuple(jnp.asarray(column.reshape(replicas * frames, *column.shape[2:])) for column in columns)
    template = Snapshot.of(trajectory, 0)
    values = np.asarray(_evaluate(observable, template, flat)).astype(np.float64)
    values = values.reshape(replicas, frames, *values.shape[1:])
    _require_finite(observable, values, trajectory)
    return values


@functools.partial(jax.jit, static_argnums=0)
def _evaluate(observable: Observable, template: Snapshot, columns):
    atoms = template.number_of_atoms

    def one(frame):
        positions, velocities, cell, energy, stress = frame
        snapshot = eqx.tree_at(
            lambda s: (s.positions, s.velocities, s.cell, s.potential_energy, s.stress),
            template,
            (positions, velocities, cell, energy, stress),
        )
        return observable.per_snapshot(snapshot)

    return jax.lax.map(one, columns, batch_size=max(1, _PAIRS_AT_ONCE // atoms**2))


def _require_finite(observable: Observable, values: np.ndarray, trajectory: Trajectory) -> None:
    finite = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=-1)
    if not finite.all():
        replica, frame = np.argwhere(~finite)[0]
        raise ObservableError(
            f"{observable.name} is not finite at {trajectory.times[frame]:g} fs of replica {replica}: "
            f"{observable.remedy}."
        )
