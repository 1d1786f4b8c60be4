"""One instant of a simulation, as observables see it."""

import equinox as eqx
import jax.numpy as jnp
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
        degrees_of_freedom: quadratic terms of the kinetic energy.
        periodic: along which cell vectors the structure repeats.
    """

    positions: Float[Array, "atoms 3"]
    velocities: Float[Array, "atoms 3"]
    cell: Float[Array, "3 3"]
    species: Int[Array, " atoms"]
    masses: Float[Array, " atoms"]
    potential_energy: Float[Array, ""]
    stress: Float[Array, "3 3"]
    degrees_of_freedom: int = eqx.field(static=True)
    periodic: tuple[bool, bool, bool] = eqx.field(static=True, default=(True, True, True))

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
            degrees_of_freedom=int(trajectory.degrees_of_freedom),
            periodic=periodic_flags(trajectory),
        )


def periodic_flags(trajectory: Trajectory) -> tuple[bool, bool, bool]:
    """The periodicity as a hashable tuple."""
    first, second, third = (bool(flag) for flag in trajectory.periodic)
    return first, second, third
