"""The pieces of the recipe that joins DFT and experiment, tried with a potential that compiles in seconds."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mdfit.engines import Calculator
from mdfit.potentials import StillingerWeber
from mdfit.recipes.script import load_script

#: Of the minimum of Stillinger and Weber's potential in Å: 4/√3 · 2^(1/6) σ.
LATTICE_CONSTANT = 4 / 3**0.5 * 2 ** (1 / 6) * 2.0951
RECIPE = Path(__file__).parents[2] / "recipes" / "silicon_fused"


@pytest.fixture(scope="module")
def recipe():
    """Modules of the recipe by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPE))
        names = ("silicon_targets", "silicon_crystal", "silicon_properties")
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
    stage = targets.Stage(2, (0.02, 0.02), "0.48 ps", batch=2, fewest=0.0)
    settings = dataclasses.replace(targets.SETTINGS["demo"], density=stage, cells=1)
    _, history = targets.refine(stillinger_weber, settings, 0, tmp_path / "fit", False)
    pressures = [abs(record["0/Pressure"]) for record in history]
    assert len(pressures) == 2
    assert pressures[-1] < 0.7 * pressures[0]
    assert all(record["1/forces_rmse"] > 0 for record in history)


def test_phonons_are_those_of_the_cubic_cell_at_gamma(recipe):
    """The cubic cell of eight atoms folds Γ and the three points X of the primitive cell onto its Γ."""
    potential, length = StillingerWeber(), LATTICE_CONSTANT
    found = recipe["silicon_properties"].phonons(potential, length)
    atoms = bulk("Si", "diamond", a=length, cubic=True)
    atoms.calc = Calculator(potential, skin=0.0, dtype="float64")
    hessian = _hessian(atoms)
    squares = np.linalg.eigvalsh(hessian)
    # √(eV/Å²/amu) in THz.
    frequencies = np.sqrt(np.abs(squares)) * 15.633302
    expected = {
        "X_TA": frequencies[3:9],
        "X_LAO": frequencies[9:15],
        "X_TO": frequencies[15:21],
        "Gamma": frequencies[21:24],
    }
    for name, values in expected.items():
        assert np.ptp(values) < 0.01, name
        assert found[name] == pytest.approx(values.mean(), abs=0.02), name


def _hessian(atoms):
    """Mass-weighted, by central differences of the forces."""
    columns = []
    for atom in range(len(atoms)):
        for axis in range(3):
            forces = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.calc = atoms.calc
                moved.positions[atom, axis] += sign * 0.01
                forces.append(moved.get_forces().ravel())
            columns.append((forces[1] - forces[0]) / 0.02)
    matrix = np.array(columns) / atoms.get_masses()[0]
    return (matrix + matrix.T) / 2


def test_the_vacancy_of_stillinger_weber_costs_two_epsilon(recipe):
    """Four bonds and their angles less, all others as they were: without them no neighbour feels a force."""
    found = recipe["silicon_properties"].vacancy_energy(StillingerWeber(), LATTICE_CONSTANT, seed=1)
    assert found == pytest.approx(2 * 2.1683, abs=1e-3)


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
