"""Metrics with warnings: from estimates, in files, in tables; error bars of test sets of few structures."""

import json

import numpy as np
import pytest

from mdfit.cli.tables import trajectory_lines
from mdfit.objectives.accuracy import Accuracy
from mdfit.observables import Estimate, Temperature
from mdfit.recipes.metric_lines import metrics_table
from mdfit.recipes.metrics import Metric, accuracy_metrics, estimated, read_metrics, write_metrics
from mdfit.recipes.schema import SimulationChoice
from mdfit.recipes.simulation_metrics import energy_drift, simulation_metrics
from mdfit.simulate import Trajectory
from mdfit.structure import Conditions
from mdfit.units import BOLTZMANN

CONDITIONS = SimulationChoice.model_validate({"structure": {"end_of": "other"}, "temperature": 300, "duration": 20000})


def trajectory(temperatures, energies, ensemble="NVT", atoms=8):
    """One replica with given temperatures and potential energies, 0.1 ps apart."""
    random, frames = np.random.default_rng(3), len(temperatures)
    velocities = random.standard_normal((1, frames, atoms, 3))
    size = 28.0 * np.sum(velocities**2, axis=(2, 3)) / (3 * atoms * BOLTZMANN)
    return Trajectory(
        times=100.0 * np.arange(1, frames + 1),
        positions=np.zeros((1, frames, atoms, 3)),
        velocities=velocities * np.sqrt(np.asarray(temperatures) / size)[..., None, None],
        cells=np.zeros((1, frames, 3, 3)),
        potential_energies=np.asarray(energies)[None],
        stresses=np.zeros((1, frames, 3, 3)),
        species=np.full(atoms, 14, np.int32),
        masses=np.full(atoms, 28.0),
        periodic=np.zeros(3, bool),
        degrees_of_freedom=3 * atoms,
        conditions=Conditions(ensemble, 300.0),
        timestep=1.0,
    )


def test_a_warning_survives_the_file_and_old_files_are_read(tmp_path):
    metrics = {"a/x": Metric(1.0, 0.1, "eV", "too short"), "a/y": Metric(2.0, None, "Å")}
    write_metrics(tmp_path / "metrics.json", metrics)
    assert read_metrics(tmp_path / "metrics.json") == metrics
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["a/x"]["warning"] == "too short"
    assert document["a/y"] == {"value": 2.0, "standard_error": None, "unit": "Å"}


def test_metrics_of_estimates():
    found = Estimate("Pressure", np.array(2.0), np.array(0.5), 9.0, "bar", warnings=("one", "two"))
    assert Metric.of(found, -1e-4, "GPa") == Metric(-2e-4, 5e-5, "GPa", "one; two")
    parts = Estimate("Stress", np.array([1.0, 2.0]), np.array([0.1, 0.2]), 9.0, "GPa", ("xx", "yy"), warnings=("one",))
    assert Metric.of_components(parts)["yy"] == Metric(2.0, 0.2, "GPa", "one")


def test_tables_tell_a_warning_once():
    metrics = {"a/x": Metric(1.0, 0.1, "eV", "too short"), "a/y": Metric(2.0, 0.1, "eV", "too short")}
    assert metrics_table(metrics).splitlines()[-1] == "warning: too short (a/x, a/y)"


def test_a_simulation_that_is_cold_and_drifts_says_so(tmp_path):
    random = np.random.default_rng(1)
    cold = trajectory(240 + 10 * random.standard_normal(200), random.standard_normal(200) + np.linspace(0, 20, 200))
    metrics = simulation_metrics("cold", CONDITIONS, cold, tmp_path)
    assert "below the thermostat's 300 K" in metrics["cold/temperature"].warning
    assert "not equilibrated" in metrics["cold/potential_energy"].warning
    lines = trajectory_lines(cold)
    assert any(line.startswith("warning: Temperature: not equilibrated") for line in lines)


def test_a_short_simulation_says_so(tmp_path):
    random = np.random.default_rng(2)
    slow = np.cumsum(random.standard_normal(60))
    metrics = simulation_metrics(
        "short",
        CONDITIONS,
        trajectory(300 + slow, slow),
        tmp_path,
    )
    assert "independent samples" in metrics["short/potential_energy"].warning
    assert "independent samples" in trajectory_lines(trajectory(300 + slow, slow))[0]


def test_the_error_of_an_energy_drift_covers():
    # 300 trajectories of ten frames, whose slope has 8 degrees of freedom left: ± 1 error holds it in 68 of 100, and
    # with the binomial spread of 0.027 in between 58 and 79 of 100 (4 standard deviations).
    random, held = np.random.default_rng(4), 0
    for _ in range(300):
        drift, error = energy_drift(trajectory(np.full(10, 300.0), random.standard_normal(10), "NVE"))
        held += abs(drift) < error
    assert 0.58 < held / 300 < 0.79


@pytest.mark.parametrize("structures", [2, 3, 5, 30])
def test_errors_of_test_sets_of_few_structures_cover(structures):
    """Mean absolute errors of sets of few structures: Student's factor, and a warning for fewer than five."""
    random, held, repeats = np.random.default_rng(5), 0, 400
    empty, frames = np.zeros((0, 2)), np.arange(structures)
    for _ in range(repeats):
        error = 0.1 + 0.01 * random.standard_normal(structures)
        energies = np.stack([np.zeros(structures), error], axis=1)
        none = np.zeros(0, int)
        found = accuracy_metrics("set", Accuracy(energies, empty, empty, none, frames, none, none, structures), "eV/Å")[
            "set/energy_mae"
        ]
        held += abs(found.value - 100.0) < found.standard_error
    # Four standard deviations of the binomial distribution.
    assert abs(held / repeats - 0.683) < 4 * np.sqrt(0.683 * 0.317 / repeats)
    assert found.warning == ("" if structures >= 5 else f"the standard error comes from {structures} structures only")


def test_one_structure_has_no_error_bar():
    none, empty = np.zeros(0, int), np.zeros((0, 2))
    one = Accuracy(np.array([[0.0, 0.1]]), empty, empty, none, np.zeros(1, int), none, none, 1)
    assert accuracy_metrics("set", one, "eV/Å")["set/energy_mae"].standard_error is None
    assert Temperature().warnings(np.zeros(1)) == ()


def test_scalars_of_recipes_in_python_say_that_a_simulation_is_not_at_equilibrium():
    noise = np.random.default_rng(6).standard_normal((2, 300))
    cold, right = (trajectory(mean + 20 * noise[0], 0.1 * noise[1]) for mean in (262.0, 300.0))
    assert "below the thermostat's 300 K" in estimated("model", cold, Temperature())["temperature/model"].warning
    assert estimated("model", right, Temperature())["temperature/model"].warning == ""
