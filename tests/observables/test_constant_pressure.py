"""Fluctuations at constant pressure against gases whose volume distribution is known exactly."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import gamma

from mdfit.errors import ObservableError
from mdfit.observables import Compressibility, HeatCapacityAtConstantPressure, ThermalExpansion, estimate
from mdfit.observables.heat_capacity import GAS_CONSTANT
from mdfit.structure import Conditions
from mdfit.units import BAR, BOLTZMANN

ATOMS, TEMPERATURE, PRESSURE = 20, 300.0, 50.0


def gas(known, cohesion, volumes_at):
    """A gas with the energy U = cohesion · V (cohesion in bar), whose volumes follow V^N exp(−(p + cohesion) V / kT)."""
    volumes = volumes_at(gamma(ATOMS + 1, scale=BOLTZMANN * TEMPERATURE / ((PRESSURE + cohesion) * BAR)))
    cells = np.cbrt(volumes)[..., None, None] * np.eye(3)
    replicas, frames = volumes.shape
    return known.trajectory(
        np.zeros((replicas, frames, ATOMS, 3)),
        cells=cells,
        potential_energies=cohesion * BAR * volumes,
        ensemble="NPT",
        temperature=TEMPERATURE,
        pressure=PRESSURE,
    )


def quantiles(number):
    """The middles of as many equally probable intervals."""
    return lambda distribution: distribution.ppf((np.arange(number) + 0.5) / number)[None]


@pytest.mark.parametrize("cohesion", [0.0, 30.0])
def test_exact_distribution_of_volumes(known, cohesion):
    # <V> = (N + 1) k_B T / (p + cohesion), and all follows by differentiation; H = U + pV + K.
    run = gas(known, cohesion, quantiles(50_000))
    expansion, compressibility, capacity = (
        estimate(observable, run)
        for observable in (ThermalExpansion(), Compressibility(), HeatCapacityAtConstantPressure())
    )
    assert float(expansion) == pytest.approx(1 / TEMPERATURE, rel=1e-3)
    assert float(compressibility) == pytest.approx(1e4 / (PRESSURE + cohesion), rel=1e-3)
    assert float(capacity) == pytest.approx(GAS_CONSTANT * (ATOMS + 1 + 1.5 * ATOMS) / ATOMS, rel=1e-3)
    assert (expansion.unit, compressibility.unit, capacity.unit) == ("1/K", "1/GPa", "J/mol/K")


def test_error_bars(known):
    random = np.random.default_rng(3)
    run = gas(known, 30.0, lambda distribution: distribution.rvs((4, 1000), random_state=random))
    for observable, expected in ((ThermalExpansion(), 1 / TEMPERATURE), (Compressibility(), 1e4 / (PRESSURE + 30.0))):
        found = estimate(observable, run)
        assert abs(float(found) - expected) < 4 * found.standard_error
        # The variance of a variance of nearly normal numbers: about 2/n.
        assert found.standard_error / expected == pytest.approx(np.sqrt(2 / 4000), rel=0.3)


def test_constant_pressure_is_needed(known):
    run = gas(known, 0.0, quantiles(20))
    for observable in (ThermalExpansion(), Compressibility(), HeatCapacityAtConstantPressure()):
        with pytest.raises(ObservableError, match=r"NPT.*NVT"):
            estimate(observable, dataclasses.replace(run, conditions=Conditions("NVT", 300.0)))
        with pytest.raises(ObservableError, match="needs the pressure of the barostat"):
            estimate(observable, dataclasses.replace(run, conditions=Conditions("NPT", 300.0)))
        with pytest.raises(ObservableError, match="needs a volume"):
            estimate(observable, dataclasses.replace(run, periodic=np.zeros(3, bool)))
