"""Results that are kept under version control."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from mdfit.cli import main
from mdfit.errors import OutputError, RecipeError
from mdfit.recipes import read_metrics
from mdfit.report import save_small_plots, write_results


@pytest.fixture(scope="module")
def results(finished_run, tmp_path_factory):
    return write_results(finished_run, tmp_path_factory.mktemp("kept") / "results").parent


def test_plots_are_small_pictures(results):
    names = {"learning_curves", "parity_test_300K", "rdf_liquid", "equation_of_state"}
    assert {path.stem for path in results.glob("*.png")} == names
    for path in results.glob("*.png"):
        assert path.stat().st_size < 100_000
        with Image.open(path) as picture:
            assert picture.width >= 400


def test_metrics_are_those_of_the_run(results, finished_run):
    assert read_metrics(results / "metrics.json") == read_metrics(finished_run / "metrics.json")


def test_provenance_repeats_the_run_and_tells_no_paths(results, finished_run):
    document = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    assert document["command"] == "mdfit run recipes/carbide"
    assert document["seconds"]["wall"]["training"] == 2400
    assert document["seconds"]["cpu"]["training"] == 3600
    assert document["seeds"]["simulation liquid"] == 0
    assert document["machine"]["cores"] >= 1
    assert document["date"]
    for path in results.glob("*.*"):
        assert str(finished_run.parent.parent).encode() not in path.read_bytes()


def test_the_summary_names_every_metric_and_plot(results):
    summary = (results / "run.md").read_text(encoding="utf-8")
    assert summary.startswith("# Carbide & <silicon>")
    for name in read_metrics(results / "metrics.json"):
        assert f"| `{name}` |" in summary
    for path in results.glob("*.png"):
        assert f"]({path.name})" in summary


def test_the_command_writes_report_and_results(finished_run, tmp_path):
    outcome = CliRunner().invoke(main, ["report", str(finished_run), "--results", str(tmp_path / "results")])
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "results" / "run.md").is_file()


def test_an_incomplete_run_has_no_results(started_run, tmp_path):
    with pytest.raises(RecipeError, match="is not complete"):
        write_results(started_run, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_plots_of_a_run_in_training(started_run, write_training, tmp_path):
    write_training(started_run, 7)
    assert [path.name for path in save_small_plots(started_run, tmp_path / "plots")] == ["learning_curves.png"]


@pytest.mark.parametrize("name", ["metrics.json", "run.md", "provenance.json", "seeds.json", "learning_curves.png"])
def test_other_files_and_runs_are_not_overwritten(finished_run, tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match=f"{name} is there already, and no result of mdfit"):
        write_results(finished_run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    before = (finished_run / "metrics.json").read_bytes()
    with pytest.raises(OutputError, match="holds a run; choose another directory for its results"):
        write_results(finished_run, finished_run)
    assert (finished_run / "metrics.json").read_bytes() == before


def test_results_replace_earlier_ones_beside_other_files(results, finished_run):
    (results / "README.md").write_text("mine")
    assert write_results(finished_run, results).exists()
    assert (results / "README.md").read_text() == "mine"
    (results / "README.md").unlink()


def test_a_target_that_cannot_be_written_is_one_sentence(finished_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Could not write"):
        write_results(finished_run, tmp_path / "file" / "results")
