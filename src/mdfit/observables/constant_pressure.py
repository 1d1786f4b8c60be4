"""Responses of volume and enthalpy to temperature and pressure, from fluctuations at constant pressure.

M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.5,
doi:10.1093/oso/9780198803195.001.0001.  Temperature and pressure are those of thermostat and barostat.  The kinetic
energy does not correlate with the volume and has an exact fluctuation, so that it is left out of the averages: that
changes nothing but the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable, require_periodic
from mdfit.observables.heat_capacity import GAS_CONSTANT
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import BAR, BOLTZMANN, GIGAPASCAL


@dataclass(frozen=True)
class _AtConstantPressure(Observable):
    """What needs a barostat."""

    ensembles = ("NPT",)

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        require_periodic(self.name, trajectory)
        if trajectory.pressure is None:
            raise ObservableError(f"{self.name} needs the pressure of the barostat, but the trajectory has none.")


@dataclass(frozen=True)
class ThermalExpansion(_AtConstantPressure):
    """Volumetric coefficient of thermal expansion α = (1/V) (∂V/∂T)_p in 1/K, from an NPT simulation.

    α = cov(H, V) / (k_B T² <V>) with the enthalpy H = U + K + p V; for cubic crystals the linear coefficient is a third.

    The averages are of V, of the configurational enthalpy h = (U + pV)/(k_B T), of hV and of 1/T.

    Example:
        >>> from mdfit.observables import ThermalExpansion
        >>> ThermalExpansion().unit, ThermalExpansion().ensembles
        ('1/K', ('NPT',))
    """

    unit = "1/K"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "4"]:
        volume, enthalpy = snapshot.volume, _reduced_enthalpy(snapshot)
        return jnp.stack([volume, enthalpy, enthalpy * volume, 1 / snapshot.temperature])

    def combine(self, averages: Float[Array, "4"]) -> Float[Array, ""]:
        volume, enthalpy, product, inverse_temperature = averages
        return (product - enthalpy * volume) * inverse_temperature / volume


@dataclass(frozen=True)
class Compressibility(_AtConstantPressure):
    """Isothermal compressibility κ_T = −(1/V) (∂V/∂p)_T = (<V²> − <V>²) / (k_B T <V>) in 1/GPa, from an NPT simulation.

    The averages are of V, of V²/(k_B T) and of 1/(k_B T).

    Example:
        >>> from mdfit.observables import Compressibility
        >>> Compressibility().unit, Compressibility().ensembles
        ('1/GPa', ('NPT',))
    """

    unit = "1/GPa"

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "3"]:
        thermal = BOLTZMANN * snapshot.temperature
        return jnp.stack([snapshot.volume, snapshot.volume**2 / thermal, 1 / thermal])

    def combine(self, averages: Float[Array, "3"]) -> Float[Array, ""]:
        volume, squared, inverse = averages
        return GIGAPASCAL * (squared - inverse * volume**2) / volume


@dataclass(frozen=True)
class HeatCapacityAtConstantPressure(_AtConstantPressure):
    """Heat capacity C_p = (∂H/∂T)_p per mole of atoms in J/(mol K), from an NPT simulation; nuclei are classical.

    C_p = [ (<h²> − <h>²) + f/2 ] R / N with the configurational enthalpy h = (U + pV)/(k_B T) and the exact part of f
    degrees of freedom of the kinetic energy.

    A potential that depends on the temperature has the energy W = U − T ∂U/∂T in place of U, and −T <∂²U/∂T²>/k_B is added,
    as in :class:`HeatCapacity`; :func:`mdfit.observables.estimate` needs the potential then.

    The averages are of h/√N, h²/N and f/(2N) − T ∂²U/∂T²/(k_B N).

    Example:
        >>> from mdfit.observables import HeatCapacityAtConstantPressure
        >>> HeatCapacityAtConstantPressure().unit, HeatCapacityAtConstantPressure().ensembles
        ('J/mol/K', ('NPT',))
    """

    unit = "J/mol/K"
    needs_temperature_derivatives = True

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "3"]:
        atoms = snapshot.number_of_atoms
        enthalpy = _reduced_enthalpy(snapshot)
        kinetic = jnp.full_like(enthalpy, snapshot.degrees_of_freedom / (2 * atoms))
        if snapshot.temperature_derivatives is not None:
            slope, curvature = snapshot.temperature_derivatives
            enthalpy = enthalpy - slope / BOLTZMANN
            kinetic = kinetic - snapshot.temperature * curvature / (BOLTZMANN * atoms)
        enthalpy = enthalpy / jnp.sqrt(atoms)
        return jnp.stack([enthalpy, enthalpy**2, kinetic])

    def combine(self, averages: Float[Array, "3"]) -> Float[Array, ""]:
        enthalpy, squared, kinetic = averages
        return GAS_CONSTANT * (squared - enthalpy**2 + kinetic)


def _reduced_enthalpy(snapshot: Snapshot) -> Float[Array, ""]:
    """(U + pV)/(k_B T)."""
    if snapshot.pressure is None:
        raise ObservableError("A snapshot at constant pressure needs the pressure of the barostat; give it.")
    work = BAR * snapshot.pressure * snapshot.volume
    return (snapshot.potential_energy + work) / (BOLTZMANN * snapshot.temperature)
