"""Stress and pressure, kinetic parts included."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.observables.base import Observable, require_periodic
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import BAR, GIGAPASCAL


def total_stress(snapshot: Snapshot) -> Float[Array, "3 3"]:
    """σ = (1/V) [∂U/∂ε − N/(N−1) Σ_i m_i v_i v_iᵀ] in eV/Å³, tension positive.

    Velocities are relative to the centre of mass, whose motion does no work on the cell.  That takes one atom's share
    from the kinetic part whether or not the sampler moves the centre of mass; N/(N−1) puts it back, so that the average
    is the thermodynamic stress −N k_B T/V + (1/V)<∂U/∂ε> in every ensemble.  With frozen atoms the velocities are those
    in the frame of these, and N is the number of the others.
    """
    atoms = snapshot.number_of_atoms
    masses = snapshot.masses[:, None]
    if snapshot.number_frozen:
        return snapshot.stress - (masses * snapshot.velocities).T @ snapshot.velocities / snapshot.volume
    relative = snapshot.velocities - jnp.sum(masses * snapshot.velocities, axis=0) / jnp.sum(masses)
    flow = (masses * relative).T @ relative
    return snapshot.stress - atoms / max(atoms - 1, 1) * flow / snapshot.volume


@dataclass(frozen=True)
class Stress(Observable):
    """Stress with its kinetic part, six Voigt components in GPa, tension positive; see :func:`total_stress`.

    A. P. Thompson et al., J. Chem. Phys. 131, 154107 (2009), doi:10.1063/1.3245303.

    Example:
        >>> from mdfit.observables import Stress
        >>> Stress().labels, Stress().unit
        (('xx', 'yy', 'zz', 'yz', 'xz', 'xy'), 'GPa')
    """

    uses_velocities = True

    unit = "GPa"
    labels = ("xx", "yy", "zz", "yz", "xz", "xy")

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "6"]:
        stress = total_stress(snapshot) / GIGAPASCAL
        return stress[jnp.array([0, 1, 2, 1, 0, 0]), jnp.array([0, 1, 2, 2, 2, 1])]

    def check(self, trajectory: Trajectory) -> None:
        require_periodic(self.name, trajectory)


@dataclass(frozen=True)
class Pressure(Observable):
    """Pressure −tr σ/3 with its kinetic part, in bar; see :func:`total_stress`.

    Example:
        >>> from mdfit.observables import Pressure
        >>> Pressure().unit, Pressure().uses_velocities
        ('bar', True)
    """

    uses_velocities = True

    unit = "bar"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, ""]:
        return -jnp.trace(total_stress(snapshot)) / 3 / BAR

    def check(self, trajectory: Trajectory) -> None:
        require_periodic(self.name, trajectory)
