"""Recipes that are Python programs."""

import json
import signal
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from click.testing import CliRunner

from mdfit.cli.main import main
from mdfit.errors import CheckpointError, OutputError, RecipeError
from mdfit.objectives.base import Evaluation, Objective
from mdfit.potentials import LennardJones
from mdfit.recipes import Metric, Request, load_script, read_metrics, resume_script, run_script
from mdfit.recipes.stage_times import StageTimes
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
    assert resume_script(out, trust=True)["answer"].value == 5


def test_finished_run_is_not_overwritten(folder, tmp_path):
    run_script(load_script(folder), tmp_path / "run")
    with pytest.raises(OutputError, match="already holds a run"):
        run_script(load_script(folder), tmp_path / "run")


def test_results_are_small_files(folder, tmp_path):
    run, to = tmp_path / "run", tmp_path / "results"
    with pytest.raises(RecipeError, match="not complete"):
        write_script_results(run, to)
    run_script(load_script(folder), run)
    (tmp_path / "secret").write_text("key")
    (run / "linked.png").symlink_to(tmp_path / "secret")
    (run / "folder.png").mkdir()
    text = write_script_results(run, to).read_text()
    assert "| `answer` | 5.0 ± 0.5 | GPa |" in text.replace("5.00 ± 0.50", "5.0 ± 0.5")
    assert {path.name for path in to.iterdir()} == {"metrics.json", "provenance.json", "run.md", "figure.png"}
    assert write_script_results(run, to).exists()
    before = json.loads((run / "provenance.json").read_text())
    for change in ({"title": None}, {"machine": []}, {"seconds": {}}, {"seeds": "all"}, {"command": 1}):
        (run / "provenance.json").write_text(json.dumps(before | change))
        with pytest.raises(CheckpointError, match=rf"provenance.json is damaged \('{next(iter(change))}"):
            write_script_results(run, to)
    (run / "provenance.json").write_text(json.dumps(before))
    (to / "provenance.json").unlink()
    with pytest.raises(OutputError, match=r"figure.png is there already, and no result of mdfit"):
        write_script_results(run, to)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("x = 1\n", "needs a docstring"),
        ('"""Title."""\nSCALES = ()\ndef run(request): ...\n', "needs a docstring"),
        ('"""Title."""\nSCALES = ("a",)\n', "needs a docstring"),
        (
            '"""Title."""\nSCALES = ("a",)\nNEEDS = "one"\ndef run(request): ...\n',
            r"NEEDS = \(\.\.\.\) with their names",
        ),
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


def test_annotated_scales_are_seen(tmp_path):
    (tmp_path / "recipe.py").write_text(
        '"""Title."""\n\nSCALES: tuple[str, ...] = ("small",)\n\n\ndef run(request):\n    ...\n'
    )
    assert load_script(tmp_path).scales == ("small",)


class Parabola(Objective):
    """(ε − 3)² of a Lennard-Jones potential, which Ctrl-C interrupts at the update ``interrupted_at``."""

    steps_per_epoch = 1

    def __init__(self, interrupted_at: int | None = None):
        self.interrupted_at, self.evaluations = interrupted_at, 0

    def identity(self):
        # When it is interrupted does not make it another objective.
        return ()

    def initial_state(self, seed, parameters):
        return np.asarray(0, np.int64)

    def draw(self, parameters, state):
        return None, state + 1

    def loss(self, model, batch):
        raise NotImplementedError

    def evaluate(self, parameters, state):
        self.evaluations += 1
        if int(state) == self.interrupted_at:
            signal.raise_signal(signal.SIGINT)
        epsilon = parameters.trained.epsilon
        gradient = jax.tree.map(jnp.zeros_like, parameters.trained)
        gradient = eqx.tree_at(lambda tree: tree.epsilon, gradient, 2 * (epsilon - 3))
        return Evaluation((epsilon - 3) ** 2, gradient, {}), state + 1


def test_contradicting_flags_are_refused(tmp_path):
    request = Request("small", 0, tmp_path, show_progress=False)
    with pytest.raises(RecipeError, match="both fixed and train_only"):
        request.train("one", LennardJones(), Parabola(), optax.sgd(0.1), 1, lambda model: model, fixed=[-1])


def test_an_interrupted_training_ends_the_recipe_and_goes_on_later(tmp_path):
    request = Request("small", 0, tmp_path, show_progress=False)
    start, settings = LennardJones(1.0, 1.0, 2.5), (optax.sgd(0.25), 6)
    with pytest.raises(KeyboardInterrupt, match="one_fit"):
        request.train("one_fit", start, Parabola(interrupted_at=2), *settings)
    rest = Parabola()
    found = request.train("one_fit", start, rest, *settings).last
    assert 3 <= rest.evaluations < 6
    # Each step halves the distance of 2.
    assert float(found.epsilon) == pytest.approx(3 - 2 / 2**6)
    assert "train one fit" in StageTimes.read(tmp_path).wall


def test_helpers_of_the_same_name_are_those_beside_each_recipe(tmp_path):
    answers = []
    for number in (1, 2):
        folder = tmp_path / f"recipe_{number}"
        folder.mkdir()
        (folder / "recipe.py").write_text(PROGRAM.replace("helper_of_the_test_recipe", "helper_of_two_recipes"))
        (folder / "helper_of_two_recipes.py").write_text(f"def answer(scale):\n    return {float(number)}\n")
        answers.append(run_script(load_script(folder), tmp_path / f"run_{number}")["answer"].value)
    assert answers == [1.0, 2.0]
