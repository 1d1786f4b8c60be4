"""Tasks of recipes in Python, and what ``mdfit run --workers`` and ``--cluster`` do."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import LocalCluster

from mdfit.cli.main import main
from mdfit.errors import FarmError, RecipeError
from mdfit.farm import Farm, TasksFailed
from mdfit.recipes import Request, load_script, read_metrics, run_script
from mdfit.recipes.seeds import run_seeds

ROOT = Path(__file__).parents[2]

PROGRAM = '''"""Throws dice."""

import os

import numpy as np

from sides_of_the_test_dice import SIDES
from mdfit.recipes import Metric

SCALES = ("cpu",)


def throw(seed, worst):
    if seed == worst:
        raise ValueError("the dice fell from the table")
    return {"points": np.random.default_rng(seed).integers(SIDES, size=2), "process": os.getpid()}


def run(request):
    worst = request.seed if request.seed == 13 else None
    found = request.tasks("throws", throw, {str(n): {"seed": n, "worst": worst} for n in range(12, 15)})
    mean = float(np.mean([one["points"] for one in found.values()]))
    others = {one["process"] for one in found.values()} - {os.getpid()}
    return {"points": Metric(mean, None, "dots"), "processes": Metric(float(len(others)), None, "")}
'''


@pytest.fixture
def dice(tmp_path) -> Path:
    folder = tmp_path / "dice"
    folder.mkdir()
    (folder / "recipe.py").write_text(PROGRAM)
    (folder / "sides_of_the_test_dice.py").write_text("SIDES = 6\n")
    return folder


def test_tasks_are_done_on_the_workers_and_kept(dice, tmp_path):
    alone = run_script(load_script(dice), tmp_path / "alone", show_progress=False)
    assert alone["processes"].value == 0
    with_workers = run_script(load_script(dice), tmp_path / "two", show_progress=False, farm=Farm(2))
    assert with_workers["processes"].value in (1, 2)
    assert with_workers["points"] == alone["points"]
    kept = tmp_path / "two" / "tasks" / "throws"
    assert sorted(path.name for path in kept.iterdir()) == [f"{n}.safetensors" for n in range(12, 15)]
    (tmp_path / "two" / "metrics.json").unlink()
    assert run_script(load_script(dice), tmp_path / "two", show_progress=False, resume=True) == with_workers


def test_a_task_that_fails_names_its_inputs_once(dice, tmp_path):
    result = CliRunner().invoke(
        main, ["run", str(dice), "--seed", "13", "--workers", "2", "--quiet", "--out", str(tmp_path / "run")]
    )
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "table" in line]
    assert line.endswith("13 (seed=13, worst=13): ValueError: the dice fell from the table")
    assert "1 of 3 tasks failed; done: 2, kept in" in line
    with pytest.raises(TasksFailed):
        run_script(load_script(dice), tmp_path / "run", seed=13, show_progress=False, resume=True)


def test_a_name_that_leads_elsewhere(tmp_path):
    with pytest.raises(RecipeError, match="becomes the name of a file"):
        Request("cpu", 0, tmp_path, show_progress=False).tasks("../throws", dict, {"a": {}})


def test_workers_without_tasks_are_told(dice, tmp_path, caplog):
    (dice / "recipe.py").write_text('"""None."""\nSCALES = ("cpu",)\n\n\ndef run(request):\n    return {}\n')
    run_script(load_script(dice), tmp_path / "run", show_progress=False, farm=Farm(2))
    assert "recipe.py has no tasks that could be done side by side" in caplog.text
    result = CliRunner().invoke(
        main, ["run", str(ROOT / "recipes" / "silicon_dft"), "--scale", "demo", "--workers", "2"]
    )
    assert result.exit_code == 2
    assert "has nothing that could be done side by side: name several --seeds" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "No Dask scheduler answers at tcp://127.0.0.1:9"),
        (["--cluster", "tcp://127.0.0.1:9", "--workers", "2"], "has its own workers"),
    ],
)
@pytest.mark.parametrize("seeds", [[], ["--seeds", "0:2"]])
def test_clusters_that_do_not_answer(options, words, seeds, dice, tmp_path):
    result = CliRunner().invoke(main, ["run", str(dice), "--out", str(tmp_path / "run"), *options, *seeds, "--quiet"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_seeds_and_tasks_on_a_cluster(dice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        farm = Farm(cluster=cluster.scheduler_address)
        # Workers are in another folder than a relative path would need.
        cluster_run = run_seeds(Path("dice"), "cpu", (0, 1), Path("seeds"), farm)
        tasks = run_script(load_script(dice), tmp_path / "tasks", show_progress=False, farm=farm)
    assert tasks["points"].value == cluster_run.metrics["points"].values[0]
    assert cluster_run.seeds == [0, 1]
    assert read_metrics(tmp_path / "seeds" / "seed_1" / "metrics.json")["points"] == tasks["points"]
    shutil.rmtree(tmp_path / "seeds")
    with pytest.raises(FarmError, match="No Dask scheduler answers"):
        run_seeds(dice, "cpu", (0, 1), tmp_path / "seeds", farm)
