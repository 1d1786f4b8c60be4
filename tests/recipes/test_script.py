"""Recipes that are Python programs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mdfit.cli.main import main
from mdfit.errors import OutputError, RecipeError
from mdfit.recipes import Metric, Request, load_script, read_metrics, resume_script, run_script
from mdfit.report import write_script_results

PROGRAM = '''"""Counts its stages.

More text.
"""

from helper_of_the_test_recipe import answer

from mdfit.recipes.metrics import Metric

SCALES = ("small", "large")


def run(request):
    with request.timed("first"):
        done = request.out / "first.txt"
        if not done.exists():
            done.write_text("done")
            if request.seed == 13:
                raise KeyboardInterrupt
    (request.out / "figure.png").write_bytes(b"not a real picture")
    return request.stage("answering", lambda: {"answer": Metric(answer(request.scale), 0.5, "GPa")})
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "counting"
    folder.mkdir()
    (folder / "recipe.py").write_text(PROGRAM)
    (folder / "helper_of_the_test_recipe.py").write_text("def answer(scale):\n    return float(len(scale))\n")
    return folder


def test_run_writes_metrics_and_provenance(folder, tmp_path):
    script = load_script(folder)
    assert script.title == "Counts its stages"
    metrics = run_script(script, tmp_path / "run", "large", 4)
    assert metrics["answer"].value == 5
    assert read_metrics(tmp_path / "run" / "metrics.json") == metrics
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert provenance["command"] == "mdfit run recipes/counting --scale large --seed 4"
    assert set(provenance["seconds"]["wall"]) == {"first", "answering"}


def test_finished_stages_are_not_done_again(tmp_path):
    request = Request("small", 0, tmp_path)
    assert request.stage("one", lambda: {"x": Metric(1.0, None, "eV")})["x"].value == 1.0
    assert request.stage("one", lambda: {"x": Metric(2.0, None, "eV")})["x"].value == 1.0


def test_killed_run_goes_on_with_its_seed_and_scale(folder, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_script(load_script(folder), out, "large", 13)
    assert not (out / "metrics.json").exists()
    assert resume_script(out)["answer"].value == 5


def test_finished_run_is_not_overwritten(folder, tmp_path):
    run_script(load_script(folder), tmp_path / "run")
    with pytest.raises(OutputError, match="already holds a run"):
        run_script(load_script(folder), tmp_path / "run")


def test_results_are_small_files(folder, tmp_path):
    run, to = tmp_path / "run", tmp_path / "results"
    with pytest.raises(RecipeError, match="not complete"):
        write_script_results(run, to)
    run_script(load_script(folder), run)
    text = write_script_results(run, to).read_text()
    assert "| `answer` | 5.0 ± 0.5 | GPa |" in text.replace("5.00 ± 0.50", "5.0 ± 0.5")
    assert {path.name for path in to.iterdir()} == {"metrics.json", "provenance.json", "run.md", "figure.png"}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("x = 1\n", "needs a docstring"),
        ('"""Title."""\nSCALES = ()\ndef run(request): ...\n', "needs a docstring"),
        ('"""Title."""\nSCALES = ("a",)\n', "needs a docstring"),
        ("def run(:\n", "not a Python program"),
    ],
)
def test_incomplete_recipes_are_named(folder, program, words):
    (folder / "recipe.py").write_text(program)
    with pytest.raises(RecipeError, match=words):
        load_script(folder)


def test_recipe_that_cannot_be_imported_is_named(folder, tmp_path):
    (folder / "recipe.py").write_text('"""T."""\nimport no_such_module\nSCALES = ("a",)\ndef run(request): ...\n')
    with pytest.raises(RecipeError, match="no_such_module"):
        run_script(load_script(folder), tmp_path / "run")


def test_command_line(folder, tmp_path):
    out = tmp_path / "run"
    result = CliRunner().invoke(main, ["run", str(folder), "--scale", "medium", "--out", str(out)])
    assert result.exit_code == 1
    assert "has no scale 'medium'" in result.output
    result = CliRunner().invoke(main, ["run", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "answer" in result.output
    result = CliRunner().invoke(main, ["report", str(out), "--results", str(tmp_path / "results")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "results" / "run.md").exists()


def test_training_goes_on_where_it_stopped_and_ctrl_c_ends_the_recipe(tmp_path, monkeypatch):
    import optax

    from mdfit.objectives import ForceMatching
    from mdfit.potentials import LennardJones, PairSpline, predict, trainable_except
    from mdfit.training.loop import FitResult
    from tests.recipes.conftest import small_crystal

    data = small_crystal()
    request = Request("small", 0, tmp_path, show_progress=False)
    start = PairSpline(2.0, 4.0, 6) + LennardJones(0.01, 2.4, cutoff=4.0)
    arguments = (
        start,
        ForceMatching(data, energy=0, forces=1),
        optax.adam(1e-3),
        2,
        lambda p: trainable_except(p, [-1]),
    )
    first = request.train("one fit", *arguments)
