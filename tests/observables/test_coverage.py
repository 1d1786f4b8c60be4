"""Do error bars hold the truth as often as they say?  Repeated runs of processes whose averages are known exactly.

In what carries no warning, ± one and ± two errors hold the truth in at least 62 and 90 of 100 runs (68 and 95 are nominal).
For each process the number of runs that hold it is compared with the 1e-5 quantile of the binomial distribution for
these probabilities: a test with 40 comparisons fails by chance in less than one of 2000 cases.
"""

import logging

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm
from scipy.signal import lfilter

from mdfit.observables import DiffusionCoefficient, HeatCapacity, estimate
from mdfit.observables.statistics import error_of_mean, jackknife, warnings_of
from mdfit.reweighting import average_with_error
from mdfit.units import BOLTZMANN

FALSE_ALARM = 1e-5
#: 2 x correlation time of the processes below, in frames: their statistical inefficiency.
INEFFICIENCY = 40.0


def autoregressive(random, shape, inefficiency=INEFFICIENCY):
    memory = (inefficiency - 1) / (inefficiency + 1)
    noise = random.standard_normal(shape) * np.sqrt(1 - memory**2)
    noise[:, 0] /= np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], noise, axis=1)


def oscillator(random, runs, picoseconds, frequency=6.0, friction=1.0, interval=0.05):
    """Positions of harmonic Langevin oscillators of mass and k_BT 1, propagated exactly, ``(frames, runs, 3)``."""
    drift = np.array([[0.0, 1.0], [-(frequency**2), -friction]])
    step, spread = expm(drift * interval), np.diag([1 / frequency**2, 1.0])
    noise = np.linalg.cholesky(spread - step @ spread @ step.T)
    state = random.standard_normal((runs, 3, 2)) @ np.sqrt(spread)
    positions = []
    for _ in range(round(picoseconds / interval)):
        state = state @ step.T + random.standard_normal(state.shape) @ noise.T
        positions.append(state[..., 0])
    return np.stack(positions)


def check(means, errors, warned, truth=0.0, fewest_unwarned=0.0, most_unwarned=1.0, all_hold=True):
    """The coverage of what has no warning and, with ``all_hold``, of everything."""
    distance = np.abs(np.asarray(means) - truth) / np.asarray(errors)
    warned = np.asarray(warned)
    assert fewest_unwarned <= np.mean(~warned) <= most_unwarned
    if most_unwarned == 1.0:
        require(distance[~warned])
    if all_hold:
        require(distance)


def require(distance):
    for errors, probability in ((1, 0.62), (2, 0.90)):
        held = np.count_nonzero(distance < errors)
        assert held >= stats.binom.ppf(FALSE_ALARM, len(distance), probability), (errors, held / len(distance))


def of_series(series, **expected):
    """Many independent series ``(replicas, frames, runs)`` at once."""
    errors, effective = error_of_mean(series)
    warned = [bool(warnings_of(np.array([number]), len(series))) for number in effective]
    check(series.mean(axis=(0, 1)), errors, warned, **expected)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # Half a correlation time does not tell of the variance: always a warning, no promise.
        (0.5, {"most_unwarned": 0.01, "all_hold": False}),
        (3.0, {"most_unwarned": 0.02}),
        (5.0, {"most_unwarned": 0.05}),
        # Some runs look longer than they are, and have too small errors for it.
        (10.0, {"most_unwarned": 0.2}),
        (20.0, {}),
        (50.0, {"fewest_unwarned": 0.8}),
        (200.0, {"fewest_unwarned": 0.99}),
    ],
)
def test_autoregressive_series(samples, expected):
    series = autoregressive(np.random.default_rng(1), (1, round(samples * INEFFICIENCY), 400))
    of_series(series, **expected)


@pytest.mark.parametrize(("replicas", "samples"), [(8, 0.3), (8, 2.0), (30, 0.1), (8, 20.0), (64, 1.0)])
def test_many_replicas_of_any_length(replicas, samples):
    frames = max(10, round(samples * INEFFICIENCY))
    series = autoregressive(np.random.default_rng(2), (replicas, frames, 400), frames / samples)
    of_series(series, fewest_unwarned=1.0)


@pytest.mark.parametrize(
    ("picoseconds", "expected"), [(8, {"most_unwarned": 0.4}), (20, {}), (50, {"fewest_unwarned": 0.8}), (200, {})]
)
def test_potential_energy_of_an_oscillator(picoseconds, expected):
    positions = oscillator(np.random.default_rng(3), 300, picoseconds)
    energy = 18.0 * np.sum(positions**2, axis=-1)
    of_series(energy[None], truth=1.5, **expected)


