"""Measured values: forms, units, conditions, and the deviation of a prediction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import MeasurementError, UnitError
from mdfit.measurements import Measurement
from mdfit.observables import RDF, DiffusionCoefficient, ElasticConstants, HeatCapacity, Pressure, Stress


def test_deviation_over_uncertainty(state):
    measured = Measurement(Pressure(), "1 atm", state(), sigma="0.5 bar")
    assert measured.value == pytest.approx(1.01325)
    assert float(measured.chi_square(1.01325 + 1.0)) == pytest.approx(4.0)
    assert float(jax.grad(measured.chi_square)(2.01325)) == pytest.approx(2 * 1.0 / 0.25)


def test_weight_instead_of_an_uncertainty(state):
    measured = Measurement(Stress(), 0.0, state(), weight=0.1)
    assert measured.value.shape == (6,)
    assert measured.sigma is None
    assert float(measured.chi_square(jnp.arange(6.0))) == pytest.approx(0.1 * np.mean(np.arange(6.0) ** 2))
    separate = Measurement(Stress(), 0.0, state(), weight=[1, 1, 1, 0, 0, 0])
    assert float(separate.chi_square(jnp.arange(6.0))) == pytest.approx((0 + 1 + 4) / 6)


def test_components_by_label(state):
    measured = Measurement(
        ElasticConstants(),
        {"C44": 578, "C11": "1.079 TPa", "C12": "124 GPa"},
        state(),
        sigma=5,
        doi="10.1063/1.1661636",
    )
    np.testing.assert_allclose(measured.value, [1079, 124, 578])
    np.testing.assert_array_equal(measured.sigma, [5, 5, 5])
    assert measured.doi == "10.1063/1.1661636"
    with pytest.raises(MeasurementError, match="no 'C45': did you mean 'C44'"):
        Measurement(ElasticConstants(), {"C11": 1, "C12": 1, "C45": 1}, state(), sigma=5)
    with pytest.raises(MeasurementError, match="lacks C44; give all components"):
        Measurement(ElasticConstants(), {"C11": 1, "C12": 1}, state(), sigma=5)
    with pytest.raises(MeasurementError, match="has labels, but Pressure has none"):
        Measurement(Pressure(), {"p": 1}, state(), sigma=5)


def test_values_of_a_curve(state):
    curve = RDF(8.0, bins=4)
    measured = Measurement(curve, np.array([0, 0.5, 2, 1]), state(), sigma=[0.1, 0.1, 0.2, 0.2])
    assert float(measured.chi_square(np.array([0.1, 0.5, 2.0, 1.0]))) == pytest.approx(1 / 4)
    with pytest.raises(MeasurementError, match=r"shape \(3,\), but RDF has 4 values on its grid"):
        Measurement(curve, [0, 1, 1], state(), sigma=1)
    with pytest.raises(MeasurementError, match=r"shape \(\), but RDF has 4 values"):
        Measurement(curve, 1.0, state(), sigma=1)
    with pytest.raises(MeasurementError, match=r"prediction of RDF has the shape \(3,\)"):
        measured.chi_square(np.zeros(3))


def test_uncertainty_or_weight(state):
    with pytest.raises(MeasurementError, match="neither an uncertainty nor a weight"):
        Measurement(Pressure(), 1.0, state())
    with pytest.raises(MeasurementError, match="both an uncertainty and a weight"):
        Measurement(Pressure(), 1.0, state(), sigma=1, weight=1)
    with pytest.raises(MeasurementError, match="must be positive, but is 0"):
        Measurement(Stress(), 0.0, state(), sigma=[1, 1, 1, 0, 1, 1])
    for weight in (-1.0, 0.0, np.nan, "1 bar", [1.0, 2.0]):
        with pytest.raises(MeasurementError, match="weight of Stress must be"):
            Measurement(Stress(), 0.0, state(), weight=weight)


def test_units(state):
    with pytest.raises(UnitError, match="value of Pressure is '1 eV', which is an energy, but a pressure is needed"):
        Measurement(Pressure(), "1 eV", state(), sigma=1)
    with pytest.raises(UnitError, match="unit 'baar' is unknown"):
        Measurement(Pressure(), "1 baar", state(), sigma=1)
    with pytest.raises(MeasurementError, match="not finite"):
        Measurement(Stress(), np.full(6, np.nan), state(), sigma=1)


def test_a_simulation_at_the_state_point_must_give_the_observable(state):
    with pytest.raises(MeasurementError, match=r"RDF reaches 12 Å.*only up to 10 Å"):
        Measurement(RDF(12.0, bins=2), [1, 1], state(), sigma=1)
    with pytest.raises(MeasurementError, match=r"RDF Si-O asks for O, but the trajectory holds only Si"):
        Measurement(RDF(8.0, bins=2, pair=("Si", "O")), [1, 1], state(), sigma=1)
    with pytest.raises(MeasurementError, match="Pressure needs a volume, but the structure is not periodic"):
        Measurement(Pressure(), 1.0, state(periodic=False), sigma=1)
    Measurement(HeatCapacity(), 25.0, state(pressure=1.0), sigma=1)
    with pytest.raises(MeasurementError, match="not a function of averages"):
        Measurement(DiffusionCoefficient(1.0, 2.0), 1.0, state(), sigma=1)
