"""New runs are made in empty directories, and only what was begun is gone on with."""

import fcntl
import json
import os
import re
import shutil
import socket
import sys
from pathlib import Path

import ase.io
import pytest
from click.testing import CliRunner

from mdfit.cli.main import main
from mdfit.errors import CheckpointError, OutputError, RecipeError, UntrustedError
from mdfit.recipes import load_recipe, load_script, read_metrics, resume_run, resume_script, run_recipe, run_script
from mdfit.recipes.gallery import gallery
from mdfit.recipes.loading import check_files, load_resolved
from mdfit.recipes.metrics import Metric
from mdfit.recipes.run_directory import check_links

PROGRAM = '''"""Writes its seed."""

from pathlib import Path

from mdfit.recipes.loading import check_files, load_resolved
from mdfit.recipes.metrics import Metric
from mdfit.recipes.run_directory import check_links

SCALES = ("small",)


def run(request):
    (Path(__file__).parent / "was_run").touch()
    return request.stage("answering", lambda: {"answer": Metric(float(request.seed), None, "eV")})
'''


def quietly(recipe, out, **settings):
    return run_recipe(recipe, out, show_progress=False, **settings)


@pytest.fixture
def script(tmp_path):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "recipe.py").write_text(PROGRAM)
    return folder


@pytest.mark.parametrize(
    "content", ["report.html", "metrics.json", "fit/checkpoint.safetensors", "simulations/warm.h5"]
)
def test_a_directory_of_other_content_is_left_alone(finished, script, tmp_path, content):
    out = tmp_path / "run"
    (out / content).parent.mkdir(parents=True)
    (out / content).write_text("precious")
    for run in (lambda: quietly(load_recipe(finished.parent), out), lambda: run_script(load_script(script), out)):
        with pytest.raises(OutputError, match=r"run is not empty \(it holds .*choose a new or an empty directory"):
            run()
    assert [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()] == [content]
    assert (out / content).read_text() == "precious"


def test_runs_of_another_kind_are_left_alone(finished, script, tmp_path):
    """A recipe in YAML does not go on with a run of one in Python, nor the other way round."""
    scripted, resolved = tmp_path / "scripted", tmp_path / "resolved"
    run_script(load_script(script), scripted)
    shutil.copytree(finished, resolved)
    recipe = finished.parent / "recipe.yaml"
    for out, run, command in (
        (scripted, lambda: quietly(load_recipe(recipe), scripted, resume=True), [recipe, "--out", scripted]),
        (resolved, lambda: run_script(load_script(script), resolved, resume=True), [script, "--out", resolved]),
    ):
        before = (out / "metrics.json").read_text()
        with pytest.raises(OutputError, match="already holds a run"):
            run()
        assert CliRunner().invoke(main, ["run", *map(str, command), "--resume"]).exit_code == 1
        assert (out / "metrics.json").read_text() == before


@pytest.mark.parametrize("resume", [False, True])
def test_files_of_others_are_not_overwritten_by_resuming(finished, tmp_path, resume):
    (tmp_path / "metrics.json").write_text("precious")
    with pytest.raises(OutputError, match="is not empty"):
        quietly(load_recipe(finished.parent), tmp_path, resume=resume)
    assert (tmp_path / "metrics.json").read_text() == "precious"


def test_a_run_that_was_stopped_at_its_very_start_can_be_begun_again(finished, script, tmp_path, monkeypatch):
    def stop(path):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("mdfit.recipes.loading.file_digest", stop)
        with pytest.raises(KeyboardInterrupt):
            quietly(load_recipe(finished.parent), out)
    assert list(out.iterdir()) == []
    # As kill -9 leaves it: no process has the number 2^22.
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())
    (out / f".request.json.{host}.{2**22}.abc.partial").touch()
    (out / ".run.lock").touch()
    assert run_script(load_script(script), out)["answer"].value == 0


