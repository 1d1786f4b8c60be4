"""Energies and observables of stored frames as functions of the parameters, and the derivative of a loss of them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from mdfit.graph import Graph
from mdfit.models import Parameters
from mdfit.observables import Observable
from mdfit.observables.snapshot import Snapshot
from mdfit.potentials import Potential, distinct_cutoffs, energy_and_derivatives, temperature_derivatives
from mdfit.simulate import Trajectory
from mdfit.simulate.frame_graphs import FrameBatch, FrameGraphs

#: Atoms × neighbours² of the frames that are differentiated at once with a many-body potential: small enough for the
#: caches of a processor.  The gradient of 64 atoms with 28 neighbours is 2.5 times as fast frame by frame as 32 frames
#: together.
TRIPLETS_AT_ONCE = 2**16


class FrameValues:
    """What the potential says of the frames of a trajectory.

    A loss of weighted averages depends on all frames at once, but only through one energy and a few values of each.
    So the values of all frames are found first, batch by batch, then the derivative of the loss with respect to them,
    and last, batch by batch again, their derivative with respect to the parameters: exact, and the memory does not grow
    with the number of frames.

    Args:
        observables: evaluated at each frame; functions of the parameters where they contain energies or stresses.
        trajectory: the frames.
        potential: any of the shape of those that the parameters make.

    Attributes:
        follow: whether the value of each observable at a given frame changes with the potential.
    """

    def __init__(self, observables: tuple[Observable, ...], trajectory: Trajectory, potential: Potential):
        potential.check_species(set(np.asarray(trajectory.species).tolist()))
        for observable in observables:
            observable.check(trajectory)
        self._observables = observables
        self._template = Snapshot.of(trajectory, 0)
        self.follow = tuple(_follows_potential(observable, self._template) for observable in observables)
        self._fixed: tuple[np.ndarray, ...] | None = None
        triplets = TRIPLETS_AT_ONCE if potential.many_body else None
        self._graphs = FrameGraphs(trajectory, distinct_cutoffs(potential), triplets_at_once=triplets)
        atoms = len(trajectory.species)
        self._columns = (
            trajectory.positions.reshape(-1, atoms, 3),
            trajectory.velocities.reshape(-1, atoms, 3),
            trajectory.cells.reshape(-1, 3, 3),
        )

    def of(self, parameters: Parameters) -> tuple[np.ndarray, ...]:
        """Potential energies ``(samples,)`` in eV, then the values ``(samples, *shape)`` of each observable."""
        if self._fixed is None:
            values = self._evaluated(parameters, self._observables)
            self._fixed = tuple(value for value, follows in zip(values[1:], self.follow, strict=True) if not follows)
            return values
        energies, *following = self._evaluated(parameters, self._following(self._observables))
        new, old = iter(following), iter(self._fixed)
        return (energies, *(next(new if follows else old) for follows in self.follow))

    def tree(self) -> FrameTree:
        """All frames at once, with the memory that this takes."""
        batches = [(batch.graphs, self._frames(batch), batch.number) for batch in self._graphs]
        return FrameTree(
            tuple((graphs, frames) for graphs, frames, _ in batches),
            tuple(number for *_, number in batches),
            self._template,
            self._observables,
        )

    def energies(self, parameters: Parameters) -> np.ndarray:
        """Potential energies ``(samples,)`` in eV alone."""
        return self._evaluated(parameters, ())[0]

    def _evaluated(self, parameters: Parameters, observables: tuple[Observable, ...]) -> tuple[np.ndarray, ...]:
        parts = []
        for batch in self._graphs:
            values = _values(parameters.combine(), batch.graphs, self._frames(batch), self._template, observables)
            parts.append([np.asarray(value, np.float64)[: batch.number] for value in values])
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def _following(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Those of the observables that change with the potential."""
        return tuple(value for value, follows in zip(values, self.follow, strict=True) if follows)

    def energy_gradients(self, parameters: Parameters) -> np.ndarray:
        """∂U/∂θ of each frame, ``(samples, parameters)`` in the order of ``jax.flatten_util.ravel_pytree``."""
        parts = [np.asarray(_energy_gradients(parameters, b.graphs))[: b.number] for b in self._graphs]
        return np.concatenate(parts).astype(np.float64)

    def energies_and_mean_gradient(self, parameters: Parameters) -> tuple[np.ndarray, Any]:
        """Potential energies ``(samples,)`` in eV and their mean's derivative, a tree like the trained parameters.

        In one pass, since all frames count the same.
        """
        energies, total = [], None
        for batch in self._graphs:
            own = np.arange(len(batch.frames)) < batch.number
            values, part = _energies_and_pulled_back(parameters, batch.graphs, jnp.asarray(own / len(self._graphs)))
            energies.append(np.asarray(values, np.float64)[: batch.number])
            total = part if total is None else jax.tree.map(jnp.add, total, part)
        return np.concatenate(energies), total

    def pull_back(self, parameters: Parameters, slopes: tuple[Any, ...]) -> Any:
        """Σ over frames and values of slope · ∂value/∂parameters, a tree like the trained parameters."""
        return self._pulled_back(parameters, (slopes[0], *self._following(slopes[1:])), several=False)

    def jacobian(self, parameters: Parameters, slopes: tuple[Any, ...]) -> np.ndarray:
        """The derivatives of several functions of the values, ``(functions, parameters)`` as ``ravel_pytree`` orders them.

        It costs as many gradients of each frame as there are functions or, where these are fewer, as there are frames
        in a batch and functions that depend on other values than energies.

        Args:
            parameters: where.
            slopes: of the energies and of the observables with a true flag in ``follow``; functions along the first axis.
        """
        energies, *others = (np.asarray(slope) for slope in slopes)
        explicit = np.zeros(len(energies), bool)
        for slope in others:
            explicit |= np.any(slope.reshape(len(slope), -1), axis=1)
        if len(energies) <= self._graphs.batch_size + np.sum(explicit):
            return self._pulled_back_rows(parameters, (energies, *others))
        rows = energies @ self.energy_gradients(parameters)
        if np.any(explicit):
            chosen = (np.zeros_like(energies[explicit]), *(slope[explicit] for slope in others))
            rows[explicit] += self._pulled_back_rows(parameters, chosen)
        return rows

    def _pulled_back_rows(self, parameters: Parameters, slopes: tuple[np.ndarray, ...]) -> np.ndarray:
        tree = self._pulled_back(parameters, slopes, several=True)
        return np.asarray(jax.vmap(lambda row: ravel_pytree(row)[0])(tree), np.float64)

    def _pulled_back(self, parameters: Parameters, slopes: tuple[Any, ...], several: bool) -> Any:
        """For slopes of the values that follow the potential; with ``several`` of them along the first axis."""
        total, axis = None, int(several)
        observables = self._following(self._observables)
        for batch in self._graphs:
            # Repetitions that fill up the last batch do not count.
            own = np.arange(len(batch.frames)) < batch.number
            chosen = tuple(
                jnp.asarray(
                    np.take(np.asarray(s), batch.frames, axis) * own.reshape(-1, *[1] * (np.ndim(s) - 1 - axis))
                )
                for s in slopes
            )
            frames = self._frames(batch)
            part = _pulled_back(parameters, batch.graphs, frames, self._template, observables, chosen, several)
            total = part if total is None else jax.tree.map(jnp.add, total, part)
        return total

    def _frames(self, batch: FrameBatch) -> tuple[jax.Array, ...]:
        return tuple(jnp.asarray(column[batch.frames], jnp.float64) for column in self._columns)


