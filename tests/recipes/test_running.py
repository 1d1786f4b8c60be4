"""A whole recipe, from data to report; stopped in every stage and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from mdfit.cli.main import main
from mdfit.data import read
from mdfit.errors import (
    CheckpointError,
    DataError,
    NeighborListError,
    OutputError,
    RecipeError,
    StructureError,
    UnknownSpeciesError,
)
from mdfit.potentials import LennardJones, load
from mdfit.recipes import load_recipe, read_metrics, resume_run, run_recipe
from mdfit.recipes.building import build_objective, build_potential, number_format, split_training, training_files
from mdfit.recipes.preflight import check_inputs
from mdfit.report import group_lines, write_report
from mdfit.training import Pace
from mdfit.training.records import MARKS


def history(run: Path) -> list[dict]:
    """Records of the epochs, without times, which no two runs have in common."""
    lines = [json.loads(line) for line in (run / "fit" / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in MARKS} for line in lines if line["step"]]


def positions(run: Path, name: str) -> np.ndarray:
    with h5py.File(run / "simulations" / f"{name}.h5") as file:
        return file["particles/replica_0/position/value"][:]


def test_metrics_are_there_with_errors_and_units(finished):
    document = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    units = {
        "test/force_rmse": "eV/Å",
        "test/force_mae": "eV/Å",
        "test/energy_rmse": "meV/atom",
        "test/energy_mae": "meV/atom",
        "test/energy_rmse_after_shift": "meV/atom",
        "test/stress_rmse": "GPa",
        "test/stress_mae": "GPa",
        "warm/temperature": "K",
        "warm/potential_energy": "eV/atom",
        "warm/pressure": "GPa",
        "nve/temperature": "K",
        "nve/potential_energy": "eV/atom",
        "nve/pressure": "GPa",
        "nve/energy_drift": "meV/atom/ps",
    }
    assert {name: entry["unit"] for name, entry in document.items()} == units
    assert document["test/stress_mae"]["warning"] == "the standard error comes from 4 structures only"
    assert "independent samples" in document["warm/potential_energy"]["warning"]
    for name, entry in document.items():
        # Simulations of a few frames, and test sets of four, say that they are short.
        assert set(entry) - {"warning"} == {"value", "standard_error", "unit"}
        assert np.isfinite(entry["value"]), name
        assert entry["standard_error"] > 0, name
    assert read_metrics(finished / "metrics.json")["test/force_rmse"].value == document["test/force_rmse"]["value"]


def test_test_errors_are_those_of_the_saved_potential(finished):
    from mdfit.data import read
    from mdfit.training import accuracy

    errors = accuracy(load(finished / "fit" / "best.mdfit"), read(finished.parent / "test.extxyz"))
    metrics = read_metrics(finished / "metrics.json")
    assert metrics["test/force_rmse"].value == pytest.approx(errors.summary()["force_rmse"], rel=1e-5)
    assert metrics["test/energy_mae"].value == pytest.approx(errors.summary()["energy_mae"], rel=1e-5)


def test_everything_a_run_leaves(finished):
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert record["recipe"]["recipe"]["training"]["epochs"] == 2
    assert record["environment"]["packages"]["jax"]
    stages = {"training", "test test", "simulation warm", "simulation nve"}
    assert set(record["seconds"]["wall"]) == set(record["seconds"]["cpu"]) == stages
    assert len(history(finished)) == 2
    assert (finished / "data_check.txt").read_text(encoding="utf-8").startswith(str(finished.parent))
    with np.load(finished / "simulations" / "warm.npz") as arrays:
        assert len(arrays["times"]) == 10
        assert {"rdf", "rdf_error", "rdf_r", "pressure", "temperature"} <= set(arrays)
    report = write_report(finished).read_text(encoding="utf-8")
    assert "<title>Tiny" in report
    assert "nve/energy_drift" in report or "energy drift" in report.lower()


def test_nve_goes_on_from_the_end_of_the_other(finished):
    step = np.abs(positions(finished, "nve")[0] - positions(finished, "warm")[-1]).max()
    assert 0 < step < 0.05  # 1 fs at 100 K


def test_a_run_is_not_overwritten(finished):
    before = (finished / "metrics.json").read_bytes()
    with pytest.raises(OutputError, match="already holds a run; `mdfit resume"):
        run_recipe(load_recipe(finished.parent), finished, show_progress=False)
    assert (finished / "metrics.json").read_bytes() == before


def test_unwritable_directory_is_one_sentence(finished, tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(OutputError, match=r"Could not write .*in the way, so choose another output directory"):
        run_recipe(load_recipe(finished.parent), tmp_path / "file" / "run", show_progress=False)


def test_interrupted_training_goes_on_exactly(finished, tmp_path, ctrl_c_in_update):
    ctrl_c_in_update(3)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(load_recipe(finished.parent, "train"), tmp_path / "run", show_progress=False)
    assert len(history(tmp_path / "run")) == 1
    assert not (tmp_path / "run" / "metrics.json").exists()
    outcome = resume_run(tmp_path / "run", show_progress=False)
    assert history(tmp_path / "run") == history(finished)
    assert outcome.metrics["test/force_rmse"] == read_metrics(finished / "metrics.json")["test/force_rmse"]


def test_damaged_checkpoint_is_named_with_its_remedy(finished, tmp_path):
    run = trained_only(finished, tmp_path / "run")
    checkpoint, record = run / "fit" / "checkpoint.safetensors", run / "fit" / "run.json"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    record.write_text(record.read_text(encoding="utf-8").replace('"finished"', '"running"'), encoding="utf-8")
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.safetensors is not a complete.*delete .*fit to train again"
    ):
        resume_run(run, show_progress=False)


@pytest.mark.parametrize("name", ["seconds.json", "fit/run.json"])
def test_damaged_record_is_named(finished, tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / name).write_text((run / name).read_text(encoding="utf-8")[:20], encoding="utf-8")
    for use in (lambda: resume_run(run, show_progress=False), lambda: write_report(run)):
        with pytest.raises(CheckpointError, match=rf"{name} is damaged .*restore a copy of it, or delete it"):
            use()


def test_damaged_metrics_and_log_are_named(finished, tmp_path):
    for name in ("metrics.json", "fit/log.jsonl"):
        run = tmp_path / name.replace("/", "-")
        shutil.copytree(finished, run)
        (run / name).write_text('{"loss":\n{}\n', encoding="utf-8")
        with pytest.raises(CheckpointError, match=rf"{name} is damaged"):
            write_report(run)


def test_another_potential_does_not_go_on_with_a_simulation(finished, tmp_path, monkeypatch):
    import mdfit.recipes.runner as runner

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    train = runner._Stages.train
    monkeypatch.setattr(runner._Stages, "train", lambda stages: train(stages) + LennardJones(1e-6, 1.0, 2.0))
    with pytest.raises(CheckpointError, match=r"warm\.h5 was written with another potential.* delete .*warm\.h5 and "):
        resume_run(run, show_progress=False)
    monkeypatch.undo()
    assert resume_run(run, show_progress=False).metrics == read_metrics(finished / "metrics.json")


def test_interrupted_equilibration_goes_on(finished, tmp_path, monkeypatch):
    from mdfit.simulate.jax_md.simulation import JaxSimulation

    run = trained_only(finished, tmp_path / "run")
    resolved = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    resolved["recipe"]["simulations"]["warm"]["equilibrate"] = 150.0
    resolved["file"] = None
    (run / "recipe.json").write_text(json.dumps(resolved), encoding="utf-8")
    shutil.copytree(run, tmp_path / "whole")
    whole = resume_run(tmp_path / "whole", show_progress=False).metrics
    advance = JaxSimulation.advance

    def interrupted(self, *arguments):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return advance(self, *arguments)

    monkeypatch.setattr(JaxSimulation, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt, match="before its first frame"):
        resume_run(run, show_progress=False)
    assert (run / "simulations" / "warm.h5.restart").exists()
    assert resume_run(run, show_progress=False).metrics == whole


def trained_only(finished: Path, run: Path) -> Path:
    """A copy of a run that looks as if it had been stopped after the training."""
    shutil.copytree(finished, run)
    for name in ("tests", "simulations"):
        shutil.rmtree(run / name)
    for name in ("metrics.json", "run.json"):
        (run / name).unlink()
    return run


CHILD = """
import sys, time
from mdfit.simulate.jax_md.simulation import JaxSimulation
from mdfit.recipes import resume_run
frame = JaxSimulation.frame
def slowly(self):
    time.sleep(0.1)
    return frame(self)
