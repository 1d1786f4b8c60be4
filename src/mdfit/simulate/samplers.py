"""Samplers: which ensemble, which time step; jax-md's integrators behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from mdfit.errors import SimulationError, nearest
from mdfit.units import BAR, BOLTZMANN, FEMTOSECOND, quantity


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


class Sampler(Protocol):
    """A way to sample an ensemble."""

    ensemble: str

    @property
    def timestep_fs(self) -> float: ...

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        """The integrator at a temperature (K) and a pressure (bar)."""
        ...

    def degrees_of_freedom(self, atoms: int, frozen: int = 0) -> int:
        """How many quadratic terms the kinetic energy of so many atoms has, some of them frozen, for the temperature."""
        ...


def _positive(value: float | str, unit: str, name: str) -> float:
    number = quantity(value, unit, name)
    if not number > 0:
        raise SimulationError(f"The {name} must be positive, but is {number} {unit}.")
    return number


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


def _shift(positions, displacement, frozen: Frozen | None = None, **context):
    """Free space: positions are never wrapped, images are the neighbour lists' matter; frozen atoms stay."""
    return positions + (displacement if frozen is None else frozen.still(displacement))


class _Timed:
    timestep: float | str

    @property
    def timestep_fs(self) -> float:
        return _positive(self.timestep, "fs", "timestep")

    @property
    def _internal_step(self) -> float:
        return self.timestep_fs * FEMTOSECOND

    def degrees_of_freedom(self, atoms: int, frozen: int = 0) -> int:
        if frozen:
            # They take up momentum, so that the centre of mass moves.
            return 3 * (atoms - frozen)
        # The centre of mass is at rest and stays so.
        return 3 * atoms - 3 if atoms > 1 else 3


@dataclass(frozen=True)
class NVE(_Timed):
    """Constant energy, by velocity Verlet.

    Args:
        timestep: in fs.
    """

    timestep: float | str = "1 fs"
    ensemble = "NVE"

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        from jax_md import simulate

        initialize, step = simulate.nve(interactions.forces, _shift, self._internal_step)
        thermal = BOLTZMANN * temperature

        def start(key, positions, masses, momenta, cell, kT=thermal, **context):
            return initialize(key, positions, kT, mass=masses, momenta=momenta, cell=cell, **context)

        return Integrator(start, step)


@dataclass(frozen=True)
class Langevin(_Timed):
    """Constant temperature with friction and noise, by the BAOAB splitting.

    B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990.

    Args:
        timestep: in fs.
        friction: in 1/ps.
    """

    timestep: float | str = "1 fs"
    friction: float | str = "1 /ps"
    ensemble = "NVT"

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        from jax_md import simulate

        gamma = _positive(self.friction, "1/ps", "friction") / (1000 * FEMTOSECOND)
        thermal = BOLTZMANN * temperature
        initialize, step = simulate.nvt_langevin(interactions.forces, _shift, self._internal_step, thermal, gamma)

        def start(key, positions, masses, momenta, cell, **context):
            return initialize(key, positions, mass=masses, momenta=momenta, cell=cell, **context)

        return Integrator(start, step)

    def degrees_of_freedom(self, atoms: int, frozen: int = 0) -> int:
        # Noise moves the centre of mass, too.
        return 3 * (atoms - frozen)


@dataclass(frozen=True)
class Brownian(_Timed):
    """Constant temperature without inertia: overdamped dynamics, by the Euler–Maruyama scheme.

    Δr = F Δt/(m γ) + √(2 k_BT Δt/(m γ)) ξ.  The distribution that it samples has an error of first order in the step.
    Velocities are drawn from their distribution at the start and never used.

    Args:
        timestep: in fs.
        friction: γ in 1/ps.
    """

    timestep: float | str = "1 fs"
    friction: float | str = "100 /ps"
    ensemble = "NVT"

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        from jax_md import simulate

        gamma = _positive(self.friction, "1/ps", "friction") / (1000 * FEMTOSECOND)
        thermal = BOLTZMANN * temperature
        _, move = simulate.brownian(interactions.forces, _shift, self._internal_step, thermal, gamma)
        initialize, _ = simulate.nvt_langevin(interactions.forces, _shift, self._internal_step, thermal, gamma)

        def start(key, positions, masses, momenta, cell, **context):
            return initialize(key, positions, mass=masses, momenta=momenta, cell=cell, **context)

        def step(state, **context):
            moved = move(simulate.BrownianState(state.position, state.mass, state.rng), **context)
            return state.set(position=moved.position, rng=moved.rng)

        return Integrator(start, step)

    def degrees_of_freedom(self, atoms: int, frozen: int = 0) -> int:
        return 3 * (atoms - frozen)