class FrameTree(eqx.Module):
    """Frames as a tree of arrays, for functions of a model that are compiled, mapped and differentiated as a whole.

    Attributes:
        batches: graphs and arrays of the frames of each batch.
        numbers: how many of the frames of each batch count.
        template: what all frames share.
        observables: evaluated at each frame.
    """

    batches: tuple[tuple[tuple[Graph, ...], tuple[jax.Array, ...]], ...]
    numbers: tuple[int, ...] = eqx.field(static=True)
    template: Snapshot
    observables: tuple[Observable, ...] = eqx.field(static=True)

    def values(self, potential: Potential) -> tuple[jax.Array, ...]:
        """Potential energies ``(samples,)`` in eV, then the values ``(samples, *shape)`` of each observable; pure."""
        parts = [
            [value[:number] for value in _values(potential, graphs, frames, self.template, self.observables)]
            for (graphs, frames), number in zip(self.batches, self.numbers, strict=True)
        ]
        return tuple(jnp.concatenate(columns) for columns in zip(*parts, strict=True))


def _follows_potential(observable: Observable, template: Snapshot) -> bool:
    """Whether the value of a given frame contains its energy, stress or stiffness; structures and velocities stay."""
    stiffness = jnp.zeros((3, 3, 3, 3)) if observable.needs_stiffness else None
    by_temperature = jnp.zeros(2) if observable.needs_temperature_derivatives else None

    def value(
        energy: jax.Array, stress: jax.Array, stiffness: jax.Array | None, by_temperature: jax.Array | None
    ) -> jax.Array:
        frame = (template.positions, template.velocities, template.cell, energy, stress, stiffness, by_temperature)
        return observable.per_snapshot(template.at(*frame))

    program = jax.make_jaxpr(value)(template.potential_energy, template.stress, stiffness, by_temperature).jaxpr
    reached = {id(variable) for variable in program.invars}
    for equation in program.eqns:
        if any(id(variable) in reached for variable in equation.invars):
            reached |= {id(variable) for variable in equation.outvars}
    return any(id(variable) in reached for variable in program.outvars)


