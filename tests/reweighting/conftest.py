"""Exact samples, scores of error bars, and pymbar in a process of its own, as it changes JAX's settings on import."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

SIGMAS = 4.0

WORKER = """
import json, sys
import numpy as np
sys.modules["jax"] = None  # pymbar then takes scipy, which does not bear the mark afterwards.
from pymbar import bar, bar_overlap, exp
del sys.modules["jax"]
results = []
for pair in json.load(open(sys.argv[1])):
    forward, reverse = (np.array(values) for values in pair)
    both = bar(forward, reverse, uncertainty_method="BAR", relative_tolerance=1e-13)
    one = exp(forward)
    result = [both["Delta_f"], both["dDelta_f"], bar_overlap(forward, reverse), one["Delta_f"], one["dDelta_f"]]
    results.append([float(number) for number in result])
json.dump(results, open(sys.argv[2], "w"))
"""


@pytest.fixture
def autoregressive():
    """``autoregressive(memory, shape, seed)``: Gaussian series of variance 1 with the correlation memory^m."""

    def series(memory, shape, seed):
        innovations = np.random.default_rng(seed).standard_normal(shape)
        innovations[..., 1:] *= np.sqrt(1 - memory**2)
        return lfilter([1], [1, -memory], innovations, axis=-1)

    return series


@pytest.fixture
def squares():
    """``squares(stiffness, degrees, shape, seed)``: Σ x² of exact samples of harmonic oscillators at k_B T = 1."""

    def samples(stiffness, degrees, shape, seed):
        return np.random.default_rng((seed, round(1e6 * stiffness))).chisquare(degrees, size=shape) / stiffness

    return samples


@pytest.fixture
def check_scores():
    """``check_scores(difference, error, exact, bias)``: z-scores of repeated estimates are those of a normal variable.

    Their mean, mean square and how many exceed 1.96 may differ by four standard errors (or what has the same rate of
    false alarms, 6e-5); ``bias`` is an allowance for the mean.
    """

    def check(difference, error, exact, bias=0.0):
        repetitions = len(difference)
        scores = (difference - exact) / error
        assert abs(np.mean(scores)) < SIGMAS / np.sqrt(repetitions) + bias
        assert abs(np.mean(scores**2) - 1) < SIGMAS * np.sqrt(2 / repetitions)
        low, high = stats.binom.interval(1 - 6e-5, repetitions, 0.95)
        assert low <= np.sum(np.abs(scores) < 1.96) <= high

    return check


@pytest.fixture(scope="session")
def pymbar(tmp_path_factory):
    """``pymbar(pairs)``: for each difference, error and overlap of BAR, then difference and error of perturbation."""

    def run(pairs):
        folder = tmp_path_factory.mktemp("pymbar")
        # pymbar takes the work in the direction of each process.
        job = [[first.tolist(), (-second).tolist()] for first, second in pairs]
        (folder / "job.json").write_text(json.dumps(job))
        command = [sys.executable, "-c", WORKER, "job.json", "out.json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"pymbar failed: {done.stderr[-2000:]}"
        return json.loads((folder / "out.json").read_text())

    return run
