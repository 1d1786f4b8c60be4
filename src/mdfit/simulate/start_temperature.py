"""At which temperature a simulation starts: the one that is asked for, or that of its velocities."""

from __future__ import annotations

import numpy as np

from mdfit.errors import SimulationError
from mdfit.simulate.samplers import Sampler, degrees_of_freedom, without_drift
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN, quantity


def start_temperature(structure: Structure, sampler: Sampler, temperature: float | str | None) -> float:
    """The temperature of a state point in K, where none must be asked for in vain.

    NVE keeps the velocities of a structure that has some, but for that of the centre of mass; their temperature is that of
    the simulation.

    Args:
        structure: where the simulation starts.
        sampler: of the simulation.
        temperature: in K, or None.

    Raises:
        SimulationError: a temperature that would be ignored, or none where one is needed.
    """
    goes_on = sampler.ensemble == "NVE" and structure.velocities is not None
    if goes_on and temperature is not None:
        raise SimulationError(
            f"The temperature of {temperature} would be ignored by NVE, which starts with the velocities of the structure; "
            "leave it out."
        )
    if temperature is not None:
        return quantity(temperature, "K", "temperature")
    if not goes_on:
        raise SimulationError(
            "A simulation that does not go on with velocities in NVE needs a temperature, like '300 K'."
        )
    velocities = without_drift(structure, sampler).velocities
    assert velocities is not None
    twice_kinetic = float(np.sum(structure.masses[:, None] * velocities**2))
    return twice_kinetic / (degrees_of_freedom(structure, sampler) * BOLTZMANN)