@eqx.filter_jit
def _values(
    potential: Potential,
    graphs: tuple[Graph, ...],
    frames: tuple[jax.Array, ...],
    template: Snapshot,
    observables: tuple[Observable, ...],
) -> tuple[jax.Array, ...]:
    stiff = any(observable.needs_stiffness for observable in observables)
    energies, *derivatives = energy_and_derivatives(potential, graphs, stiff)
    positions, velocities, cells = frames
    volumes = jnp.abs(jnp.linalg.det(cells)) if all(template.periodic) else jnp.full(len(cells), jnp.inf)
    per_volume = [value / volumes.reshape(-1, *[1] * (value.ndim - 1)) for value in derivatives]
    columns = {"positions": positions, "velocities": velocities, "cell": cells, "potential_energy": energies}
    columns |= dict(zip(("stress", "stiffness"), per_volume, strict=False))
    if any(observable.needs_temperature_derivatives for observable in observables):
        columns["temperature_derivatives"] = jnp.stack(temperature_derivatives(potential, graphs), axis=-1)

    def at_frame(frame: dict[str, jax.Array]) -> tuple[jax.Array, ...]:
        snapshot = template.at(**frame)
        return tuple(observable.per_snapshot(snapshot) for observable in observables)

    return (energies, *jax.vmap(at_frame)(columns))


@eqx.filter_jit
def _energy_gradients(parameters: Parameters, graphs: tuple[Graph, ...]) -> jax.Array:
    def energies(flat: jax.Array) -> jax.Array:
        return energy_and_derivatives(parameters._replace(trained=unravel(flat)).combine(), graphs, False)[0]

    flat, unravel = ravel_pytree(parameters.trained)
    frames = jax.eval_shape(energies, flat).size
    # Backwards it costs as many gradients as there are frames, forwards as there are parameters.
    return (jax.jacrev if frames <= flat.size else jax.jacfwd)(energies)(flat)


@eqx.filter_jit
def _energies_and_pulled_back(
    parameters: Parameters, graphs: tuple[Graph, ...], slopes: jax.Array
) -> tuple[jax.Array, Any]:
    def energies(trained: Any) -> jax.Array:
        return energy_and_derivatives(parameters._replace(trained=trained).combine(), graphs, False)[0]

    values, transpose = jax.vjp(energies, parameters.trained)
    return values, transpose(slopes)[0]


@eqx.filter_jit
def _pulled_back(
    parameters: Parameters,
    graphs: tuple[Graph, ...],
    frames: tuple[jax.Array, ...],
    template: Snapshot,
    observables: tuple[Observable, ...],
    slopes: tuple[jax.Array, ...],
    several: bool,
) -> Any:
    """From slopes of the values, or ``several`` of them, to the derivative by the trained parameters."""

    def values(trained: Any) -> tuple[jax.Array, ...]:
        return _values(parameters._replace(trained=trained).combine(), graphs, frames, template, observables)

    transpose = jax.vjp(values, parameters.trained)[1]
    return (jax.vmap(transpose) if several else transpose)(slopes)[0]
