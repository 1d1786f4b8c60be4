"""A running simulation: the state of all replicas, their lists, and the frames that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import CheckpointError, ExplosionError, MdfitError, SimulationError
from mdfit.potentials import Potential, StructureSpread
from mdfit.precision import cast
from mdfit.progress import Bar
from mdfit.simulate.each_member import EachMember
from mdfit.simulate.engine import Frame, Simulation
from mdfit.simulate.health import check_frame, explosion
from mdfit.simulate.jax_md.dynamics import Context, shared_dynamics
from mdfit.simulate.jax_md.integrators import Conditions, Frozen
from mdfit.simulate.jax_md.neighbours import AllPairs, DeviceLists, ListBuilder, cell_heights, list_builder
from mdfit.simulate.samplers import Sampler, degrees_of_freedom
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import SPREADS, Particles
from mdfit.storage import fill_tree
from mdfit.structure import Structure
from mdfit.units import BAR, BOLTZMANN

#: More neighbours of an atom than any list has.
WIDEST, MOST_PER_ATOM = 2**14, 256
#: Room for so many more neighbours within the cutoff than an atom has at the start; more of them mean a new compilation.
PACKING_MARGIN = 2
#: Time steps in one call of compiled code, which counts them with 32 bits.
STEPS_AT_ONCE = 2**30
#: Atoms more cells away from the cell than this are simulated at their images inside.
FARTHEST_CELLS = 4


@dataclass(frozen=True)
class Settings:
    """Of neighbour lists and numbers.

    Attributes:
        skin: of the neighbour lists in Å.
        neighbour_lists: ``"auto"``, ``"host"`` or ``"device"``.
        dtype: of positions and forces.
    """

    skin: float
    neighbour_lists: str
    dtype: str


def check_constraints(structure: Structure, sampler: Sampler) -> None:
    """Whether what a structure asks to be held can be.

    Raises:
        SimulationError: when it has frozen atoms, and the cell changes or no other atoms are left.
        StructureError: when it has constraints that cannot be held.
    """
    structure.check_constraints()
    frozen, atoms = structure.number_frozen, structure.number_of_atoms
    if frozen and sampler.ensemble == "NPT":
        raise SimulationError(
            f"{frozen} of {atoms} atoms are frozen, but at constant pressure all positions follow the cell: choose NVE, "
            "Langevin, Brownian or NoseHoover, or free the atoms with structure.replace(frozen=None)."
        )
    if frozen == atoms:
        raise SimulationError(
            "All atoms are frozen, so that nothing moves: free some with structure.replace(frozen=...)."
        )


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


class ListSizes(NamedTuple):
    """What the sizes of neighbour lists follow from.

    Attributes:
        widths: ``(2,)`` of lists on the host (of those on the device: 1 once there are any), and of the packed ones.
        positions: ``(replicas, atoms, 3)``, fractional, at which the size of lists on the device was found.
        cells: ``(replicas, 3, 3)`` of these positions in Å.
    """

    widths: np.ndarray
    positions: np.ndarray
    cells: np.ndarray

    @classmethod
    def unknown(cls, atoms: int, replicas: int, dtype: Any) -> ListSizes:
        """Before the first list."""
        return cls(np.zeros(2, np.int64), np.zeros((replicas, atoms, 3), dtype), np.zeros((replicas, 3, 3), dtype))


class JaxSimulation(Simulation):
    """A running simulation of all replicas.

    Args:
        potential: drives the atoms, or each of its members replicas of its own.
        state_points: of the same atoms, whose replicas are simulated side by side.
        sampler: ensemble and integrator.
        starts: of every replica.
        settings: of lists and numbers.
        unwrapped: whether frames go on from where the atoms of the start lie; False keeps atoms that lie far away at
            their images in the cell, near which numbers are more precise.
    """

    def __init__(
        self,
        potential: Potential | EachMember,
        state_points: Sequence[StatePoint],
        sampler: Sampler,
        starts: Sequence[Structure],
        settings: Settings,
        unwrapped: bool = True,
    ):
        self.state_points, self.sampler, self._starts = tuple(state_points), sampler, tuple(starts)
        self.structure = self.state_points[0].structure
        check_constraints(self.structure, sampler)
        self.particles = Particles(
            self.structure.species,
            self.structure.masses,
            self.structure.periodic,
            degrees_of_freedom(self.structure, sampler),
            self.structure.frozen,
        )
        self._dtype = jnp.dtype(settings.dtype)
        self._members = None
        if isinstance(potential, EachMember):
            self._members = self.in_its_precision(potential.of_replicas(len(self._starts)))
            potential = potential.first
        self.potential = self.in_its_precision(potential)
        self._unwrapped = unwrapped
        self._frozen = Frozen.of(self.structure.frozen)
        self._prepare(settings)
        self.done = 0

    def _prepare(self, settings: Settings) -> None:
        """What is compiled later, for all runs of these replicas."""
        structure = self.structure
        point, cutoff = self.state_points[0], self.potential.cutoff
        # Without a cutoff there are no neighbours that could come near.
        reach = cutoff + settings.skin if cutoff > 0 else 0.0
        cells = [point.structure.cell for point in self.state_points]
        narrowest = min(cells, key=lambda cell: cell_heights(cell).min()) if structure.periodic.all() else cells[0]
        self._builder: ListBuilder = list_builder(
            settings.neighbour_lists, structure.periodic, narrowest, reach, structure.number_of_atoms
        )
        # Lists of no neighbours and of all pairs are never too old.
        self.skin = settings.skin if reach > 0 and not isinstance(self._builder, AllPairs) else float(np.inf)
        conditions = Conditions(
            BOLTZMANN * point.temperature,
            None if point.pressure is None else BAR * point.pressure,
            self.particles.degrees_of_freedom,
        )
        self.dynamics = shared_dynamics(self.sampler, conditions, cutoff, self.skin)
        self._packed_width = 0

    def in_its_precision(self, potential: Any) -> Any:
        """The potential in the number format of the simulation."""
        return cast(potential, jnp.float64) if self._dtype == jnp.float64 else potential

    def begin(self, key: jax.Array) -> None:
        starts = self._starts
        velocities = None if starts[0].velocities is None else np.stack([s.velocities for s in starts])
        positions, cells = np.stack([s.positions for s in starts]), np.stack([s.cell for s in starts])
        self.restart(self.potential, positions, velocities, cells, key)

    def restart(
        self,
        potential: Potential,
        positions: Float[Array | np.ndarray, "replicas atoms 3"],
        velocities: Float[Array | np.ndarray, "replicas atoms 3"] | None,
        cells: Float[Array | np.ndarray, "replicas 3 3"],
        key: jax.Array,
    ) -> None:
        """Goes on elsewhere, perhaps with another potential of the same structure; nothing is compiled anew.

        Args:
            potential: drives the atoms from now on.
            positions: ``(replicas, atoms, 3)`` in Å, those of the first state point first, in double precision where
                atoms lie far from the cell.
            velocities: the same shape, Å per internal time unit, or None for a Maxwell–Boltzmann distribution.
            cells: ``(replicas, 3, 3)`` in Å.
            key: random key of velocities and noise.
        """
        potential = self.potential = self.in_its_precision(potential)
        self.done = 0
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
        self.context = Context(potential, species, lists, self._frozen, *own, seen, self._members)
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

    def sizes(self) -> ListSizes:
        """Of the lists, which decide how sums are rounded: to be restored for an exact resume."""
        memory, empty = self._builder.memory(), ListSizes.unknown(self.particles.number, len(self._starts), self._dtype)
        if isinstance(memory, tuple):
            widths = np.array([1, self._packed_width], np.int64)
            return ListSizes(widths, *(np.asarray(array, self._dtype) for array in memory))
        return empty._replace(widths=np.array([0 if memory is None else memory, self._packed_width], np.int64))

    def restore_sizes(self, sizes: ListSizes) -> None:
        """Sets what :meth:`sizes` gave."""
        width, self._packed_width = (int(size) for size in sizes.widths)
        if isinstance(self._builder, DeviceLists):
            found_at = tuple(jnp.asarray(array, self._dtype) for array in (sizes.positions, sizes.cells))
            self._builder.recall(found_at if width else None)
        else:
            self._builder.recall(width)

    def checkpoint(self) -> dict[str, Any]:
        """The lists too, since their order decides how sums are rounded."""
        lists = self.context.neighbours
        return {
            "state": self.state,
            "done": np.asarray(self.done, np.int64),
            "list_origin": lists.origin,
            "list_cell": lists.cell,
            "list_memory": self._builder.memory(),
            "packed_width": np.asarray(self._packed_width, np.int64),
        }

    def restore(self, arrays: dict[str, np.ndarray], source: Path) -> None:
        # Shapes, and the images of atoms far away, are those of the start.
        self.begin(jax.random.key(0))
        checkpoint = fill_tree(self.checkpoint(), arrays, source, CheckpointError)
        floats = [leaf for leaf in jax.tree.leaves(checkpoint) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        widths = [
            np.asarray(leaf) for leaf in (checkpoint["packed_width"], *jax.tree.leaves(checkpoint["list_memory"]))
        ]
        widest = max(WIDEST, MOST_PER_ATOM * self.structure.number_of_atoms)
        sensible = all(((w >= 0) & (w <= widest)).all() for w in widths if np.issubdtype(w.dtype, np.integer))
        if self.structure.periodic.all():
            sensible &= bool(np.all(np.abs(np.linalg.det(checkpoint["list_cell"])) > 0))
        if not sensible or not all(np.isfinite(leaf).all() for leaf in floats):
            raise CheckpointError("The restart file holds numbers that no run can have; start the run again.")
        self.state, self.done = checkpoint["state"], int(checkpoint["done"])
        self._builder.recall(checkpoint["list_memory"])
        self._packed_width = int(checkpoint["packed_width"])
        self._build_lists(checkpoint["list_origin"], checkpoint["list_cell"])

    def renew_lists(self) -> None:
        """New neighbour lists at the present positions."""
        self._build_lists(self.state.position, self.dynamics.cells(self.state, self.context))

    def _build_lists(self, positions: Float[Array, "replicas atoms 3"], cells: Float[Array, "replicas 3 3"]) -> None:
        lists = self._builder.build(positions, cells).with_packed_width(self._packed_width)
        self.context = self.context._replace(neighbours=lists)

    def _pack(self, width: int) -> None:
        """Makes room for so many neighbours within the cutoff in the graphs that the potential sees."""
        self._packed_width = width
        self.context = self.context._replace(neighbours=self.context.neighbours.with_packed_width(width))

    def advance(self, steps: int, bar: Bar) -> None:
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
                    raise explosion(finite, float(progress.jump), self.skin, self.time)
                self.renew_lists()
                fresh = True

    def _check_structures(self) -> None:
        """Raises ExplosionError when the potential can tell what is wrong with the present structure of a replica."""
        positions = np.asarray(self.state.position, np.float64)
        cells = np.asarray(self.dynamics.cells(self.state, self.context), np.float64)
        for replica, (places, cell) in enumerate(zip(positions, cells, strict=True)):
            try:
                self.potential.check_structure(self.structure.replace(positions=places, cell=cell, velocities=None))
            except MdfitError as problem:
                raise ExplosionError(
                    f"At {self.time:.3f} fs replica {replica} has left the range of the potential. {problem}"
                ) from problem

    @property
    def time(self) -> float:
        """In fs since the start."""
        return self.done * self.sampler.timestep_fs

    def frame(self) -> Frame:
        state = self.state
        prediction, spread = self.dynamics.record(state, self.context)
        cells = np.asarray(self.dynamics.cells(state, self.context), np.float64)
        velocities = np.asarray(state.momentum / state.mass)
        energy = np.asarray(prediction.energy[:, 0])
        periodic = self.structure.periodic.all()
        volumes = np.abs(np.linalg.det(cells)) if periodic else np.full(len(cells), np.inf)
        kinetic = 0.5 * np.sum(velocities.astype(np.float64) ** 2 * self.structure.masses[:, None], axis=(1, 2))
        temperature = 2 * kinetic / (self.particles.degrees_of_freedom * BOLTZMANN)
        if not np.isfinite(energy).all():
            self._check_structures()
        targets = np.repeat([point.temperature for point in self.state_points], len(cells) // len(self.state_points))
        check_frame(energy, temperature, targets, self.time)
        positions = np.asarray(state.position)
        if self._unwrapped and self._images.any():
            positions = positions.astype(np.float64) + self._images @ cells
        frame = {
            "positions": positions,
            "velocities": velocities,
            "cells": cells,
            "potential_energies": energy,
            "stresses": np.asarray(prediction.strain_derivative[:, 0]) / volumes[:, None, None],
        }
        if spread is not None:
            told = StructureSpread(*(np.asarray(one[:, 0], np.float64) for one in spread)).told()
            frame |= {SPREADS[kind]: one for kind, one in told.items()}
        return frame
