"""Heat capacity at constant volume."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

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

    The averages are of U/√N, U²/N, T and f/(2N).
    """

    uses_velocities = True

    unit = "J/mol/K"
    ensembles = ("NVT",)

    def per_snapshot(self, snapshot: Snapshot):
        atoms, freedom = snapshot.number_of_atoms, snapshot.degrees_of_freedom
        energy = snapshot.potential_energy.astype(jnp.float64) / jnp.sqrt(atoms)
        temperature = 2 * snapshot.kinetic_energy / (freedom * BOLTZMANN)
        return jnp.stack([energy, energy**2, temperature, jnp.full_like(energy, freedom / (2 * atoms))])

    def combine(self, averages):
        energy, squared_energy, temperature, kinetic = averages
        thermal = BOLTZMANN * temperature
        return GAS_CONSTANT * ((squared_energy - energy**2) / thermal**2 + kinetic)
