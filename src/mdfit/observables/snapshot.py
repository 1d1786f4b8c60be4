"""One instant of a simulation, as observables see it."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import mdfit.precision  # noqa: F401  (64-bit sums)
from mdfit.simulate import Trajectory


class Snapshot(eqx.Module):
    """Positions, velocities and what the potential says of them.

    Attributes:
        positions: ``(atoms, 3)`` in Å, not wrapped into the cell.
        velocities: ``(atoms, 3)`` in Å per internal time unit (10.18 fs).
        cell: ``(3, 3)`` row vectors in Å.
        species: ``(atoms,)`` atomic numbers or bead types.
        masses: ``(atoms,)`` in amu.
        potential_energy: in eV.
        stress: ``(3, 3)`` in eV/Å³: the potential part (1/V) ∂U/∂ε, tension positive.
        temperature: of the thermostat in K.
        degrees_of_freedom: quadratic terms of the kinetic energy.
        periodic: along which cell vectors the structure repeats.
        pressure: of the barostat in bar; None without one.
        number_frozen: atoms that stand still.
        stiffness: ``(3, 3, 3, 3)`` in eV/Å³: the potential part (1/V) ∂²U/∂ε_ij∂ε_kl for r → (1 + ε) r; only there for
            observables that need it (:func:`mdfit.potentials.born_stiffness`).
        temperature_derivatives: ``(2,)`` ∂U/∂T in eV/K and ∂²U/∂T² in eV/K² at fixed positions, for observables that need
            them and potentials that depend on the temperature; None stands for zero.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Snapshot
        >>> from mdfit.simulate import Trajectory
        >>> silicon = bulk("Si", cubic=True)
        >>> frames = Frames(silicon.numbers, silicon.get_masses(), [silicon.positions], silicon.cell, silicon.pbc)
        >>> snapshot = Snapshot.of(Trajectory.of_frames(frames, temperature=300.0), frame=0)
        >>> snapshot.number_of_atoms, round(float(snapshot.volume), 2), float(snapshot.temperature)
        (8, 160.1, 300.0)
    """

    positions: Float[Array, "atoms 3"]
    velocities: Float[Array, "atoms 3"]
    cell: Float[Array, "3 3"]
    species: Int[Array, " atoms"]
    masses: Float[Array, " atoms"]
    potential_energy: Float[Array, ""]
    stress: Float[Array, "3 3"]
    temperature: Float[Array, ""]
    degrees_of_freedom: int = eqx.field(static=True)
    periodic: tuple[bool, bool, bool] = eqx.field(static=True, default=(True, True, True))
    pressure: Float[Array, ""] | None = None
    number_frozen: int = eqx.field(static=True, default=0)
    stiffness: Float[Array, "3 3 3 3"] | None = None
    temperature_derivatives: Float[Array, "2"] | None = None

    @property
    def volume(self) -> Float[Array, ""]:
        """In Å³."""
        return jnp.abs(jnp.linalg.det(self.cell))

    @property
    def number_of_atoms(self) -> int:
        return self.positions.shape[0]

    @property
    def kinetic_energy(self) -> Float[Array, ""]:
        """Of all atoms, the motion of the centre of mass included, in eV."""
        return 0.5 * jnp.sum(self.masses[:, None] * self.velocities**2)

    def at(
        self,
        positions: Float[Array, "atoms 3"],
        velocities: Float[Array, "atoms 3"],
        cell: Float[Array, "3 3"],
        potential_energy: Float[Array, ""],
        stress: Float[Array, "3 3"],
        stiffness: Float[Array, "3 3 3 3"] | None = None,
        temperature_derivatives: Float[Array, "2"] | None = None,
    ) -> "Snapshot":
        """The same system at another instant; pure, in the units of the attributes."""
        return dataclasses.replace(
            self,
            positions=positions,
            velocities=velocities,
            cell=cell,
            potential_energy=potential_energy,
            stress=stress,
            stiffness=stiffness,
            temperature_derivatives=temperature_derivatives,
        )

    @classmethod
    def of(cls, trajectory: Trajectory, frame: int = -1, replica: int = 0) -> "Snapshot":
        """One frame of a trajectory in double precision."""
        return cls(
            positions=jnp.asarray(trajectory.positions[replica, frame], jnp.float64),
            velocities=jnp.asarray(trajectory.velocities[replica, frame], jnp.float64),
            cell=jnp.asarray(trajectory.cells[replica, frame], jnp.float64),
            species=jnp.asarray(trajectory.species, jnp.int32),
            masses=jnp.asarray(trajectory.masses, jnp.float64),
            potential_energy=jnp.asarray(trajectory.potential_energies[replica, frame], jnp.float64),
            stress=jnp.asarray(trajectory.stresses[replica, frame], jnp.float64),
            temperature=jnp.asarray(trajectory.temperature, jnp.float64),
            degrees_of_freedom=int(trajectory.degrees_of_freedom),
            periodic=periodic_flags(trajectory),
            pressure=None if trajectory.pressure is None else jnp.asarray(trajectory.pressure, jnp.float64),
            number_frozen=0 if trajectory.frozen is None else int(np.sum(trajectory.frozen)),
        )


def periodic_flags(trajectory: Trajectory) -> tuple[bool, bool, bool]:
    """The periodicity as a hashable tuple."""
    first, second, third = (bool(flag) for flag in trajectory.periodic)
    return first, second, third
