"""Recipes that judge uncertainties: what is kept from the training, and how numbers are found."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mdfit.observables import Estimate
from mdfit.uncertainty import LabelSpread, UncertainEstimate

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def modules(monkeypatch):
    """Imports the modules of a recipe."""
    before = set(sys.modules)

    def of(recipe, *names):
        monkeypatch.syspath_prepend(str(RECIPES / recipe))
        return [__import__(name) for name in names]

    yield of
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(RECIPES)):
            sys.modules.pop(name)


def test_far_kinds_of_silicon_are_kept_from_the_training(modules):
    (silicon_kinds,) = modules("silicon_uncertainty", "silicon_kinds")
    kinds = silicon_kinds.kinds(seed=3)
    parts = (kinds.train, kinds.validation, kinds.test)
    assert [len(part) for part in parts] == [86, 28, 29]
    assert {name: len(part) for name, part in kinds.far.items()} == {
        "strain_10_percent": 12,
        "interstitial": 19,
        "liquid": 72,
    }
    seen = [frame.structure.positions.tobytes() for part in parts for frame in part]
    assert len(set(seen)) == len(seen)
    for part in parts:
        assert max(abs(float(frame.info["strain"])) for frame in part) < 0.061
        assert not any(frame.info["phase"] == "disordered" for frame in part)
    again = silicon_kinds.kinds(seed=4)
    assert [f.energy for f in again.train] != [f.energy for f in kinds.train]


def test_lengths_of_errors_and_spreads_are_those_of_atoms(modules):
    (judgement,) = modules("silicon_uncertainty", "silicon_judgement")[-1:]
    random = np.random.default_rng(0)
    spread = random.uniform(0.5, 2.0, (500, 1)) * np.ones(3)
    errors = spread * random.standard_normal((500, 3))

    class Accuracy:
        forces = np.stack([np.zeros(1500), errors.ravel()], axis=1)

    found = LabelSpread(Accuracy(), np.zeros(0), spread.ravel(), np.zeros(0))
    lengths, predicted = judgement.lengths(found)
    np.testing.assert_allclose(lengths, np.linalg.norm(errors, axis=1))
    np.testing.assert_allclose(predicted, np.sqrt(3) * spread[:, 0])
    assert 0.5 < judgement.rank_correlation(found) < 0.8


def test_widths_and_coverage_of_beads_leave_empty_bins_out(modules):
    (judgement,) = modules("cg_water_uncertainty", "beads_judgement")
    grid = np.arange(4.0)

    def estimate(name, value, error):
        return Estimate(name, np.asarray(value), np.asarray(error), 100.0, "", grid=grid)

    def uncertain(name, members):
        members = np.asarray(members)
        return UncertainEstimate.of(name, members, np.zeros(members.shape), independent=True)

    # The first bin is empty, the last one is off.
    curves = np.array([[0.0, 1.0, 1.0, 1.0], [0.0, 1.2, 1.1, 1.01]])
    known = {
        "rdf": estimate("RDF", [0.0, 1.1, 1.05, 2.0], np.zeros(4)),
        "adf": estimate("ADF", [0.0, 1.1, 1.05, 1.005], np.zeros(4)),
        "pressure": Estimate("Pressure", np.asarray(0.0), np.asarray(1.0), 100.0, "bar"),
    }
    found = {"rdf": uncertain("RDF", curves), "adf": uncertain("ADF", curves)}
    found["pressure"] = uncertain("Pressure", [-1.0, 1.0])
    metrics = judgement.judged(10, "m", found, known, all_atoms=1e6)
    widths = found["rdf"].interval()[1] - found["rdf"].interval()[0]
    assert metrics["interval_width/rdf/10/m"].value == pytest.approx(np.median(widths[1:]))
    assert metrics["coverage/rdf/10/m"].value == pytest.approx(2 / 3)
    assert metrics["coverage/adf/10/m"].value == 1
    assert (metrics["coverage/pressure/10/m"].value, metrics["holds_all_atoms/pressure/10/m"].value) == (1, 0)


def test_errors_of_measured_argon_have_the_stated_sizes(modules, monkeypatch):
    """Over 100 sets: standard deviations within 25 %, 3.5 times their statistical error; false alarms 0.1 %."""
    (argon,) = modules("argon_posterior", "argon_liquid")
    values = {"Pressure": np.array(100.0), "PotentialEnergy": np.array(-6.0), "RDF": np.ones(40)}
    seeds = iter(range(100))

    class Request:
        def simulate(self, *_, **__):
            return None

        def seed_of(self, _):
            return next(seeds)

    def known(observable, *_, **__):
        value = values[type(observable).__name__]
        return Estimate("", value, np.zeros(value.shape), 100.0, "")

    at = argon.StatePoint(argon.mf.Structure.from_ase(argon.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(4)), 94.4)
    monkeypatch.setattr(argon, "liquid", lambda *_: at)
    monkeypatch.setattr(argon.mf, "estimate", known)
    drawn = [argon.measurements(Request(), argon.SCALE_OF["demo"]) for _ in range(100)]
    for place, (truth, sigma) in enumerate(
        zip(values.values(), (argon.PRESSURE, argon.ENERGY, argon.CURVE), strict=True)
    ):
        errors = np.array([np.asarray(measured[place].value) for measured in drawn]) - truth
        assert errors.shape == (100, *truth.shape)
        # At the ends of the curve, where nothing is interpolated between independent numbers.
        ends = errors.reshape(100, -1)[:, [0, -1]] if truth.ndim else errors
        assert np.std(ends) == pytest.approx(sigma, rel=0.25)
        assert all(np.all(np.asarray(measured[place].sigma) == sigma) for measured in drawn)


def test_argon_samples_are_judged_against_the_truth(modules):
    chains, argon = modules("argon_posterior", "argon_chains", "argon_liquid")
    random = np.random.default_rng(0)
    epsilon = argon.EPSILON * (1.01 + 0.02 * random.standard_normal(400))
    sigma = argon.SIGMA * (1 - 0.2 * (epsilon / argon.EPSILON - 1))

    class Samples:
        class models:
            class stacked:
                pass

        class fit:
            history = ({"renewals": 2, "effective_size": 40.0}, {"renewals": 1, "effective_size": 12.0})

        def by_chain(self, values):
            return np.asarray(values).reshape(4, 100)

    Samples.models.stacked.epsilon, Samples.models.stacked.sigma = epsilon, sigma
    found = chains.judged(Samples())
    assert found["epsilon"].value == pytest.approx(1000 * epsilon.mean())
    assert found["epsilon"].reference == pytest.approx(1000 * argon.EPSILON)
    assert found["epsilon/z"].value == pytest.approx((epsilon.mean() - argon.EPSILON) / epsilon.std(ddof=1), rel=1e-2)
    inside = np.mean((1000 * epsilon > found["epsilon/low"].value) & (1000 * epsilon < found["epsilon/high"].value))
    assert inside == pytest.approx(0.95, abs=0.01)
    assert found["epsilon/r_hat"].value == pytest.approx(1, abs=0.02)
    assert found["correlation"].value == pytest.approx(-1)
    assert found["renewals"].value == 3
    assert found["smallest_effective_size"].value == 12.0
