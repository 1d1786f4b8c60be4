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
    assert [len(part) for part in parts] == [72, 35, 36]
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
