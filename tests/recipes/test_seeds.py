"""Recipes from several seeds: which ones, side by side, stopped and gone on with, and what they say together."""

import json
import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from mdfit.errors import CheckpointError, OutputError, RecipeError, UntrustedError
from mdfit.farm import Farm
from mdfit.recipes import load_recipe
from mdfit.recipes.metrics import Metric
from mdfit.recipes.run_directory import environment_of, note_commit
from mdfit.recipes.seeds import parse_seeds, read_seeds, run_seeds, together
from mdfit.report import write_seeds_results

RECIPE = '''"""A dice."""

from mdfit.errors import RecipeError
from mdfit.recipes import Metric

SCALES = ("cpu",)


def run(request):
    if request.seed == 7:
        raise RecipeError("seven is refused")
    return {"points": Metric(2.0 + request.seed, None, "dots", reference=3.5)}
'''


@pytest.fixture
def dice(tmp_path) -> Path:
    folder = tmp_path / "dice"
    folder.mkdir()
    (folder / "recipe.py").write_text(RECIPE)
    return folder


@pytest.mark.parametrize(("text", "seeds"), [("0:3", (0, 1, 2)), ("4", (4,)), ("1,5", (1, 5))])
def test_seeds_are_a_range_or_numbers(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "3:3", "a", "1,1", "-1", "0:3:2", str(2**32)])
def test_seeds_that_are_none(text):
    with pytest.raises(RecipeError, match="give a range like 0:3"):
        parse_seeds(text)


def test_mean_and_spread():
    runs = {
        seed: {"a": Metric(value, 0.1, "eV"), **own}
        for seed, value, own in ((3, 1.0, {}), (5, 3.0, {"b": Metric(1, None, "")}))
    }
    found = together(runs)
    assert found.seeds == [3, 5]
    # What only some of the runs have says nothing about a spread.
    assert list(found.metrics) == ["a"]
    assert found.metrics["a"].mean == 2.0
    assert found.metrics["a"].spread == pytest.approx(math.sqrt(2))


def test_runs_that_fail_are_named_and_gone_on_with(dice, tmp_path):
    lines = []
    out = tmp_path / "runs"
    with pytest.raises(RecipeError, match=r"1 of 2 runs failed: dice seed 7 ended with .*seven is refused"):
        run_seeds(dice, "cpu", (1, 7), out, Farm(2), lines.append)
    assert lines == ["dice seed 1: done"]
    assert "seven is refused" in (out / "seed_7.log").read_text()
    whole = (out / "seed_1" / "metrics.json").stat().st_mtime_ns
    (dice / "recipe.py").write_text(RECIPE.replace("request.seed == 7", "request.seed == 70"))
    with pytest.raises(RecipeError, match=r"changed since the run in .*seed_1 began"):
        run_seeds(dice, "cpu", (1, 7), out, Farm(2), lines.append)
    assert (out / "seed_1" / "metrics.json").stat().st_mtime_ns == whole


def test_results_tell_the_spread(dice, tmp_path):
    found = run_seeds(dice, "cpu", (0, 2), tmp_path / "runs")
    assert found == read_seeds(tmp_path / "runs")
    assert found.metrics["points"].values == [2.0, 4.0]
    with pytest.raises(OutputError, match="holds seed_2, too"):
        run_seeds(dice, "cpu", (0, 1), tmp_path / "runs")
    with pytest.raises(OutputError, match="is a run; choose another"):
        run_seeds(dice, "cpu", (0, 1), tmp_path / "runs" / "seed_0")
    assert len(found.commits) == 1
    assert len(found.cpu_seconds) == 2
    text = write_seeds_results(tmp_path / "runs", tmp_path / "results").read_text()
    assert f"Commits: {found.commits[0]}." in text
    assert "| `points` | 3.0 | 1.4 | 2, 4 | dots |" in text
    assert json.loads((tmp_path / "results" / "metrics.json").read_text())["points"]["value"] == 2.0
    # Once more over earlier results.
    write_seeds_results(tmp_path / "runs", tmp_path / "results")


@pytest.mark.parametrize("name", ["thesis.tex", "seeds.json", "seed_0.log/a"])
def test_a_directory_of_other_content_is_no_place_for_seeds(dice, tmp_path, name):
    out = tmp_path / "runs"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("precious")
    with pytest.raises((OutputError, CheckpointError, RecipeError)):
        run_seeds(dice, "cpu", (0,), out)
    assert [path for path in out.rglob("*") if path.is_file()] == [out / name]
    assert (out / name).read_text() == "precious"


@pytest.mark.parametrize("name", ["seed_0.log", "seeds.json", "seed_0"])
def test_seeds_do_not_follow_links_that_lead_out(dice, tmp_path, name):
    out, victim = tmp_path / "runs", tmp_path / "victim"
    out.mkdir()
    if name == "seed_0":
        victim.mkdir()
    else:
        victim.write_text('{"seeds": [0], "metrics": {}}')
    (out / name).symlink_to(victim)
    with pytest.raises((UntrustedError, OutputError), match=r"is a link to .*victim, outside|holds seeds\.json"):
        run_seeds(dice, "cpu", (0,), out)
    assert victim.is_dir() or victim.read_text() == '{"seeds": [0], "metrics": {}}'


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_are_stopped_by_ctrl_c(workers, dice, tmp_path):
    out = tmp_path / "runs"
    waits = "import os, time; (request.out / 'pid').write_text(str(os.getpid())); time.sleep(60)"
    (dice / "recipe.py").write_text(RECIPE.replace("def run(request):", f"def run(request):\n    {waits}"))
    pids = [out / f"seed_{seed}" / "pid" for seed in range(workers)]

    def press():
        while not all(pid.exists() for pid in pids):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        run_seeds(dice, "cpu", (0, 1, 2), out, Farm(workers))
    assert not (out / "seed_2").exists()
    for pid in pids:
        assert not Path("/proc", pid.read_text()).exists()


def test_seeds_of_recipes_in_yaml_are_moved():
    recipe = Path(__file__).parents[2] / "recipes" / "silicon_dft"
    first, third = (load_recipe(recipe, "demo", seed).recipe for seed in (0, 2))
    assert third.training.seed == first.training.seed + 2
    assert third.potential.seed == first.potential.seed + 2
    assert third.data.split_seed == first.data.split_seed
    for name, simulation in first.simulations.items():
        assert third.simulations[name].seed == simulation.seed + 2


def test_a_run_tells_all_commits_that_worked_on_it(tmp_path, monkeypatch):
    for commit in ("a", "a", "b"):
        monkeypatch.setattr("mdfit.recipes.run_directory.git_commit", lambda commit=commit: commit)
        note_commit(tmp_path / "run")
    assert environment_of(tmp_path / "run")["git_commit"] == "a, then b"
