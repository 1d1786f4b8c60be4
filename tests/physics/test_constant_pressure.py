"""Responses of a Lennard-Jones liquid from fluctuations against the differences between simulations."""

import numpy as np
import pytest

from mdfit.observables import Compressibility, HeatCapacityAtConstantPressure, ThermalExpansion, estimate
from mdfit.observables.heat_capacity import GAS_CONSTANT
from mdfit.simulate import NPT
from mdfit.units import BAR, BOLTZMANN

SAMPLER = NPT(8.0, thermostat_relaxation=200.0, barostat_relaxation=1000.0)
TEMPERATURE, PRESSURE = 130.0, 800.0
WARMER, HARDER = 8.0, 200.0


def mean(series):
    """Mean over replicas, which are independent, and its standard error."""
    values = series.mean(axis=1)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def slope(high, low, step):
    (one, one_error), (other, other_error) = mean(high), mean(low)
    return (one - other) / step, np.hypot(one_error, other_error) / step


@pytest.mark.slow
def test_liquid(argon):
    def enthalpies(run):
        return run.potential_energies + run.kinetic_energies + PRESSURE * BAR * run.volumes

    steps = ((0, 0), (WARMER, 0), (-WARMER, 0), (0, HARDER), (0, -HARDER))
    points = [(TEMPERATURE + warmer, PRESSURE + harder) for warmer, harder in steps]
    centre, warm, cold, hard, soft = argon.sample(SAMPLER, points, 600, 200.0, 16)
    volume = mean(centre.volumes)[0]

    expansion, expansion_error = slope(warm.volumes, cold.volumes, 2 * WARMER * volume)
    compression, compression_error = slope(hard.volumes, soft.volumes, 2 * HARDER * 1e-4 * volume)
    atoms = len(centre.masses)
    capacity, capacity_error = slope(enthalpies(warm), enthalpies(cold), 2 * WARMER * atoms * BOLTZMANN / GAS_CONSTANT)
    for observable, expected, error in (
        (ThermalExpansion(), expansion, expansion_error),
        (Compressibility(), -compression, compression_error),
        (HeatCapacityAtConstantPressure(), capacity, capacity_error),
    ):
        found = estimate(observable, centre)
        assert error < 0.05 * expected
        assert found.standard_error < 0.08 * expected
        # Differences of second order in the steps are below two per cent.
        assert abs(float(found) - expected) < 4 * np.hypot(found.standard_error, error) + 0.02 * expected
