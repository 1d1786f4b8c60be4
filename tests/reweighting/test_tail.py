"""The tail of the weights against generalised Pareto distributions of known shape."""

import numpy as np
import pytest
from scipy import stats

from mdfit.errors import ReweightingError
from mdfit.reweighting import pareto_tail


@pytest.mark.parametrize(("shape", "reliable"), [(0.2, True), (0.45, True), (1.0, False)])
def test_weights_with_a_power_law_tail(shape, reliable):
    # Excesses of Pareto samples over any cut follow the generalised distribution with the same shape; the prior
    # moves it by 10 (1/2 − k)/(M + 10).
    uniform = np.random.default_rng(2).uniform(size=100_000)
    tail = pareto_tail(-shape * np.log(uniform))
    assert tail.samples_in_tail == np.floor(3 * np.sqrt(100_000))
    expected = shape + 10 * (0.5 - shape) / (tail.samples_in_tail + 10)
    assert abs(tail.shape - expected) < 4 * (1 + shape) / np.sqrt(tail.samples_in_tail)
    assert tail.reliable == reliable


@pytest.mark.parametrize(
    ("samples", "deviation", "shape"),
    [
        (60, 1.5, 0.5093591457934857),
        (500, 0.3, 0.04867937751601582),
        (500, 4.0, 1.4849119048168358),
        (4000, 0.3, 0.01916347518391594),
        (4000, 1.5, 0.4424265045503302),
    ],
)
def test_another_implementation_gives_the_same(samples, deviation, shape):
    # arviz.psislw of ArviZ 0.22.0 for the same quantiles of a normal distribution, with one sample more in the tail.
    logarithms = deviation * stats.norm.ppf((np.arange(samples) + 0.5) / samples)
    assert pareto_tail(logarithms).shape == pytest.approx(shape, abs=0.01)


def test_scale_of_the_weights_does_not_matter():
    logarithms = np.random.default_rng(3).normal(size=1000)
    assert pareto_tail(logarithms + 5e4).shape == pytest.approx(pareto_tail(logarithms).shape, abs=1e-9)


def test_threshold_depends_on_the_number_of_samples():
    random = np.random.default_rng(4)
    assert pareto_tail(random.normal(size=100)).threshold == pytest.approx(0.5)
    assert pareto_tail(random.normal(size=10_000)).threshold == 0.7
    assert pareto_tail(random.normal(size=10_000), statistical_inefficiency=100).threshold == pytest.approx(0.5)
    assert pareto_tail(random.normal(size=10_000), statistical_inefficiency=4).samples_in_tail == 600


def test_reliability_is_lost_as_the_change_grows():
    energies = np.random.default_rng(5).normal(size=2000)
    shapes = [pareto_tail(-deviation * energies).shape for deviation in (0.2, 1.0, 4.0, 10.0)]
    assert shapes == sorted(shapes)
    assert [shape < 0.7 for shape in shapes] == [True, True, False, False]


def test_weights_without_a_tail():
    equal = pareto_tail(np.full(100, -3.0))
    assert equal.shape == -np.inf
    assert equal.reliable
    few = pareto_tail(np.random.default_rng(6).normal(size=15))
    assert few.shape == np.inf
    assert not few.reliable
    one_dominates = pareto_tail(np.concatenate([[0.0], np.full(99, -800.0)]))
    assert not one_dominates.reliable


def test_bad_input():
    with pytest.raises(ReweightingError, match="no tail"):
        pareto_tail([0.0, np.nan])
    with pytest.raises(ReweightingError, match="no tail"):
        pareto_tail([-np.inf, -np.inf])
    with pytest.raises(ReweightingError, match="at least 1, but"):
        pareto_tail(np.zeros(30), statistical_inefficiency=0.2)
