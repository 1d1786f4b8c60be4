"""Tables: errors by element and group, published errors, numbers as text."""

import pytest

from mdfit.recipes.metrics import Metric
from mdfit.recipes.stage_times import StageTimes
from mdfit.report.published import published_table
from mdfit.report.run_files import read_run
from mdfit.report.tables import duration, element_table, group_table, number, readable, time_table


@pytest.fixture(scope="module")
def run(finished_run):
    return read_run(finished_run)


def test_own_row_is_in_the_units_of_the_published_one(run):
    table = published_table(run)
    assert table.columns == ["model", "300K energy (meV)", "300K force (meV/Å)", "600K force (meV/Å)"]
    assert table.rows[:2] == [["Net(L=3),new", "3.3", "10.8", "26.4"], ["Old", "", "27.1", "64.3"]]
    # Every force component is wrong by 0.1 eV/Å and every total energy by 8 meV; there is no test set at 600 K.
    assert table.rows[table.highlighted] == ["this work", "8", "100", ""]


def test_groups_partition_the_structures(run):
    table = group_table("group", run.tests["test_300K"], "meV/Å")
    assert table.columns[:4] == ["group", "structures", "Force RMSE (meV/Å)", "Force MAE (meV/Å)"]
    assert [row[:4] for row in table.rows] == [["bulk", "8", "100", "100"], ["surface <100>", "4", "100", "100"]]


def test_elements_share_the_components(run):
    table = element_table(run.tests["test_300K"], "eV/Å")
    assert table.rows == [["C", "144", "0.1", "0.1"], ["Si", "144", "0.1", "0.1"]]


def test_a_moved_recipe_leaves_the_published_table_out(run, tmp_path):
    import dataclasses

    moved = dataclasses.replace(run, loaded=dataclasses.replace(run.loaded, directory=tmp_path))
    assert published_table(moved) is None


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric(-0.12345, 0.0123, "eV"), "−0.123 ± 0.012"),
        (Metric(1234.5, 12.0, "K"), "1234 ± 12"),
        (Metric(5.4687, None, "Å"), "5.469"),
        (Metric(0.1, 1e-17, "eV"), "0.1"),
    ],
)
def test_numbers_have_the_digits_of_their_error(metric, expected):
    assert number(metric) == expected


def test_durations_and_names():
    assert [duration(s) for s in (4.21, 59.96, 200, 3725)] == ["4.2 s", "1 min 00 s", "3 min 20 s", "1 h 02 min"]
    assert [readable(n) for n in ("force_rmse", "nve", "C11", "test_300K")] == ["Force RMSE", "NVE", "C11", "Test 300K"]


def test_times_show_wall_and_cpu_time():
    both = time_table(StageTimes({"training": 120.0, "properties": 3.0}, {"training": 200.0}))
    assert both.columns == ["stage", "wall time", "CPU time"]
    assert both.rows == [
        ["training", "2 min 00 s", "3 min 20 s"],
        ["properties", "3.0 s", ""],
        ["together", "2 min 03 s", "3 min 20 s"],
    ]
    assert time_table(StageTimes({"training": 120.0})).rows == [["training", "2 min 00 s"]]