@dataclass(frozen=True)
class NoseHoover(_Timed):
    """Constant temperature by a Nosé–Hoover chain.

    G. J. Martyna, M. L. Klein, M. Tuckerman, J. Chem. Phys. 97, 2635 (1992), doi:10.1063/1.463940.

    Args:
        timestep: in fs.
        relaxation: period of the thermostat in fs, by default 100 time steps.
        chain_length: thermostats in the chain.
    """

    timestep: float | str = "1 fs"
    relaxation: float | str | None = None
    chain_length: int = 3
    ensemble = "NVT"

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        from jax_md import simulate

        initialize, step = simulate.nvt_nose_hoover(
            interactions.forces,
            _shift,
            self._internal_step,
            BOLTZMANN * temperature,
            chain_length=self.chain_length,
            tau=_relaxation(self.relaxation, 100, self),
        )

        def start(key, positions, masses, momenta, cell, frozen=None, **context):
            state = initialize(key, positions, mass=masses, momenta=momenta, cell=cell, frozen=frozen, **context)
            # jax-md counts 3N degrees of freedom; with the centre of mass at rest, or frozen atoms, that would heat.
            freedom = self.degrees_of_freedom(len(positions), 0 if frozen is None else frozen.number)
            return state.set(chain=state.chain.set(degrees_of_freedom=freedom))

        return Integrator(start, step)


@dataclass(frozen=True)
class NPT(_Timed):
    """Constant temperature and pressure with isotropic cell changes, by two Nosé–Hoover chains.

    G. J. Martyna, D. J. Tobias, M. L. Klein, J. Chem. Phys. 101, 4177 (1994), doi:10.1063/1.467468.

    Args:
        timestep: in fs.
        thermostat_relaxation: in fs, by default 100 time steps.
        barostat_relaxation: in fs, by default 1000 time steps.

    Volumes are those of the isothermal-isobaric ensemble, P(V) ∝ Vᴺ exp(−βPV) Z(V), for any number of atoms.
    """

    timestep: float | str = "1 fs"
    thermostat_relaxation: float | str | None = None
    barostat_relaxation: float | str | None = None
    ensemble = "NPT"

    def integrator(self, interactions: Interactions, temperature: float, pressure: float | None) -> Integrator:
        from jax_md import simulate

        if pressure is None:
            raise SimulationError(
                'Constant pressure needs a state point with a pressure, for instance pressure="1 bar".'
            )
        thermal = BOLTZMANN * temperature

        def energy(positions, *, box, perturbation=1.0, **context):
            # With the centre of mass at rest, jax-md's equations sample Vᴺ⁻¹⁻¹ᐟᴺ instead of Vᴺ; this puts it back.
            logarithm = jnp.log(jnp.abs(jnp.linalg.det(box))) + 3 * jnp.log(perturbation)
            missing = context.get("kT", thermal) * (1 + 1 / len(positions)) * logarithm
            return interactions.energy(positions, box=box, perturbation=perturbation, **context) - missing

        initialize, step = simulate.npt_nose_hoover(
            energy,
            _shift,
            self._internal_step,
            pressure * BAR,
            thermal,
            barostat_kwargs={"tau": _relaxation(self.barostat_relaxation, 1000, self)},
            thermostat_kwargs={"tau": _relaxation(self.thermostat_relaxation, 100, self)},
        )

        def start(key, positions, masses, momenta, cell, **context):
            box = jnp.asarray(cell, positions.dtype)
            state = initialize(key, positions, box, mass=masses, momenta=momenta, **context)
            freedom = self.degrees_of_freedom(len(positions))
            state = state.set(thermostat=state.thermostat.set(degrees_of_freedom=freedom))
            # jax-md leaves relaxation times as plain numbers; replicas and restart files need arrays, and its chains
            # are single precision throughout.
            return jax.tree.map(lambda leaf: jnp.float32(leaf) if isinstance(leaf, float) else leaf, state)

        def advance(state, cell=None, **context):
            return step(state, **context)

        return Integrator(start, advance)


def _relaxation(value: float | str | None, steps: int, sampler: _Timed) -> float:
    """A relaxation time in internal units."""
    if value is None:
        return steps * sampler.timestep_fs * FEMTOSECOND
    return _positive(value, "fs", "relaxation time") * FEMTOSECOND


def sampler_of(name: str, timestep: float | str, friction: float | str = 1.0) -> Sampler:
    """The sampler of a name, with its defaults but for the time step (fs) and the friction (1/ps, Langevin only).

    Raises:
        SimulationError: for an unknown name.
    """
    samplers: dict[str, Callable[[], Sampler]] = {
        "NVE": lambda: NVE(timestep),
        "Langevin": lambda: Langevin(timestep, friction),
        "Brownian": lambda: Brownian(timestep, friction),
        "NoseHoover": lambda: NoseHoover(timestep),
        "NPT": lambda: NPT(timestep),
    }
    if name not in samplers:
        raise SimulationError(f"There is no sampler '{name}': {nearest(name, samplers)}.")
    return samplers[name]()
