"""Held-out test sets and declared names of labels in recipes."""

import json

import numpy as np
import pytest

from mdfit.errors import RecipeError
from mdfit.recipes import building, load_recipe, run_recipe
from mdfit.recipes.building import split_training, training_files

HELD_OUT = ("  validation_fraction: 0.25\n", "  validation_fraction: 0.25\n  test_fraction: 0.25\n")


def positions(dataset):
    return {frame.structure.positions.tobytes() for frame in dataset}


def test_a_test_set_is_held_out_of_training_and_validation(tmp_path, write_tiny):
    loaded = load_recipe(write_tiny(tmp_path, HELD_OUT))
    files = training_files(loaded)
    parts = [*split_training(loaded, files), dict(building.test_sets(loaded))["held_out"]]
    assert [len(part) for part in parts] == [4, 2, 2]
    assert set.union(*map(positions, parts)) == positions(files[0])
    again = [*split_training(loaded, files), dict(building.test_sets(loaded))["held_out"]]
    assert [positions(part) for part in parts] == [positions(part) for part in again]
    other = load_recipe(write_tiny(tmp_path, HELD_OUT, ("  test_fraction", "  split_seed: 3\n  test_fraction")))
    assert positions(dict(building.test_sets(other))["held_out"]) != positions(parts[2])


def test_groups_are_kept_together_and_other_files_are_left_alone(tmp_path, write_tiny):
    from ase.io import read, write

    path = write_tiny(
        tmp_path, ("  validation_fraction: 0.25\n", "  validation: test.extxyz\n  test_fraction: 0.4\n  group: run\n")
    )
    frames = read(tmp_path / "train.extxyz", ":")
    for number, atoms in enumerate(frames):
        atoms.info["run"] = f"r{number // 2}"
    write(tmp_path / "train.extxyz", frames)
    loaded = load_recipe(path)
    train, validation = split_training(loaded, training_files(loaded))
    held_out = dict(building.test_sets(loaded))["held_out"]
    assert len(validation) == 4
    assert len(train) + len(held_out) == 8
    assert not {f.info["run"] for f in train} & {f.info["run"] for f in held_out}


def test_the_name_is_not_given_twice(tmp_path, write_tiny):
    path = write_tiny(tmp_path, HELD_OUT, ("tests: {test:", "tests: {held_out:"))
    with pytest.raises(RecipeError, match="a test set is named held_out"):
        load_recipe(path)


def test_held_out_structures_and_virials_reach_the_report(tmp_path, write_tiny):
    from ase.io import read, write

    path = write_tiny(tmp_path, HELD_OUT, ("  groups: [group]\n", "  virial_key: W\n"))
    for name in ("train", "test"):
        frames = read(tmp_path / f"{name}.extxyz", ":")
        for atoms in frames:
            atoms.info["W"] = -atoms.get_stress(voigt=False).ravel() * atoms.get_volume()
            del atoms.calc.results["stress"]
        write(tmp_path / f"{name}.extxyz", frames)
    outcome = run_recipe(load_recipe(path, "train"), tmp_path / "run", show_progress=False)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"held_out/force_rmse", "held_out/stress_rmse", "test/stress_rmse"} <= set(metrics)
    assert outcome.metrics["test/stress_rmse"].value > 0
    with np.load(tmp_path / "run" / "tests" / "held_out.npz") as file:
        assert len(file["energy"]) == 2
    from mdfit.report import write_report

    assert "held_out" in write_report(tmp_path / "run").read_text()


def test_a_virial_that_is_not_there_is_an_error(tmp_path, write_tiny):
    from mdfit.errors import DataError

    loaded = load_recipe(write_tiny(tmp_path, ("  groups: [group]\n", "  virial_key: viral\n")))
    with pytest.raises(DataError, match=r"no 'viral' in any frame \(declared as virial key\)"):
        training_files(loaded)
