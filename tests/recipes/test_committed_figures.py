"""What the committed results of recipes must show."""

from pathlib import Path

import pytest

from mdfit.recipes.metrics import read_metrics

RECIPES = Path(__file__).parents[2] / "recipes"


def committed(recipe: str):
    return read_metrics(RECIPES / recipe / "results" / "metrics.json")


def test_double_well_is_learned_and_its_gradients_are_cheap_and_bounded():
    metrics = {name: metric.value for name, metric in committed("double_well").items()}
    assert metrics["final_loss"] < 2e-3
    assert metrics["validation_rms"] < 0.06
    assert metrics["potential_rms"] < 0.2
    assert metrics["reuse_fraction"] > 0.3
    assert metrics["speedup_over_backpropagation"] > 100
    assert metrics["decades_of_growth_through_simulation"] > 10
    assert metrics["decades_of_growth_reweighting"] < 0


def test_median_and_range_are_of_all_trainings():
    for name in ("final_loss", "validation_rms", "decades_of_growth_through_simulation"):
        assert committed("double_well")[name].standard_error > 0


@pytest.mark.parametrize(("name", "measured"), [("C11", 1079.0), ("C12", 124.0), ("C44", 578.0)])
def test_elastic_constants_of_diamond_are_those_measured(name, measured):
    metric = committed("diamond")[name]
    assert metric.value == pytest.approx(measured, rel=0.03)
    assert 0 < metric.standard_error < 0.03 * measured
    assert abs(committed("diamond")["stress_max"].value) < 0.5
