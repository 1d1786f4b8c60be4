"""jax-md's integrators for the samplers."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from mdfit.errors import SimulationError
from mdfit.simulate.samplers import NPT, NVE, Brownian, Langevin, NoseHoover, Sampler
from mdfit.units import FEMTOSECOND, quantity


class Integrator(NamedTuple):
    """Two functions: the state from positions, and one time step.

    ``initialize(key, positions, masses, momenta, cell, **context)`` and ``step(state, **context)``; the context
    (potential, neighbour lists, cell) reaches the force function.  Where replicas differ in them, ``kT`` (eV) and
    ``pressure`` (eV/Å³) in the context stand in place of those that the integrator was made for.
    """

    initialize: Callable[..., Any]
    step: Callable[..., Any]


class Interactions(NamedTuple):
    """What an integrator may ask of a potential: forces at a fixed cell, or an energy as a function of the cell."""

    forces: Callable[..., Any]
    energy: Callable[..., Any]


class Frozen(eqx.Module):
    """Atoms that stand still.

    Attributes:
        mask: ``(atoms,)``.
        number: of them.
    """

    mask: Bool[Array, " atoms"]
    number: int = eqx.field(static=True)

    @classmethod
    def of(cls, mask: np.ndarray | None) -> Frozen | None:
        """None when all atoms move."""
        return None if mask is None else cls(jnp.asarray(mask), int(mask.sum()))

    def still(self, vectors: Array) -> Array:
        """Vectors ``(atoms, 3)``, zero for frozen atoms."""
        return jnp.where(self.mask[:, None], 0, vectors)


def _shift(
    positions: Float[Array, "atoms 3"],
    displacement: Float[Array, "atoms 3"],
    frozen: Frozen | None = None,
    **context: Any,
) -> Float[Array, "atoms 3"]:
    """Free space: positions are never wrapped, images are the neighbour lists' matter; frozen atoms stay."""
    return positions + (displacement if frozen is None else frozen.still(displacement))


class Conditions(NamedTuple):
    """Where an integrator holds the atoms.

    Attributes:
        kT: in eV.
        pressure: in eV/Å³, or None.
        degrees_of_freedom: of the kinetic energy.
    """

    kT: float
    pressure: float | None
    degrees_of_freedom: int


@singledispatch
def integrator(sampler: Sampler, interactions: Interactions, conditions: Conditions) -> Integrator:
    """The integrator of a sampler; register one for samplers of your own.

    Args:
        sampler: ensemble and time step.
        interactions: forces and energy.
        conditions: of all replicas, or of the first where each has its own.

    Raises:
        SimulationError: for a sampler that has none.
    """
    possible = sorted(kind.__name__ for kind in integrator.registry if kind is not object)
    raise SimulationError(
        f"JaxMD does not simulate {type(sampler).__name__}: choose {', '.join(possible)}, or another engine."
    )


@integrator.register
def _nve(sampler: NVE, interactions: Interactions, conditions: Conditions) -> Integrator:
    from jax_md import simulate

    initialize, step = simulate.nve(interactions.forces, _shift, sampler.timestep_fs * FEMTOSECOND)

    def start(
        key: Array,
        positions: Array,
        masses: Array,
        momenta: Array | None,
        cell: Array,
        kT: float | Array = conditions.kT,
        **context: Any,
    ) -> Any:
        return initialize(key, positions, kT, mass=masses, momenta=momenta, cell=cell, **context)

    return Integrator(start, step)


@integrator.register
def _langevin(sampler: Langevin, interactions: Interactions, conditions: Conditions) -> Integrator:
    from jax_md import simulate

    step_length, gamma = sampler.timestep_fs * FEMTOSECOND, sampler.friction_per_ps / (1000 * FEMTOSECOND)
    initialize, step = simulate.nvt_langevin(interactions.forces, _shift, step_length, conditions.kT, gamma)

    def start(key: Array, positions: Array, masses: Array, momenta: Array | None, cell: Array, **context: Any) -> Any:
        return initialize(key, positions, mass=masses, momenta=momenta, cell=cell, **context)

    return Integrator(start, step)


