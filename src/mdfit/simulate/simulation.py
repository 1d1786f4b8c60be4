"""A running simulation: the state of all replicas, their lists, and the frames that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import CheckpointError, MdfitError, SimulationError
from mdfit.potentials import Potential
from mdfit.simulate.dynamics import Context, Dynamics
from mdfit.simulate.health import check_frame, check_step
from mdfit.simulate.neighbours import AllPairs, ListBuilder, cell_heights, list_builder
from mdfit.simulate.samplers import Frozen, Sampler
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import PER_FRAME, Trajectory
from mdfit.structure import Structure
from mdfit.units import BAR, BOLTZMANN, quantity

#: What counters hold.
MOST_STEPS, MOST_STEPS_BETWEEN = 1e15, 1e9
#: More neighbours of an atom than any list has.
WIDEST = 2**20
#: Room for so many more neighbours within the cutoff than an atom has at the start; more of them mean a new compilation.
PACKING_MARGIN = 2
#: Time steps in one call of compiled code, which counts them with 32 bits.
STEPS_AT_ONCE = 2**30
#: Atoms more cells away from the cell than this are simulated at their images inside.
FARTHEST_CELLS = 4


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
        if not 0 < interval / timestep < 1e300:
            raise SimulationError(f"The interval between frames must be positive, but is {interval} fs.")
        between = round(interval / timestep)
        if between < 1 or abs(between * timestep - interval) > 1e-6 * interval:
            raise SimulationError(
                f"The interval between frames ({interval} fs) is not a multiple of the time step ({timestep} fs)."
            )
        frames = round(total / interval)
        steps = (total + dropped) / timestep
        if steps > MOST_STEPS or between > MOST_STEPS_BETWEEN:
            raise SimulationError(
                f"{total:g} fs with a frame every {interval:g} fs are {steps:.3g} time steps of {timestep:g} fs, "
                f"{between:.3g} of them between frames; at most {MOST_STEPS:.0e} and {MOST_STEPS_BETWEEN:.0e} are "
                "possible: check the units."
            )
        if frames < 1:
            raise SimulationError(f"A duration of {total} fs holds no frame at one every {interval} fs; lengthen it.")
        if dropped < 0:
            raise SimulationError(f"The equilibration must not be negative, but is {dropped} fs; give 0 or more.")
        return cls(round(dropped / timestep), between, frames)


def degrees_of_freedom(structure: Structure, sampler: Sampler) -> int:
    """Quadratic terms of the kinetic energy of a structure.

    Raises:
        SimulationError: when it has frozen atoms, and the cell changes or no other atoms are left.
        StructureError: when it has constraints that cannot be held.
    """
    structure.check_constraints()
    frozen, atoms = structure.number_frozen, structure.number_of_atoms
    if not frozen:
        return sampler.degrees_of_freedom(atoms)
    if sampler.ensemble == "NPT":
        raise SimulationError(
            f"{frozen} of {atoms} atoms are frozen, but at constant pressure all positions follow the cell: choose NVE, "
            "Langevin, Brownian or NoseHoover, or free the atoms with structure.replace(frozen=None)."
        )
    if frozen == atoms:
        raise SimulationError(
            "All atoms are frozen, so that nothing moves: free some with structure.replace(frozen=...)."
        )
    return sampler.degrees_of_freedom(atoms, frozen)


def distant_images(positions: np.ndarray, cells: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """Whole cells between atoms far outside and their images inside, int64 ``(replicas, atoms, 3)``; 0 for all others.

    Args:
        positions: ``(replicas, atoms, 3)`` in Å.
        cells: ``(replicas, 3, 3)`` in Å.
        periodic: three flags.
    """
    fractional = positions @ np.linalg.pinv(cells)
    whole = np.where(periodic, np.floor(fractional), 0)
    return np.where(np.abs(whole) > FARTHEST_CELLS, whole, 0).astype(np.int64)


def check_same_atoms(state_points: Sequence[StatePoint]) -> None:
    """Whether state points can be simulated side by side.

    Raises:
        SimulationError: without any, or for other atoms, periodic directions, frozen atoms, or velocities of some only.
    """
    if not state_points:
        raise SimulationError("A simulation needs a state point.")
    first = state_points[0].structure
    for number, point in enumerate(state_points):
        other = point.structure
        pairs = [(getattr(first, n), getattr(other, n)) for n in ("species", "masses", "periodic")]
        frozen = [np.zeros(len(s.species), bool) if s.frozen is None else s.frozen for s in (first, other)]
        same = all(np.array_equal(a, b) for a, b in (*pairs, (frozen[0], frozen[1])))
        if not same or (first.velocities is None) != (other.velocities is None):
            raise SimulationError(
                f"State point {number} has other atoms than state point 0 (or velocities, and the other none): only those "
                "of the same atoms, masses, periodic directions and frozen atoms are simulated side by side."
            )


class Simulation:
    """A running simulation of all replicas.

    Args:
        potential: drives the atoms.
        state_point: structure, temperature and pressure; or several, whose structures have the same atoms, so that their
            replicas are simulated side by side.
        sampler: ensemble and integrator.
        unwrapped: whether frames go on from where the atoms of the start lie; False keeps atoms that lie far away at
            their images in the cell, near which numbers are more precise.
    """

    def __init__(
        self,
        potential: Potential,
        state_point: StatePoint | Sequence[StatePoint],
        sampler: Sampler,
        unwrapped: bool = True,
    ):
        self.state_points = (state_point,) if isinstance(state_point, StatePoint) else tuple(state_point)
        check_same_atoms(self.state_points)
        self.potential, self.sampler = potential, sampler
        self._unwrapped = unwrapped
        if sampler.ensemble == "NPT" and potential.fixed_in_space:
            raise SimulationError(
                "Constant pressure has no meaning in an external field, which does not follow changes of the cell; choose "
                "NVE, Langevin or NoseHoover."
            )
        self.structure = self.state_points[0].structure
        self.degrees_of_freedom = degrees_of_freedom(self.structure, sampler)
        self._frozen = Frozen.of(self.structure.frozen)
        self.done = 0

    def prepare(self, key, replicas: int, skin: float, neighbour_lists: str, dtype) -> None:
        """Compiles what is needed, and begins; ``replicas`` are those of each state point."""
        structure = self.structure
        point, cutoff = self.state_points[0], self.potential.cutoff
        # Without a cutoff there are no neighbours that could come near.
        reach = cutoff + skin if cutoff > 0 else 0.0
        cells = [point.structure.cell for point in self.state_points]
        narrowest = min(cells, key=lambda cell: cell_heights(cell).min()) if structure.periodic.all() else cells[0]
        self._builder: ListBuilder = list_builder(
            neighbour_lists, structure.periodic, narrowest, reach, structure.number_of_atoms
        )
        # Lists of no neighbours and of all pairs are never too old.
        self.skin = skin if reach > 0 and not isinstance(self._builder, AllPairs) else float(np.inf)
        self.dynamics = Dynamics(self.sampler, point.temperature, point.pressure, cutoff, self.skin)
        self._packed_width = 0
        self.begin(self.potential, key, replicas, dtype)

    def begin(self, potential: Potential, key, replicas: int, dtype) -> None:
        """At the structures of the state points, perhaps with another potential; see :meth:`restart`."""
        self._dtype = dtype
        starts = [point.structure for point in self.state_points for _ in range(replicas)]
        velocities = None if self.structure.velocities is None else np.stack([s.velocities for s in starts])
        positions, cells = np.stack([s.positions for s in starts]), np.stack([s.cell for s in starts])
        self.restart(potential, positions, velocities, cells, key)

    def restart(self, potential: Potential, positions, velocities, cells, key) -> None:
        """Goes on elsewhere, perhaps with another potential of the same structure; nothing is compiled anew.

        Args:
            potential: drives the atoms from now on.
            positions: ``(replicas, atoms, 3)`` in Å, those of the first state point first, in double precision where
                atoms lie far from the cell.
            velocities: the same shape, Å per internal time unit, or None for a Maxwell–Boltzmann distribution.
            cells: ``(replicas, 3, 3)`` in Å.
            key: random key of velocities and noise.
        """
        self.potential, self.done = potential, 0
        dtype = self._dtype
        places, boxes = np.asarray(positions, np.float64), np.asarray(cells, np.float64)
        self._images = np.zeros(places.shape, np.int64)
        if not potential.fixed_in_space and np.isfinite(places).all():
            # Single precision is coarse far from the origin.
            self._images = distant_images(places, boxes, self.structure.periodic)
            places = places - self._images @ boxes
        positions = jnp.asarray(places, dtype)
        species = jnp.asarray(self.structure.species, jnp.int32)
        lists = self._builder.build(positions, jnp.asarray(cells, dtype)).with_packed_width(self._packed_width)
        own, seen = self._own_conditions(len(positions)), self._conditions_seen_by(potential, len(positions))
        self.context = Context(potential, species, lists, self._frozen, *own, seen)
        if potential.many_body:
            crowd = int(self.dynamics.most_neighbours(positions, self.context))
            if crowd > self._packed_width:
                self._pack(crowd + PACKING_MARGIN)
        masses = jnp.asarray(self.structure.masses, dtype)
        momenta = None if velocities is None else jnp.asarray(velocities, dtype) * masses[:, None]
        keys = jax.random.split(key, len(positions))
        self.state = self.dynamics.initialize(keys, positions, masses, momenta, self.context)

    def _own_conditions(self, replicas: int) -> tuple[Any, Any]:
        """k_BT (eV) and pressure (eV/Å³) of every replica, None where all have the same."""

        def own(values: list[float], matters: bool) -> Any:
            each = np.repeat(np.array(values), replicas // len(self.state_points))
            # Single precision, as in the thermostats' chains, whatever the positions have.
            return jnp.asarray(each, jnp.float32) if matters and len(set(values)) > 1 else None

        thermal = [BOLTZMANN * point.temperature for point in self.state_points]
        pressures = [BAR * (point.pressure or 0.0) for point in self.state_points]
        return own(thermal, True), own(pressures, self.sampler.ensemble == "NPT")

    def _conditions_seen_by(self, potential: Potential, replicas: int) -> dict[str, Any] | None:
        """The conditions that the potential reads, ``(replicas,)`` each."""
        known: dict[str, list[Any]] = {
            "temperature": [point.temperature for point in self.state_points],
            "pressure": [point.pressure for point in self.state_points],
        }
        wanted = sorted(potential.reads.conditions)
        missing = [name for name in wanted if name not in known or None in known[name]]
        if missing:
            raise SimulationError(
                f"The potential reads the {missing[0]}, which not every state point has; give it there, or choose another "
                "potential."
            )
        each = replicas // len(self.state_points)
        return {name: jnp.repeat(jnp.asarray(known[name], jnp.float64), each) for name in wanted} or None

    def sizes(self) -> np.ndarray:
        """The padded sizes of lists on the host, which decide how sums are rounded: to be restored for an exact resume."""
        width = self._builder.memory()
        return np.array([width if isinstance(width, np.ndarray) else 0, self._packed_width], np.int64)

    def restore_sizes(self, sizes: np.ndarray) -> None:
        """Sets what :meth:`sizes` gave."""
        if isinstance(self._builder.memory(), np.ndarray):
            self._builder.recall(sizes[0])
        self._packed_width = int(sizes[1])

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
        """Goes back to a :meth:`checkpoint`.

        Raises:
            CheckpointError: for numbers that no run can have.
        """
        floats = [leaf for leaf in jax.tree.leaves(checkpoint) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        widths = [
            np.asarray(leaf) for leaf in (checkpoint["packed_width"], *jax.tree.leaves(checkpoint["list_memory"]))
        ]
        sensible = all(((w >= 0) & (w <= WIDEST)).all() for w in widths if np.issubdtype(w.dtype, np.integer))
        if not sensible or not all(np.isfinite(leaf).all() for leaf in floats):
            raise CheckpointError("The restart file holds numbers that no run can have; start the run again.")
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
        # Whether the lists were made at the present positions.
        fresh = False
        while remaining > 0:
            progress = self.dynamics.advance(self.state, self.context, min(remaining, STEPS_AT_ONCE))
            done, finite = int(progress.steps), bool(progress.finite)
            self.state = progress.state
            self.done += done
            remaining -= done
            bar.advance(done)
            fresh = fresh and done == 0
            if remaining > 0 and bool(progress.crowded):
                self._pack(self._packed_width + PACKING_MARGIN)
            elif remaining > 0:
                if fresh or not finite:
                    self._check_structures()
                    check_step(finite, done, float(progress.jump), self.skin, self.time)
                self.renew_lists()
                fresh = True

    def _check_structures(self) -> None:
        """Raises SimulationError when the potential can tell what is wrong with the present structure of a replica."""
        positions = np.asarray(self.state.position, np.float64)
        cells = np.asarray(self.dynamics.cells(self.state, self.context), np.float64)
        for replica, (places, cell) in enumerate(zip(positions, cells, strict=True)):
            try:
                self.potential.check_structure(self.structure.replace(positions=places, cell=cell, velocities=None))
            except MdfitError as problem:
                raise SimulationError(
                    f"At {self.time:.3f} fs replica {replica} has left the range of the potential. {problem}"
                ) from problem

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
        if not np.isfinite(energy).all():
            self._check_structures()
        targets = np.repeat([point.temperature for point in self.state_points], len(cells) // len(self.state_points))
        check_frame(energy, temperature, targets, self.time)
        positions = np.asarray(state.position)
        if self._unwrapped and self._images.any():
            positions = positions.astype(np.float64) + self._images @ cells
        return {
            "positions": positions,
            "velocities": velocities,
            "cells": cells,
            "potential_energies": energy,
            "stresses": np.asarray(prediction.strain_derivative[:, 0]) / volumes[:, None, None],
        }

    def trajectories(self, frames: list[dict[str, np.ndarray]], lengths: Lengths) -> list[Trajectory]:
        """The frames as a trajectory of each state point."""
        return [self.trajectory(frames, lengths, point) for point in range(len(self.state_points))]

    def trajectory(self, frames: list[dict[str, np.ndarray]], lengths: Lengths, point: int = 0) -> Trajectory:
        """The frames of one of the state points as a trajectory."""
        each = len(frames[0]["cells"]) // len(self.state_points)
        own = slice(point * each, (point + 1) * each)
        arrays: dict[str, Any] = {name: np.stack([f[name][own] for f in frames], axis=1) for name in PER_FRAME}
        return Trajectory(
            times=np.arange(1, len(frames) + 1) * lengths.between * self.sampler.timestep_fs,
            species=self.structure.species,
            masses=self.structure.masses,
            periodic=self.structure.periodic,
            degrees_of_freedom=self.degrees_of_freedom,
            ensemble=self.sampler.ensemble,
            temperature=self.state_points[point].temperature,
            pressure=self.state_points[point].pressure,
            timestep=self.sampler.timestep_fs,
            frozen=self.structure.frozen,
            **arrays,
        )
