"""Error bars against processes whose answers are known exactly."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mdfit.errors import ObservableError
from mdfit.observables.estimate import Estimate, with_error
from mdfit.observables.statistics import error_of_mean, jackknife, statistical_inefficiency, warnings_of


def autoregressive(memory, shape, seed=0):
    """x_t = memory · x_{t−1} + noise, stationary, of variance 1; statistical inefficiency (1 + memory)/(1 − memory)."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal(shape) * np.sqrt(1 - memory**2)
    noise[:, 0] /= np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], noise, axis=1)


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9, 0.97])
def test_statistical_inefficiency_of_an_autoregressive_process(memory):
    series = autoregressive(memory, (2, 20000, 8))
    exact = (1 + memory) / (1 - memory)
    found = statistical_inefficiency(series)
    # Sokal: relative standard error sqrt((4W + 2)/n) with W windows in units of frames; 4 of them over 8 elements.
    relative = np.sqrt((4 * 5 * exact + 2) / 40000)
    assert np.all(np.abs(found / exact - 1) < max(4 * relative, 0.03))


def test_error_bars_cover_the_truth_as_often_as_they_should():
    # 400 independent runs: z-scores have unit variance within 4 of its standard errors, sqrt(2/400); false alarm 6e-5
    # for exact error bars, and the bias of the estimated correlation time (1/effective samples) is below 2 %.
    series = autoregressive(0.8, (1, 4000, 400), seed=1)
    error, effective = error_of_mean(series)
    scores = series.mean(axis=(0, 1)) / error
    assert np.abs(np.mean(scores**2) - 1) < 4 * np.sqrt(2 / 400)
    assert np.median(effective) == pytest.approx(4000 / 9, rel=0.05)


def test_replicas_are_pooled():
    one, _ = error_of_mean(autoregressive(0.8, (1, 4000, 50), seed=2))
    sixteen, effective = error_of_mean(autoregressive(0.8, (16, 4000, 50), seed=3))
    assert np.median(one) / np.median(sixteen) == pytest.approx(4, rel=0.1)
    assert np.median(effective) == pytest.approx(16 * 4000 / 9, rel=0.05)


def test_replicas_that_disagree_count_as_one_sample_each():
    stuck = np.random.default_rng(4).standard_normal((6, 500, 1)) * 1e-3 + np.arange(6.0)[:, None, None]
    error, effective = error_of_mean(stuck)
    assert effective[0] == pytest.approx(6, rel=0.2)
    # Student's factor of five degrees of freedom is 1.11; fewer than eight replicas are widened, and warned of.
    assert 1.05 < error[0] / (np.std(np.arange(6), ddof=1) / np.sqrt(6)) < 2
    assert warnings_of(effective, 6)


@pytest.mark.parametrize("within", [0.0, 1e-6, 1e-2])
def test_replicas_that_are_stuck_apart_cover(within):
    # Ten replicas that each stay where they started: the scatter of their means is all there is to know.  600 runs: four
    # standard deviations of the binomial distribution.
    random = np.random.default_rng(5)
    stuck = random.standard_normal((10, 1, 600)) + within * random.standard_normal((10, 50, 600))
    error, effective = error_of_mean(stuck)
    held = np.mean(np.abs(stuck.mean(axis=(0, 1))) < error)
    assert 0.683 - 4 * np.sqrt(0.683 * 0.317 / 600) < held < 0.85
    assert np.median(effective) < 20


def test_a_constant_has_no_error():
    error, effective = error_of_mean(np.full((1, 100, 1), 1 / 3))
    assert error[0] == 0
    assert effective[0] == 100


def test_errors_of_a_series_of_fifty_samples_are_on_the_safe_side():
    # Below 60 samples errors are widened on purpose, so that runs that look longer than they are hold the truth as often
    # as they say; the medians of 2000 runs differ from those expected by a relative 0.02 at most.
    series = autoregressive(0.95, (1, 2000, 2000), seed=5)
    error, effective = error_of_mean(series)
    truth = np.std(series.mean(axis=(0, 1)))
    assert 1.0 < np.median(error) / truth < 1.45
    assert np.median(effective) == pytest.approx(51, rel=0.25)


@pytest.mark.parametrize(("frames", "widest"), [(8000, 1.12), (40000, 1.03)])
def test_errors_of_long_series_are_not_widened(frames, widest):
    # 205 and 1026 independent samples; 500 and 200 runs give the truth within a relative 0.03 and 0.05.
    series = autoregressive(0.95, (1, frames, 500 if frames < 10000 else 200), seed=6)
    error, effective = error_of_mean(series)
    assert 0.95 < np.median(error) * np.sqrt(frames / 39) < widest
    assert np.median(effective) == pytest.approx(frames / 39, rel=0.08)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (12.3, 25.2, "12 ± 25"),
        (0.50012, 0.01234, "0.500 ± 0.012"),
        (1234.5, 120.0, "1230 ± 120"),
        (-3.0, 0.0, "-3 ± 0"),
        (1e-9, 2e-11, "1e-09 ± 2e-11"),
    ],
)
def test_value_and_error_have_matching_digits(value, error, text):
    assert with_error(value, error) == text


def test_text_of_estimates():
    scalar = Estimate("Pressure", np.array(12.3), np.array(25.2), 341.2, "bar")
    assert str(scalar) == "12 ± 25 bar (effective samples: 341)"
    assert float(scalar) == 12.3
    short = Estimate("Pressure", np.array(12.3), np.array(25.2), 7.2, "bar", warnings=("too short",))
    assert str(short) == "12 ± 25 bar (effective samples: 7); warning: too short"
    parts = Estimate("Stress", np.array([1.0, 2.0]), np.array([0.1, 0.2]), 5.0, "GPa", labels=("xx", "yy"))
    assert str(parts) == "xx 1.00 ± 0.10 GPa, yy 2.00 ± 0.20 GPa (effective samples: 5)"
    curve = Estimate(
        "RDF", np.array([0.0, 2.0]), np.array([0.1, 0.1]), 5.0, "", grid=np.array([0.5, 1.5]), grid_unit="Å"
    )
    assert str(curve) == "RDF: 2 values from 0.5 to 1.5 Å, largest 2.00 ± 0.10 (effective samples: 5)"


def test_leaving_out_blocks_gives_the_error_of_a_function_of_averages():
    # Of a mean the error is exactly that of the textbook; that of exp is e^m times as large where errors are small.
    blocks = np.random.default_rng(7).normal(2.0, 0.01, (20, 3))
    # Student's t with 19 degrees of freedom lies within ±1.0270 with a probability of 68.27 %.
    exact = 1.02702 * blocks.std(axis=0, ddof=1) / np.sqrt(20)
    value, error = jackknife(lambda average: average, blocks)
    np.testing.assert_allclose(value, blocks.mean(axis=0))
    np.testing.assert_allclose(error, exact, rtol=1e-4)
    value, error = jackknife(lambda average: np.exp(average[0]), blocks)
    assert error == pytest.approx(np.exp(2.0) * exact[0], rel=0.01)
    with pytest.raises(ObservableError, match="at least two"):
        jackknife(np.sum, blocks[:1])