JaxSimulation.frame = slowly
resume_run({run!r}, show_progress=False)
"""


def test_killed_simulation_is_finished_by_resume(finished, tmp_path, start_process):
    run = trained_only(finished, tmp_path / "run")
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    child = start_process([sys.executable, "-c", CHILD.format(run=str(run))], env=environment)
    restart = run / "simulations" / "warm.h5.restart"
    deadline = time.monotonic() + 240
    while not restart.with_suffix("").exists():
        assert child.poll() is None, "the child ended before it simulated"
        assert time.monotonic() < deadline, "the child never simulated"
        time.sleep(0.01)
    time.sleep(0.25)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(positions(run, "warm")) < 10, "the child finished before it was killed; the test shows nothing"
    command = [sys.executable, "-m", "mdfit", "resume", str(run), "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nve/energy_drift" in done.stdout
    assert (run / "report.html").exists()
    assert history(run) == history(finished)
    for name in ("warm", "nve"):
        np.testing.assert_allclose(positions(run, name), positions(finished, name), rtol=0, atol=1e-5)


def test_frames_without_a_restart_file_are_not_thrown_away(finished, tmp_path):
    run = trained_only(finished, tmp_path / "run")
    (run / "simulations").mkdir()
    shutil.copy(finished / "simulations" / "warm.h5", run / "simulations")
    with pytest.raises(OutputError, match=r"warm\.h5 exists, but no restart file beside it"):
        resume_run(run, show_progress=False)
    assert (run / "simulations" / "warm.h5").read_bytes() == (finished / "simulations" / "warm.h5").read_bytes()


def test_overlap_is_found_in_frames_set_aside_too(write_tiny, tmp_path):
    path = write_tiny(tmp_path)
    frames = ase.io.read(tmp_path / "train.extxyz", ":")
    _, validation = read(tmp_path / "train.extxyz").split(0.75, seed=0)
    aside = next(i for i, atoms in enumerate(frames) if atoms.get_potential_energy() == validation[0].energy)
    calculator = frames[aside].calc
    frames[aside].positions[1] = frames[aside].positions[0] + 0.1
    frames[aside].calc, calculator.atoms = calculator, frames[aside].copy()
    ase.io.write(tmp_path / "train.extxyz", frames)
    with pytest.raises(DataError, match=rf"training data have errors.* atoms 0 and 1 of frame {aside} are"):
        run_recipe(load_recipe(path), tmp_path / "run", show_progress=False)


def test_validation_file_is_checked_too(write_tiny, tmp_path):
    path = write_tiny(tmp_path, ("validation_fraction: 0.25", "validation: test.extxyz"))
    frames = ase.io.read(tmp_path / "test.extxyz", ":")
    calculator = frames[2].calc
    frames[2].positions[1] = frames[2].positions[0] + 0.1
    frames[2].calc, calculator.atoms = calculator, frames[2].copy()
    ase.io.write(tmp_path / "test.extxyz", frames)
    with pytest.raises(DataError, match=r"validation data have errors.* atoms 0 and 1 of frame 2 are"):
        run_recipe(load_recipe(path), tmp_path / "run", show_progress=False)


@pytest.mark.parametrize(("scale", "dtype"), [(None, jnp.float32), ("double", jnp.float64)])
def test_precision_is_honoured(finished, scale, dtype):
    loaded = load_recipe(finished.parent, scale)
    train, _ = split_training(loaded, training_files(loaded))
    network = build_potential(loaded.recipe, train).terms[0]
    assert network.embedding.dtype == dtype
    objective = build_objective(loaded.recipe, train)
    assert next(objective.batches(network.cutoff).in_order()).graph.vectors.dtype == dtype
    assert number_format(loaded.recipe) == dtype


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ([("element: Si", "element: Ge")], UnknownSpeciesError, "simulation 'warm' contains Ge, but the training set has"),
        ([("element: Si", "element: Xx")], RecipeError, "cannot build diamond Xx"),
        ([("rdf_maximum: 2.7 Å", "rdf_maximum: 3 Å")], RecipeError, r"allows 2\.715 Å.*lower rdf_maximum or repeat"),
        ([("groups: [group]", "groups: [grup]")], DataError, "have no entry 'grup': did you mean 'group'"),
        ([("{crystal: {element: Si, lattice: diamond, a: 5.43 Å}}", "{file: test.extxyz, index: 40}")], DataError,
         r"simulation 'warm' cannot start.*test\.extxyz"),
        ([("test.extxyz", "recipe.yaml")], DataError, r"recipe\.yaml cannot be read"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_found_before_training(write_tiny, tmp_path, changes, error, expected):
    loaded = load_recipe(write_tiny(tmp_path, *changes))
    with pytest.raises(error, match=expected):
        run_recipe(loaded, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run" / "fit").exists()


def test_bad_training_data_stop_the_run_with_the_finding(write_tiny, tmp_path):
    from ase.io import read, write

    path = write_tiny(tmp_path)
    frames = read(tmp_path / "train.extxyz", index=":")
    forces, energy = frames[0].get_forces(), frames[0].get_potential_energy()
    frames[0].positions[1] = frames[0].positions[0] + 0.1
    frames[0].calc.results.update(forces=forces, energy=energy)
    write(tmp_path / "train.extxyz", frames, format="extxyz")
    with pytest.raises(DataError, match=r"training data have errors: atoms overlap.*data_check\.txt"):
        run_recipe(load_recipe(path), tmp_path / "run", show_progress=False)
    assert "overlapping-atoms" in (tmp_path / "run" / "data_check.txt").read_text(encoding="utf-8")


CRYSTAL = "{crystal: {element: Si, lattice: diamond, a: 5.43 Å}}"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ([("a: 5.43 Å", "a: 0.01 Å")], NeighborListError, "simulation 'warm' cannot start: A cutoff of 3 Å reaches"),
        ([("a: 5.43 Å", "a: 5.43 Å, repeat: [1000, 1000, 1000]")], StructureError, "'warm' cannot start: .*atoms: at"),
        ([("cutoff: 3 Å", "cutoff: 400 Å")], NeighborListError, "A cutoff of 400 Å reaches"),
    ],
)
def test_cells_too_small_or_too_large_are_found_before_the_training(write_tiny, tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        check_inputs(load_recipe(write_tiny(tmp_path, *changes)), (14,))


def test_a_frame_that_is_simulated_without_equilibration_gets_advice(write_tiny, tmp_path, caplog):
    for changes, told in (
        ([], False),
        ([(CRYSTAL, "{file: train.extxyz}")], True),
        ([(CRYSTAL, "{file: train.extxyz}"), ("    rdf_maximum: 2.7 Å", "    equilibrate: 10 fs")], False),
    ):
        caplog.clear()
        check_inputs(load_recipe(write_tiny(tmp_path, *changes)), (14,))
        assert ("'warm' measures from its first step" in caplog.text) == told


def test_epochs_that_fit_into_a_time_stay_when_a_run_goes_on(write_tiny, tmp_path, monkeypatch, ctrl_c_in_update):
    recipe = write_tiny(tmp_path, ("  epochs: 2\n", "  minutes: 1\n"))
    monkeypatch.setattr("mdfit.recipes.runner.measure_pace", lambda *_, **__: Pace(10.0, 1.0, 2.0, 0.0))
    # Two updates make an epoch of 21 seconds with its validation; 56 of 60 seconds are left for them.
    ctrl_c_in_update(1)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(load_recipe(recipe, "train"), tmp_path / "run", show_progress=False)
    assert "0 of 2 epochs of training are done" in write_report(tmp_path / "run").read_text(encoding="utf-8")
    monkeypatch.setattr("mdfit.recipes.runner.measure_pace", lambda *_, **__: pytest.fail("measured again"))
    resume_run(tmp_path / "run", show_progress=False)
    assert history(tmp_path / "run")[-1]["epoch"] == 2


def test_minutes_of_the_command_line_take_the_place_of_epochs(write_tiny, tmp_path, monkeypatch):
    recipe = write_tiny(tmp_path)
    monkeypatch.setattr("mdfit.recipes.runner.measure_pace", lambda *_, **__: Pace(10.0, 1.0, 2.0, 0.0))
    command = ["run", str(recipe), "--scale", "train", "--out", str(tmp_path / "run"), "--minutes", "0.5", "--quiet"]
    outcome = CliRunner().invoke(main, command)
    assert outcome.exit_code == 0, outcome.output
    assert history(tmp_path / "run")[-1]["epoch"] == 1
    # The recipe of the run is that of the file with these minutes.
    assert resume_run(tmp_path / "run", show_progress=False).metrics
    outcome = CliRunner().invoke(main, [*command[:-2], "0.01"])
    assert "already holds" in outcome.output or "holds a run" in outcome.output


def test_epochs_and_minutes_are_not_both_given(write_tiny, tmp_path):
    with pytest.raises(RecipeError, match="epochs would be ignored beside minutes"):
        load_recipe(write_tiny(tmp_path, ("  epochs: 2\n", "  epochs: 2\n  minutes: 1\n")))


def test_errors_by_group_are_shown_at_the_end(finished):
    shown = group_lines(finished)
    assert shown.startswith("\nErrors of test by group\ngroup     structures  Force RMSE (eV/Å)  ")
    assert {line.split()[0]: line.split()[1] for line in shown.splitlines()[3:5]} == {"AIMD-NVT": "2", "Elastic": "2"}
