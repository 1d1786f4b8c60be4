"""Pressure, temperature and speed of rigid molecules in OpenMM."""

import numpy as np
import pytest

from mdfit.engines.openmm import OpenMM, pressures, speed, water_box
from mdfit.engines.openmm.measuring import context_of
from mdfit.precision import key
from mdfit.simulate import Langevin, StatePoint, run
from mdfit.units import BAR, BOLTZMANN, KILOJOULE_PER_MOLE

TEMPERATURE, LANGEVIN = 298.0, Langevin("2 fs", "1 /ps")


@pytest.fixture(scope="module")
def water():
    """A box of 64 molecules, whose edge is 12.4 Å."""
    return water_box(64, "tip4p2005", cutoff="6 Å")


@pytest.fixture(scope="module")
def frames(water):
    at = StatePoint(water.structure(), TEMPERATURE)
    settings = {"duration": "1 ps", "every": "0.2 ps", "key": key(0), "engine": OpenMM(threads=1)}
    return run(water, at, LANGEVIN, **settings).frames()


def test_pressure_is_the_derivative_of_the_energy_by_the_volume(water, frames):
    (found,) = pressures(water, frames.select([4]), TEMPERATURE)
    context = context_of(water, LANGEVIN, TEMPERATURE, 0)
    cell = frames.cells[4].astype(float)
    places = water.positions.copy()
    places[water.atoms] = frames.positions[4]
    context.setPeriodicBoxVectors(*(cell / 10).tolist())
    context.setPositions(places / 10)
    context.computeVirtualSites()
    places = context.getState(getPositions=True).getPositions(asNumpy=True)._value * 10
    # OpenMM moves the mean of the four particles of a molecule; on average the choice does not matter.
    centres = np.repeat(places.reshape(64, 4, 3).mean(axis=1), 4, axis=0)
    energies = []
    for scale in (0.999, 1.001):
        context.setPeriodicBoxVectors(*(scale * cell / 10).tolist())
        context.setPositions((places + (scale - 1) * centres) / 10)
        energies.append(context.getState(getEnergy=True).getPotentialEnergy()._value * KILOJOULE_PER_MOLE)
    volume = np.linalg.det(cell)
    slope = (energies[1] - energies[0]) / (volume * (1.001**3 - 0.999**3))
    expected = (64 * BOLTZMANN * TEMPERATURE / volume - slope) / BAR
    # Energies of single precision leave some bar.
    assert found == pytest.approx(expected, abs=20)


def test_speed_is_measured_at_the_temperature_of_the_thermostat(water, frames):
    system_before = water.system.getNumForces()
    found = speed(water, frames, LANGEVIN, TEMPERATURE, steps=1000, seed=3)
    assert len(found.temperatures) == 20
    assert found.nanoseconds_per_day > 0
    # 381 degrees of freedom: 21.6 K for one, correlated, temperature; by chance once in 16,000 for a single one.
    assert abs(found.temperatures.mean() - TEMPERATURE) < 4 * 21.6
    assert water.system.getNumForces() == system_before
