"""The pieces of the recipe that joins DFT and experiment, tried with a potential that compiles in seconds."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mdfit.potentials import StillingerWeber
from mdfit.recipes import Descent, Request, load_script

RECIPE = Path(__file__).parents[2] / "recipes" / "silicon_fused"


@pytest.fixture(scope="module")
def recipe():
    """Modules of the recipe by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPE))
        names = ("silicon_targets", "silicon_judgement")
        yield {name: importlib.import_module(name) for name in names}
        for name in names:
            del sys.modules[name]


@pytest.fixture(scope="module")
def stillinger_weber():
    """Of larger atoms, so that silicon at the measured density is under pressure."""
    return StillingerWeber(sigma=2.12)


def test_scales():
    assert load_script(RECIPE).scales == ("cpu", "demo", "paper")


def test_measured_values_are_targets(recipe):
    targets = recipe["silicon_targets"]
    pressure, elastic = targets.measurements(2, True)
    assert float(pressure.value) == 1.0
    np.testing.assert_allclose(elastic.value, [165.78, 63.94, 79.62])
    assert pressure.at is elastic.at
    assert pressure.at.structure.number_of_atoms == 64


def test_the_pressure_is_learned_while_forces_are_matched(recipe, stillinger_weber, tmp_path):
    targets = recipe["silicon_targets"]
    demo = targets.SETTINGS["demo"]
    method = dataclasses.replace(demo.density, descent=Descent(2, (0.02, 0.02)), sampling=targets.sampling("0.48 ps"))
    settings = dataclasses.replace(demo, density=method, batch=2, cells=1)
    request = Request("demo", 0, tmp_path, show_progress=False)
    _, history = targets.refine(request, stillinger_weber, settings)
    pressures = [abs(record["0/Pressure"]) for record in history]
    assert len(pressures) == 2
    assert pressures[-1] < 0.7 * pressures[0]
    assert all(record["1/forces_rmse"] > 0 for record in history)


def test_the_start_is_the_potential_of_the_other_recipe():
    before = _committed("silicon_fused")["before/test/force_rmse"]["value"]
    assert before == pytest.approx(_committed("silicon_dft")["test/force_rmse"]["value"], rel=1e-3)


def test_committed_metrics_meet_the_aims():
    metrics = _committed("silicon_fused")
    measured = {"C11": 165.78, "C12": 63.94, "C44": 79.62}
    assert abs(metrics["pressure"]["value"]) < 0.1
    for name, value in measured.items():
        assert metrics[name]["value"] == pytest.approx(value, rel=0.05)
        assert metrics[name]["standard_error"] > 0
        assert f"before/{name}" in metrics
    assert metrics["test/force_rmse_ratio"]["value"] < 1.2


def _committed(recipe: str) -> dict:
    return json.loads((RECIPE.parent / recipe / "results" / "metrics.json").read_text(encoding="utf-8"))