def test_the_lock_of_a_new_run_is_no_link(script, tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="is not empty"):
        run_script(load_script(script), tmp_path / "run")
    assert (tmp_path / "victim").read_text() == "precious"


def test_one_process_at_a_time(finished, script, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    with (out / ".run.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for run in (lambda: quietly(load_recipe(finished.parent), out), lambda: run_script(load_script(script), out)):
            with pytest.raises(OutputError, match="run is being written by another process"):
                run()
    run_script(load_script(script), out)
    assert ".run.lock" not in {path.name for path in out.iterdir()}


def edited(run: Path, change) -> None:
    """Changes the recipe in the record of a run."""
    record = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    change(record["recipe"])
    record["file"] = None
    (run / "recipe.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda recipe: recipe["training"]["optimizer"].update(learning_rate=5e-4), "another optimizer"),
        (lambda recipe: recipe["training"].update(forces=3.0), "settings of the objective"),
        (lambda recipe: recipe["training"].update(batch_size=2), "settings of the objective"),
        (lambda recipe: recipe["training"].update(seed=5), "another seed"),
        (lambda recipe: recipe["potential"].update(seed=5), "another start of the parameters"),
        (lambda recipe: recipe["potential"].update(channels=6), "another model"),
        (lambda recipe: recipe["data"].update(split_seed=3), "other data"),
        (lambda recipe: recipe["simulations"]["warm"].update(seed=3), "another random key or seed"),
        (lambda recipe: recipe["simulations"]["warm"].update(timestep=0.5), "timestep"),
        (lambda recipe: recipe["simulations"]["warm"]["structure"]["crystal"].update(a=5.44), "another cell"),
    ],
)
def test_a_finished_run_notices_that_its_recipe_was_edited(finished, tmp_path, change, word):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    edited(run, change)
    with pytest.raises(CheckpointError, match=word):
        resume_run(run, show_progress=False)


def test_a_run_of_another_recipe_is_not_adopted(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(RecipeError, match=r"belongs to a recipe that says something else \(.*precision"):
        quietly(load_recipe(finished.parent, "double"), run, resume=True)
    # As if the record of the run had been removed by hand.
    (run / "recipe.json").unlink()
    with pytest.raises(OutputError, match="is not empty"):
        quietly(load_recipe(finished.parent), run)


def test_a_run_notices_that_the_file_of_its_recipe_was_edited(write_tiny, tmp_path):
    path = write_tiny(tmp_path / "recipe", ("epochs: 2", "epochs: 1"))
    run = tmp_path / "run"
    load_recipe(path, "train").write(run)
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size: 3", "batch_size: 2"), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"recipe\.yaml was edited since .*training\.batch_size.*put it back, or save"
    ):
        resume_run(run, show_progress=False)
    path.unlink()
    assert resume_run(run, show_progress=False).metrics["test/force_rmse"].value > 0


@pytest.mark.parametrize("factor", [2.0, 27.2])
def test_a_run_notices_that_its_data_have_changed(write_tiny, finished, tmp_path, factor):
    path = write_tiny(tmp_path / "recipe")
    shutil.copytree(finished, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "recipe.json").read_text(encoding="utf-8"))
    record["directory"] = str(path.parent)
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(record), encoding="utf-8")
    frames = ase.io.read(path.parent / "train.extxyz", ":")
    for atoms in frames:
        atoms.calc.results["forces"] = atoms.calc.results["forces"] * factor
    ase.io.write(path.parent / "train.extxyz", frames)
    with pytest.raises(CheckpointError, match="other data or settings of the objective"):
        resume_run(tmp_path / "run", show_progress=False)


