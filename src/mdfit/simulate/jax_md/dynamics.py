"""The compiled inner loop: time steps on the device until the neighbour list is too old."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from mdfit.potentials import (
    Potential,
    Prediction,
    StructureSpread,
    energies,
    evaluate,
    evaluate_with_spread,
    forces,
    knows_spread,
    structure_spread,
)
from mdfit.simulate.jax_md.integrators import Conditions, Frozen, Integrator, Interactions, integrator
from mdfit.simulate.jax_md.neighbours import Neighbours
from mdfit.simulate.samplers import Sampler


class Context(NamedTuple):
    """What the force function needs besides positions: everything but the state of the integrator.

    Attributes:
        potential: of all replicas.
        species: of all replicas.
        neighbours: lists of every replica.
        frozen: atoms that stand still.
        kT: ``(replicas,)`` in eV where replicas differ in temperature, else None.
        pressure: ``(replicas,)`` in eV/Å³ where replicas differ in pressure, else None.
        conditions: ``(replicas,)`` each, those that the potential reads.
        members: arrays of the potential of each replica where they differ, ``(replicas, ...)``, else None.
    """

    potential: Potential
    species: Int[Array, " atoms"]
    neighbours: Neighbours
    frozen: Frozen | None = None
    kT: Float[Array, " replicas"] | None = None
    pressure: Float[Array, " replicas"] | None = None
    conditions: dict[str, Float[Array, " replicas"]] | None = None
    members: Any = None

    @property
    def of_replicas(self) -> tuple[Any, ...]:
        """What each replica has of its own."""
        return self.neighbours, self.kT, self.pressure, self.conditions, self.members

    def potential_of(self, member: Any) -> Potential:
        """That of one replica, from its arrays."""
        return self.potential if member is None else eqx.combine(member, self.potential)

    def arguments(self, neighbours: Any, kT: Any, pressure: Any, conditions: Any, member: Any) -> dict[str, Any]:
        """Of the integrator, for one replica."""
        own = {"kT": kT, "pressure": pressure, "conditions": conditions}
        common = {"potential": self.potential_of(member), "species": self.species, "frozen": self.frozen}
        return {**common, "neighbours": neighbours, **{n: v for n, v in own.items() if v is not None}}


def _forces(
    positions: Float[Array, "atoms 3"],
    *,
    potential: Potential,
    species: Int[Array, " atoms"],
    neighbours: Neighbours,
    frozen: Frozen | None = None,
    cell: Float[Array, "3 3"] | None = None,
    kT: Float[Array, ""] | None = None,
    pressure: Float[Array, ""] | None = None,
    conditions: dict[str, Float[Array, ""]] | None = None,
) -> Float[Array, "atoms 3"]:
    acting = forces(potential, neighbours.graph_of(potential, species, positions, None, conditions))
    return acting if frozen is None else frozen.still(acting)


def _energy(
    positions: Float[Array, "atoms 3"],
    *,
    box: Float[Array, "3 3"],
    potential: Potential,
    species: Int[Array, " atoms"],
    neighbours: Neighbours,
    frozen: Frozen | None = None,
    perturbation: Float[ArrayLike, ""] = 1.0,
    kT: Float[Array, ""] | None = None,
    pressure: Float[Array, ""] | None = None,
    conditions: dict[str, Float[Array, ""]] | None = None,
) -> Float[Array, ""]:
    graph = neighbours.graph_of(potential, species, positions, _scale(box, neighbours), conditions)
    return energies(potential, graph.scaled(perturbation))[0].astype(positions.dtype)


def _scale(box: Float[Array, "3 3"], neighbours: Neighbours) -> Float[Array, ""]:
    """The length of a cell in units of the list's; the barostat changes all lengths alike."""
    # By a whole vector: one of its components may be zero, as in the primitive cells of cubic crystals.
    return jnp.linalg.norm(box[0]) / jnp.linalg.norm(neighbours.cell[0])


INTERACTIONS = Interactions(forces=_forces, energy=_energy)


class Advance(eqx.Module):
    """How far a call of :meth:`Dynamics.advance` came.

    Attributes:
        state: of all replicas, after ``steps`` valid steps.
        steps: done in this call.
        finite: false when the step after ``state`` gave positions that are not finite.
        jump: the mean distance in Å of the two atoms that had moved farthest from their list's origin at the last
            attempted step; two atoms that move towards each other come closer by twice as much.
        crowded: true when an atom had more neighbours after the last attempted step than the packed width holds.
    """

    state: Any
    steps: Int[Array, ""]
    finite: Bool[Array, ""]
    jump: Float[Array, ""]
    crowded: Bool[Array, ""]