@integrator.register
def _brownian(sampler: Brownian, interactions: Interactions, conditions: Conditions) -> Integrator:
    from jax_md import simulate

    step_length, gamma = sampler.timestep_fs * FEMTOSECOND, sampler.friction_per_ps / (1000 * FEMTOSECOND)
    _, move = simulate.brownian(interactions.forces, _shift, step_length, conditions.kT, gamma)
    initialize, _ = simulate.nvt_langevin(interactions.forces, _shift, step_length, conditions.kT, gamma)

    def start(key: Array, positions: Array, masses: Array, momenta: Array | None, cell: Array, **context: Any) -> Any:
        return initialize(key, positions, mass=masses, momenta=momenta, cell=cell, **context)

    def step(state: Any, **context: Any) -> Any:
        moved = move(simulate.BrownianState(state.position, state.mass, state.rng), **context)
        return state.set(position=moved.position, rng=moved.rng)

    return Integrator(start, step)


@integrator.register
def _nose_hoover(sampler: NoseHoover, interactions: Interactions, conditions: Conditions) -> Integrator:
    from jax_md import simulate

    initialize, step = simulate.nvt_nose_hoover(
        interactions.forces,
        _shift,
        sampler.timestep_fs * FEMTOSECOND,
        conditions.kT,
        chain_length=sampler.chain_length,
        tau=_relaxation(sampler.relaxation, 100 * sampler.timestep_fs),
    )

    def start(
        key: Array,
        positions: Array,
        masses: Array,
        momenta: Array | None,
        cell: Array,
        frozen: Frozen | None = None,
        **context: Any,
    ) -> Any:
        state = initialize(key, positions, mass=masses, momenta=momenta, cell=cell, frozen=frozen, **context)
        # jax-md counts 3N degrees of freedom; with the centre of mass at rest, or frozen atoms, that would heat.
        return state.set(chain=state.chain.set(degrees_of_freedom=conditions.degrees_of_freedom))

    return Integrator(start, step)


@integrator.register
def _npt(sampler: NPT, interactions: Interactions, conditions: Conditions) -> Integrator:
    from jax_md import simulate

    def energy(
        positions: Float[Array, "atoms 3"],
        *,
        box: Float[Array, "3 3"],
        perturbation: Float[ArrayLike, ""] = 1.0,
        **context: Any,
    ) -> Float[Array, ""]:
        # With the centre of mass at rest, jax-md's equations sample Vᴺ⁻¹⁻¹ᐟᴺ instead of Vᴺ; this puts it back.
        logarithm = jnp.log(jnp.abs(jnp.linalg.det(box))) + 3 * jnp.log(perturbation)
        missing = context.get("kT", conditions.kT) * (1 + 1 / len(positions)) * logarithm
        return interactions.energy(positions, box=box, perturbation=perturbation, **context) - missing

    initialize, step = simulate.npt_nose_hoover(
        energy,
        _shift,
        sampler.timestep_fs * FEMTOSECOND,
        conditions.pressure,
        conditions.kT,
        barostat_kwargs={"tau": _relaxation(sampler.barostat_relaxation, 1000 * sampler.timestep_fs)},
        thermostat_kwargs={"tau": _relaxation(sampler.thermostat_relaxation, 100 * sampler.timestep_fs)},
    )

    def start(key: Array, positions: Array, masses: Array, momenta: Array | None, cell: Array, **context: Any) -> Any:
        box = jnp.asarray(cell, positions.dtype)
        state = initialize(key, positions, box, mass=masses, momenta=momenta, **context)
        state = state.set(thermostat=state.thermostat.set(degrees_of_freedom=conditions.degrees_of_freedom))
        # jax-md leaves relaxation times as plain numbers; replicas and restart files need arrays, and its chains
        # are single precision throughout.
        return jax.tree.map(lambda leaf: jnp.float32(leaf) if isinstance(leaf, float) else leaf, state)

    def advance(state: Any, cell: Float[Array, "3 3"] | None = None, **context: Any) -> Any:
        return step(state, **context)

    return Integrator(start, advance)


def _relaxation(given: float | str | None, default: float) -> float:
    """A relaxation time (fs) in internal units."""
    return (default if given is None else quantity(given, "fs", "relaxation time")) * FEMTOSECOND