def test_a_run_notices_that_its_test_sets_have_changed(write_tiny, finished, tmp_path):
    path = write_tiny(tmp_path / "recipe")
    shutil.copytree(finished, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "recipe.json").read_text(encoding="utf-8"))
    record["directory"] = str(path.parent)
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(record), encoding="utf-8")
    shutil.copy(path.parent / "train.extxyz", path.parent / "test.extxyz")
    with pytest.raises(RecipeError, match=r"test\.extxyz \(test set 'test'\) has changed since the run began"):
        resume_run(tmp_path / "run", show_progress=False)
    (path.parent / "test.extxyz").unlink()
    path.unlink()
    with pytest.raises(RecipeError, match=r"test\.extxyz cannot be read"):
        resume_run(tmp_path / "run", show_progress=False)
    # Runs of earlier versions have not noted them.
    write_tiny(path.parent)
    del record["tests"]
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(record), encoding="utf-8")
    assert resume_run(tmp_path / "run", show_progress=False).metrics == read_metrics(finished / "metrics.json")


def test_a_run_notices_that_what_it_holds_out_has_changed(write_tiny, tmp_path):
    path = write_tiny(tmp_path / "recipe", ("  tests: {test: test.extxyz}\n", "  test_fraction: 0.3\n"))
    load_recipe(path).write(tmp_path / "run")
    check_files(load_resolved(tmp_path / "run"))
    shutil.copy(path.parent / "test.extxyz", path.parent / "train.extxyz")
    with pytest.raises(RecipeError, match=r"train\.extxyz \(test set 'held_out'\) has changed since the run began"):
        check_files(load_resolved(tmp_path / "run"))


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
@pytest.mark.parametrize(
    "change",
    [
        lambda recipe, file: recipe["data"].update(train=file),
        lambda recipe, file: recipe["data"].update(tests={"test": file}),
        lambda recipe, file: recipe["simulations"]["warm"].update(structure={"file": file}),
    ],
)
def test_pipes_and_devices_that_a_stranger_names_are_not_read(finished, tmp_path, change, device):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    os.mkfifo(tmp_path / "pipe")
    edited(run, lambda recipe: change(recipe, str(tmp_path / device)))
    with pytest.raises(RecipeError, match="is no regular file"):
        resume_run(run, show_progress=False)


def test_programs_of_strangers_are_not_run(script, tmp_path):
    out = tmp_path / "run"
    run_script(load_script(script), out, seed=3)
    (script / "was_run").unlink()
    with pytest.raises(UntrustedError, match=r"recipe\.py, which does not come with this mdfit.*--trust"):
        resume_script(out)
    refused = CliRunner().invoke(main, ["resume", str(out)])
    assert refused.exit_code == 1
    assert "If you trust it: mdfit resume" in refused.stderr
    # Neither is one that lies in the run itself.
    shutil.copy(script / "recipe.py", out / "recipe.py")
    request = json.loads((out / "request.json").read_text())
    (out / "request.json").write_text(json.dumps(request | {"directory": str(out)}))
    with pytest.raises(UntrustedError):
        resume_script(out)
    (out / "request.json").write_text(json.dumps(request))
    assert not (script / "was_run").exists()
    assert not (out / "was_run").exists()
    assert resume_script(out, trust=True)["answer"].value == 3
    assert (script / "was_run").exists()


@pytest.mark.parametrize("link", ["tests", "simulations/nve.h5"])
def test_links_of_strangers_are_not_followed(finished, tmp_path, link):
    out, outside = tmp_path / "a run", tmp_path / "outside"
    shutil.copytree(finished, out)
    shutil.move(out / link, outside)
    before = outside.stat().st_mtime_ns
    (out / link).symlink_to(outside)
    (out / "within").symlink_to(out / "recipe.json")
    with pytest.raises(
        UntrustedError, match=r"is a link to .*outside, outside .*a run; .*mdfit resume '.*a run' --trust"
    ):
        resume_run(out, show_progress=False)
    assert outside.stat().st_mtime_ns == before
    (out / link).unlink()
    shutil.move(outside, out / link)
    assert resume_run(out, show_progress=False).metrics


def test_links_that_lead_in_circles_and_pipes(finished, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "here").symlink_to("there")
    (out / "there").symlink_to("here")
    check_links(out)
    os.mkfifo(out / "pipe")
    with pytest.raises(UntrustedError, match=r"pipe is neither a file nor a folder; .*--trust"):
        resume_run(out, show_progress=False)