@pytest.mark.parametrize("shift", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_weighted_averages(shift):
    """Normal samples made to stand for those of a normal distribution whose centre is ``shift`` widths away."""
    random = np.random.default_rng(4)
    logging.getLogger("mdfit.reweighting.weighted_average").setLevel(logging.ERROR)
    found = []
    for _ in range(200):
        samples = random.standard_normal((1, 1000))
        found.append(average_with_error(-shift * samples, samples))
    warned = [bool(one.warnings) for one in found]
    most = {2.0: 0.1, 3.0: 0.0}.get(shift, 1.0)
    check(
        [one.value for one in found],
        [one.standard_error for one in found],
        warned,
        truth=shift,
        fewest_unwarned=0.9 if shift <= 1 else 0.0,
        most_unwarned=most,
        # Beyond the samples a mean has no error bar that holds.
        all_hold=shift < 3,
    )


def test_functions_of_averages(known):
    """The heat capacity of oscillators, from the variance of the energy (the delta method and leaving out blocks)."""
    random, atoms, frames = np.random.default_rng(5), 8, 400
    thermal = BOLTZMANN * 300.0
    found, blocked = [], []
    for _ in range(150):
        modes = autoregressive(random, (1, frames, 3 * atoms), 4.0)
        run = known.trajectory(
            np.zeros((1, frames, atoms, 3)),
            potential_energies=0.5 * thermal * np.sum(modes**2, axis=-1),
            velocities=random.standard_normal((1, frames, atoms, 3)) * np.sqrt(thermal / 28.085),
        )
        found.append(estimate(HeatCapacity(), run))
        blocked.append(estimate(HeatCapacity(), run, blocks=10))
    for kind in (found, blocked):
        check(
            [one.value for one in kind],
            [one.standard_error for one in kind],
            [bool(one.warnings) for one in kind],
            # Each of 3N quadratic terms of positions and of velocities has k_B/2.
            truth=3 * 8.314462618,
        )


def test_leaving_out_few_blocks():
    random = np.random.default_rng(6)
    for blocks in (2, 4, 10):
        results = [jackknife(lambda mean: np.exp(mean), random.normal(0.0, 0.05, blocks)) for _ in range(400)]
        # Two blocks hold it in 84 of 100 runs within two errors, as Student's distribution of one degree of freedom says.
        distance = np.array([abs(value - 1.0) / error for value, error in results])
        held = [np.mean(distance < errors) for errors in (1, 2)]
        assert held[0] > 0.62 - 4 * np.sqrt(0.62 * 0.38 / 400)
        assert held[1] > (0.80 if blocks == 2 else 0.90) - 4 * np.sqrt(0.1 * 0.9 / 400)


def test_few_blocks_of_a_correlation_in_time(known):
    """Random walks: D from 4 to 10 parts of a trajectory."""
    random, found = np.random.default_rng(7), []
    for frames in (100, 240):
        for _ in range(100):
            steps = random.standard_normal((1, frames, 4, 3)) * np.sqrt(2 * 1.0 * 10.0 / 1000)
            run = known.trajectory(np.cumsum(steps, axis=1))
            found.append(estimate(DiffusionCoefficient("20 fs", "110 fs", relative_to_centre_of_mass=False), run))
    check(
        [one.value for one in found],
        [one.standard_error for one in found],
        [bool(one.warnings) for one in found],
        truth=1.0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("inefficiency", [1.0, 5.0, 80.0])
@pytest.mark.parametrize("samples", [1.5, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0])
@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_autoregressive_series_of_many_lengths(inefficiency, samples, replicas):
    frames = max(round(samples * inefficiency / replicas), 10)
    series = autoregressive(np.random.default_rng(8), (replicas, frames, 2000), frames * replicas / samples)
    short = samples <= 20
    of_series(
        series, most_unwarned=0.5 if short else 1.0, fewest_unwarned=0.5 if samples >= 50 else 0.0, all_hold=samples > 2
    )


@pytest.mark.slow
@pytest.mark.parametrize("frequency", [3.0, 30.0])
@pytest.mark.parametrize("picoseconds", [50, 100, 400])
def test_oscillators_of_many_lengths(frequency, picoseconds):
    positions = oscillator(np.random.default_rng(9), 600, picoseconds, frequency, interval=0.02)
    energy = 0.5 * frequency**2 * np.sum(positions**2, axis=-1)
    of_series(energy[None], truth=1.5, fewest_unwarned=0.8)
    of_series(positions[None, ..., 0], fewest_unwarned=0.9)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0, 1.5, 2.0, 2.5])
@pytest.mark.parametrize(("frames", "inefficiency"), [(300, 1.0), (5000, 1.0), (1000, 10.0)])
def test_weighted_averages_of_many_shifts(shift, frames, inefficiency):
    random = np.random.default_rng(10)
    logging.getLogger("mdfit.reweighting.weighted_average").setLevel(logging.ERROR)
    samples = autoregressive(random, (500, frames, 1), inefficiency)[..., 0]
    found = [average_with_error(-shift * run[None], run[None]) for run in samples]
    warned = np.array([bool(one.warnings) for one in found])
    distance = np.array([abs(float(one.value) - shift) / float(one.standard_error) for one in found])
    if np.mean(~warned) > 0.5:
        require(distance[~warned])
    else:
        # Where most have a warning, few of all miss without one.
        assert np.mean((distance > 2) & ~warned) < 0.1
