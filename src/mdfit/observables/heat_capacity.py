"""Heat capacity at constant volume."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.observables.base import Observable
from mdfit.observables.snapshot import Snapshot
from mdfit.units import BOLTZMANN

#: The gas constant in J/(mol K): the Boltzmann constant per mole (exact in the SI since 2019).
GAS_CONSTANT = 8.31446261815324


@dataclass(frozen=True)
class HeatCapacity(Observable):
    """Heat capacity at constant volume, per mole of atoms, in J/(mol K), from an NVT simulation.

    C_V = [ (<U²> − <U>²) / (k_B T)² + f/2 ] R / N: the fluctuation of the potential energy U, plus the exact kinetic
    part of f degrees of freedom, which has less noise than its fluctuation.  T is the average kinetic temperature.
    Nuclei are classical.  M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed., eq. 2.82,
    doi:10.1093/oso/9780198803195.001.0001.

    A potential that depends on the temperature, as that of coarse-grained beads does, is a free energy; its energy is
    W = U − T ∂U/∂T (T of the thermostat), and C_V = d<W>/dT = [ (<W²> − <W>²) / (k_B T)² − T <∂²U/∂T²> / k_B + f/2 ] R / N.
    Give :func:`mdfit.observables.estimate` the potential, so that its derivatives are known.

    The averages are of W/√N, W²/N, T, f/(2N) and −T ∂²U/∂T²/(k_B N).

    Example:
        >>> from mdfit.observables import HeatCapacity
        >>> HeatCapacity().unit, HeatCapacity().ensembles
        ('J/mol/K', ('NVT',))
    """

    uses_velocities = True
    needs_temperature_derivatives = True

    unit = "J/mol/K"
    ensembles = ("NVT",)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "5"]:
        atoms, freedom = snapshot.number_of_atoms, snapshot.degrees_of_freedom
        energy = snapshot.potential_energy.astype(jnp.float64)
        own = jnp.zeros_like(energy)
        if snapshot.temperature_derivatives is not None:
            slope, curvature = snapshot.temperature_derivatives
            energy = energy - snapshot.temperature * slope
            own = -snapshot.temperature * curvature / (BOLTZMANN * atoms)
        energy = energy / jnp.sqrt(atoms)
        temperature = 2 * snapshot.kinetic_energy / (freedom * BOLTZMANN)
        return jnp.stack([energy, energy**2, temperature, jnp.full_like(energy, freedom / (2 * atoms)), own])

    def combine(self, averages: Float[Array, "5"]) -> Float[Array, ""]:
        energy, squared_energy, temperature, kinetic, own = averages
        thermal = BOLTZMANN * temperature
        return GAS_CONSTANT * ((squared_energy - energy**2) / thermal**2 + kinetic + own)