def test_the_program_of_a_known_name_with_other_content_is_not_run(tmp_path):
    """A stranger's program that calls itself like one of ours."""
    folder = tmp_path / "relative_entropy_toys"
    folder.mkdir()
    (folder / "recipe.py").write_text(PROGRAM)
    run_script(load_script(folder), tmp_path / "run")
    with pytest.raises(UntrustedError):
        resume_script(tmp_path / "run")


def test_recipes_of_the_gallery_go_on_with_the_code_of_this_installation(tmp_path, monkeypatch):
    """A copy is recognised by name and content, and what lies at the place that the run names is not even read."""
    import mdfit.recipes.script as module

    folder = tmp_path / "double_well"
    shutil.copytree(gallery() / "double_well", folder)
    used = []

    def run(recipe):
        used.append(recipe.directory)
        return lambda request: {"answer": Metric(1.0, None, "")}

    monkeypatch.setattr(module, "_run_function", run)
    run_script(load_script(folder), tmp_path / "run", "demo")
    shutil.rmtree(folder)
    assert resume_script(tmp_path / "run")["answer"].value == 1
    assert used == [folder, (gallery() / "double_well").resolve()]


def test_a_program_that_was_edited_does_not_go_on(script, tmp_path):
    out = tmp_path / "run"
    (script / "table.csv").write_text("1,2")
    run_script(load_script(script), out)
    (script / "was_run").unlink()
    (script / "table.csv").write_text("1,3")
    with pytest.raises(RecipeError, match=r"has changed since .*program/table\.csv.*put it back to resume"):
        resume_script(out, trust=True)
    (script / "table.csv").write_text("1,2")
    with pytest.raises(RecipeError, match=r"has changed since .*\(seed\)"):
        run_script(load_script(script), out, seed=1, resume=True)
    (script / "README.md").write_text("Notes are no part of it.")
    resume_script(out, trust=True)
    request = json.loads((out / "request.json").read_text())
    (out / "request.json").write_text(json.dumps(request | {"mdfit_version": "0.0.1"}))
    with pytest.raises(RecipeError, match=r"begun with mdfit 0\.0\.1"):
        resume_script(out, trust=True)


@pytest.mark.parametrize("text", ["[]", "{}", '{"directory": 3, "scale": "x", "seed": 0}', "[" * 100000, "\x00", "nan"])
def test_damaged_requests_are_named(tmp_path, text):
    (tmp_path / "request.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"request\.json is damaged"):
        resume_script(tmp_path)
    result = CliRunner().invoke(main, ["resume", str(tmp_path)])
    assert result.exit_code == 1
    assert "request.json is damaged" in result.stderr


@pytest.mark.parametrize("name", ["../victim", "/tmp/victim", "a/b", "..", ".hidden", "", "a\x00b"])
def test_names_of_stages_lead_nowhere_else(tmp_path, name):
    from mdfit.recipes import Request

    request = Request("small", 0, tmp_path / "run")
    with pytest.raises(RecipeError, match=r"becomes the name of a file"):
        request.stage(name, dict)


def test_seeds_are_those_that_random_keys_take(script, tmp_path):
    for seed in (-1, 2**70):
        with pytest.raises(RecipeError, match="give a whole number from 0 to"):
            run_script(load_script(script), tmp_path / "run", seed=seed)
        result = CliRunner().invoke(main, ["run", str(script), "--seed", str(seed)])
        assert result.exit_code == 2
        assert "not in the range" in result.stderr
    assert "was_run" not in {path.name for path in script.iterdir()}


def test_metrics_of_a_run_are_read_back(script, tmp_path):
    run_script(load_script(script), tmp_path / "run", seed=2)
    assert read_metrics(tmp_path / "run" / "metrics.json") == {"answer": Metric(2.0, None, "eV")}
    assert str(script) in sys.path
    sys.path.remove(str(script))