@lru_cache(maxsize=32)
def shared_dynamics(sampler: Sampler, conditions: Conditions, cutoff: float, skin: float) -> Dynamics:
    """The same for all simulations that differ in structure and parameters only, so that none compiles anew."""
    return Dynamics(sampler, conditions, cutoff, skin)


class Dynamics:
    """A sampler and the skin of the neighbour list, compiled once for any number of calls and potentials of one kind.

    Args:
        sampler: which integrator.
        conditions: of all replicas, or of the first where each has its own.
        cutoff: of the potential in Å.
        skin: in Å; infinite for lists that are never too old.
    """

    def __init__(self, sampler: Sampler, conditions: Conditions, cutoff: float, skin: float):
        self._integrator: Integrator = integrator(sampler, INTERACTIONS, conditions)
        self._thermal = conditions.kT
        self._variable_cell = sampler.ensemble == "NPT"
        # Finite, so that positions that are not finite exceed it.
        self._limit = min(skin / 2, float(jnp.finfo(jnp.float32).max))
        self._reach = cutoff + skin
        self._advance = eqx.filter_jit(self._advance_until_stale)
        self._initialize = eqx.filter_jit(self._initialize_all)
        self._record = eqx.filter_jit(self._record_all)
        self._most_neighbours = eqx.filter_jit(self._most_neighbours_of_all)

    def initialize(
        self,
        keys: jax.Array,
        positions: Float[Array, "replicas atoms 3"],
        masses: Float[Array, " atoms"],
        momenta: Float[Array, "replicas atoms 3"] | None,
        context: Context,
    ) -> Any:
        """The integrator's state of every replica.

        Args:
            keys: ``(replicas,)`` random keys.
            positions: ``(replicas, atoms, 3)`` in Å.
            masses: ``(atoms,)`` in amu.
            momenta: ``(replicas, atoms, 3)`` in internal units, or None for a Maxwell–Boltzmann distribution.
            context: with lists of every replica.
        """
        return self._initialize(keys, positions, masses, momenta, context)

    def advance(self, state: Any, context: Context, steps: int) -> Advance:
        """Up to ``steps`` time steps of all replicas, fewer when a list becomes too old for the next one."""
        return self._advance(state, context, jnp.asarray(steps, jnp.int32))

    def record(self, state: Any, context: Context) -> tuple[Prediction, StructureSpread | None]:
        """Energy, forces and stress of every replica, and how unsure of it the potential is, if it knows."""
        return self._record(state, context)

    def most_neighbours(self, positions: Float[Array, "replicas atoms 3"], context: Context) -> Int[Array, ""]:
        """The largest number of neighbours within the cutoff that an atom of any replica has where the lists were made."""
        return self._most_neighbours(positions, context)

    def cells(self, state: Any, context: Context) -> Float[Array, "replicas 3 3"]:
        """The present cells in Å."""
        return jax.vmap(lambda one: one.box)(state) if self._variable_cell else context.neighbours.cell

    def _initialize_all(
        self,
        keys: jax.Array,
        positions: Float[Array, "replicas atoms 3"],
        masses: Float[Array, " atoms"],
        momenta: Float[Array, "replicas atoms 3"] | None,
        context: Context,
    ) -> Any:
        def one(
            key: jax.Array,
            place: Float[Array, "atoms 3"],
            momentum: Float[Array, "atoms 3"] | None,
            neighbours: Neighbours,
            kT: Float[Array, ""] | None,
            pressure: Float[Array, ""] | None,
            conditions: dict[str, Float[Array, ""]] | None,
            member: Any,
        ) -> Any:
            if context.frozen is not None:
                key, own = jax.random.split(key)
                momentum = self._momenta(own, masses, momentum, context.frozen, kT)
            raw = jax.random.key_data(key)
            arguments = context.arguments(neighbours, kT, pressure, conditions, member)
            return self._integrator.initialize(raw, place, masses, momentum, neighbours.cell, **arguments)

        return over_replicas(one)(keys, positions, momenta, *context.of_replicas)

    def _momenta(
        self,
        key: jax.Array,
        masses: Float[Array, " atoms"],
        momentum: Float[Array, "atoms 3"] | None,
        frozen: Frozen,
        kT: Float[Array, ""] | None,
    ) -> Float[Array, "atoms 3"]:
        """Given or Maxwell–Boltzmann momenta of free atoms; those of their centre of mass are not taken out."""
        if momentum is None:
            spread = jnp.sqrt(masses * (self._thermal if kT is None else kT))[:, None]
            momentum = spread * jax.random.normal(key, (len(masses), 3), masses.dtype)
        return frozen.still(momentum)

    def _advance_until_stale(self, state: Any, context: Context, steps: Int[Array, ""]) -> Advance:
        def step(one: Any, *own: Any) -> Any:
            new = self._integrator.step(one, **context.arguments(*own))
            # Noise acts on all momenta.
            return new if context.frozen is None else new.set(momentum=context.frozen.still(new.momentum))

        def travelled(one: Any, neighbours: Neighbours) -> Float[Array, ""]:
            """Half the largest possible change of a distance since the list was made, cell changes taken out."""
            here = one.position
            if self._variable_cell:
                here = here / _scale(one.box, neighbours)
            squared = jnp.sum((here - neighbours.origin) ** 2, axis=-1)
            farthest = jnp.argmax(squared)
            second = jnp.max(jnp.where(jnp.arange(len(squared)) == farthest, 0, squared))
            moved = (jnp.sqrt(squared[farthest]) + jnp.sqrt(second)) / 2
            # A sum, because maxima may pass over NaN.
            finite = jnp.isfinite(jnp.sum(squared))
            return jnp.where(finite, moved, jnp.inf) + self._strain_margin(one, neighbours)

        def crowd(one: Any, neighbours: Neighbours) -> Bool[Array, ""]:
            """Whether an atom has more neighbours than the packed graph holds."""
            if not neighbours.packed_width:
                return jnp.zeros((), bool)
            scale = _scale(one.box, neighbours) if self._variable_cell else None
            inside = neighbours.graph(context.species, one.position, scale).inside(context.potential.cutoff)
            return jnp.max(jnp.sum(inside, axis=1)) > neighbours.packed_width

        def body(carry: tuple[Array, Any, Array, Array, Array]) -> tuple[Array, Any, Array, Array, Array]:
            done, old, *_ = carry
            new = over_replicas(step)(old, *context.of_replicas)
            jump = jnp.max(over_replicas(travelled)(new, context.neighbours))
            crowded = jnp.any(over_replicas(crowd)(new, context.neighbours))
            good = (jump <= self._limit) & ~crowded
            # A step that leaves the list behind is taken back, and done again with a new list.
            kept = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, old)
            return done + good, kept, good, jump, crowded

        def proceed(carry: tuple[Array, Any, Array, Array, Array]) -> Bool[Array, ""]:
            done, _, good, *_ = carry
            return (done < steps) & good

        start = (
            jnp.zeros((), jnp.int32),
            state,
            jnp.ones((), bool),
            jnp.zeros((), state.position.dtype),
            jnp.zeros((), bool),
        )
        done, state, _, jump, crowded = jax.lax.while_loop(proceed, body, start)
        return Advance(state, done, jnp.isfinite(jump), jump, crowded)

    def _strain_margin(self, one: Any, neighbours: Neighbours) -> Float[Array, ""]:
        """Half of what shrinking of the cell may have brought two atoms closer, in Å."""
        if not self._variable_cell or not math.isfinite(self._reach):
            return jnp.zeros((), one.position.dtype)
        # Pairs just outside the list come closer in proportion to their distance, which is that of the list's reach.
        shrink = jnp.maximum(1 - _scale(one.box, neighbours), 0)
        return (shrink * self._reach / 2).astype(one.position.dtype)

    def _most_neighbours_of_all(self, positions: Float[Array, "replicas atoms 3"], context: Context) -> Int[Array, ""]:
        def one(place: Float[Array, "atoms 3"], neighbours: Neighbours) -> Int[Array, ""]:
            inside = neighbours.graph(context.species, place).inside(context.potential.cutoff)
            return jnp.max(jnp.sum(inside, axis=1))

        return jnp.max(over_replicas(one)(positions, context.neighbours))

    def _record_all(self, state: Any, context: Context) -> tuple[Prediction, StructureSpread | None]:
        def one(
            single: Any, neighbours: Neighbours, conditions: dict[str, Float[Array, ""]] | None, member: Any
        ) -> tuple[Prediction, StructureSpread | None]:
            scale = _scale(single.box, neighbours) if self._variable_cell else None
            potential = context.potential_of(member)
            graph = neighbours.graph_of(potential, context.species, single.position, scale, conditions)
            if not knows_spread(potential):
                return evaluate(potential, graph), None
            found = evaluate_with_spread(potential, graph)
            return found.mean, structure_spread(found.spread, graph)

        return over_replicas(one)(state, context.neighbours, context.conditions, context.members)


def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
    """``vmap`` over the leading axis; one replica runs without it, which is faster."""

    def mapped(*arguments: Any) -> Any:
        leaves = jax.tree.leaves(arguments)
        if leaves[0].shape[0] > 1:
            return jax.vmap(function)(*arguments)
        single = jax.tree.map(lambda leaf: leaf[0], arguments)
        return jax.tree.map(lambda leaf: leaf[None], function(*single))

    return mapped
