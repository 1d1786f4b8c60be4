"""The command line: what each verb prints, and how it fails."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io import read, write
from commands import fails, mdfit

from mdfit.recipes.script import load_script

RECIPES = Path(__file__).parents[2] / "recipes"
SILICON = RECIPES / "silicon_dft" / "data" / "Si_test.extxyz"


def test_help_is_light():
    code = (
        "import sys\n"
        "from mdfit.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'jax', 'matplotlib', 'scipy', 'ase', 'pydantic', 'h5py', 'pint', 'optax'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("check", "run", "resume", "simulate", "evaluate", "select", "report", "recipes", "doctor"):
        assert f"  {verb} " in done.stdout


def test_an_error_is_one_sentence_and_no_traceback():
    environment = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-m", "mdfit", "check", "nowhere.extxyz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"Error: nowhere.extxyz does not exist (working directory {Path.cwd()}): check the name.\n"


def test_check_of_good_and_bad_data(data):
    good = mdfit("check", "good.extxyz", "--cutoff", "5 Å")
    assert good.exit_code == 0, good.output
    assert "0 errors" in good.stdout
    forces = data[0].get_forces()
    data[0].positions[1] = data[0].positions[0]
    data[0].calc.results["forces"] = forces
    write("bad.extxyz", data, format="extxyz")
    bad = mdfit("check", "bad.extxyz")
    assert bad.exit_code == 1
    assert "overlapping-atoms" in bad.stdout


def test_check_declares_keys(data):
    assert "has no 'enrgy' in any frame (declared as energy key): did you mean 'energy'?" in fails(
        "check", "good.extxyz", "--energy-key", "enrgy"
    )
    assert "'5 eV', which is an energy, but a length is needed" in fails("check", "good.extxyz", "--cutoff", "5 eV")


def test_check_of_labels(data):
    data[1].calc.results["energy"] = float("nan")
    write("nan.extxyz", data, format="extxyz")
    assert "nan.extxyz, frame 1: the label 'energy' is not finite" in fails("check", "nan.extxyz")
    for atoms in data:
        atoms.calc = None
    write("bare.extxyz", data, format="extxyz")
    assert "holds neither energies nor forces" in fails("check", "bare.extxyz")


def test_check_of_truncated_file(data):
    text = Path("good.extxyz").read_text()
    Path("cut.extxyz").write_text(text[: len(text) - 200])
    assert "cut.extxyz, frame 2" in fails("check", "cut.extxyz")


@pytest.fixture
def renamed(data):
    """The frames of ``good.extxyz`` with labels of other names, and virials for stresses, in ``renamed.extxyz``."""
    for atoms in data:
        results = atoms.calc.results
        atoms.arrays["my_forces"], atoms.info["my_energy"] = results["forces"], results["energy"]
        if "stress" in results:
            atoms.info["my_virial"] = -atoms.get_stress(voigt=False).ravel() * atoms.get_volume()
        atoms.calc = None
    write("renamed.extxyz", data, format="extxyz")
    return ["--energy-key", "my_energy", "--forces-key", "my_forces", "--virial-key", "my_virial"]


def test_keys_of_labels_can_be_declared_for_every_command(renamed, silicon):
    for command in (["check", "renamed.extxyz"], ["evaluate", "sw.mdfit", "renamed.extxyz"]):
        result = mdfit(*command, *renamed)
        assert result.exit_code == 0, result.output
        assert "did you mean 'my_virial'" in fails(*command, "--virial-key", "my_viral", *renamed[:4])
    result = mdfit("split", "renamed.extxyz", "--test", "0", "--validation", "0.3", "--out", "parts", *renamed)
    assert result.exit_code == 0, result.output
    assert "parts/renamed_train.extxyz: 2 frames" in result.stdout
    assert "parts/renamed_validation.extxyz: 1 frames" in result.stdout
    assert "exists; move it away" in fails("split", "renamed.extxyz", "--test", "0", "--out", "parts", *renamed)
    assert mdfit("check", "parts/renamed_train.extxyz").exit_code == 0


def test_evaluate_shows_the_error_after_a_shift_of_reference_energies(silicon):
    frames = [atoms for atoms in read(SILICON, index=":", format="extxyz") if len(atoms) == 64][:6]
    write("own.extxyz", frames, format="extxyz")
    for atoms in frames:
        atoms.calc.results["energy"] += 101.0 * len(atoms)
    write("shifted.extxyz", frames, format="extxyz")
    lines = {}
    for name in ("own", "shifted"):
        result = mdfit("evaluate", "sw.mdfit", f"{name}.extxyz")
        assert result.exit_code == 0, result.output
        rows = [line.split() for line in result.stdout.splitlines()]
        lines[name] = {row[0].partition("/")[2]: float(row[1]) for row in rows if row[0].startswith(name)}
    assert lines["shifted"]["energy_rmse"] == pytest.approx(101e3, rel=0.05)
    assert lines["shifted"]["energy_rmse_after_shift"] == pytest.approx(
        lines["own"]["energy_rmse_after_shift"], rel=1e-3
    )
    assert lines["own"]["energy_rmse_after_shift"] < 100


def test_evaluate(data, silicon):
    for atoms in data:
        atoms.info["group"] = str(len(atoms))
    write("grouped.extxyz", data, format="extxyz")
    result = mdfit("evaluate", "sw.mdfit", "grouped.extxyz", "--group", "group")
    assert result.exit_code == 0, result.output
    assert "grouped/force_rmse" in result.stdout
    assert f"group={len(data[0])}/energy_mae" in result.stdout
    assert "have no entry 'grup': did you mean 'group'" in _error_of("evaluate", "sw.mdfit", "grouped.extxyz", "grup")


def _error_of(verb: str, potential: str, file: str, group: str) -> str:
    result = mdfit(verb, potential, file, "--group", group)
    assert result.exit_code == 1
    return result.stderr


def test_evaluate_refuses_an_unknown_element(data, silicon):
    for atoms in data:
        atoms.symbols[0] = "Ge"
    write("germanium.extxyz", data, format="extxyz")
    message = fails("evaluate", "sw.mdfit", "germanium.extxyz")
    assert "The potential knows Si, but the structure contains Ge" in message
    assert "train on data with these elements or choose another potential" in message


def test_evaluate_names_a_structure_with_overlapping_atoms(data, silicon):
    forces = data[1].get_forces()
    data[1].positions[1] = data[1].positions[0]
    data[1].calc.results["forces"] = forces
    data[1].calc.results.pop("stress", None)
    write("overlap.extxyz", data, format="extxyz")
    message = fails("evaluate", "sw.mdfit", "overlap.extxyz")
    assert "Frame 1: Atoms 0 and 1 lie 0 Å apart; remove one of them" in message


def test_recipes_are_listed_and_copied():
    listed = mdfit("recipes")
    assert listed.exit_code == 0
    for path in RECIPES.glob("*/recipe.yaml"):
        assert path.parent.name in listed.stdout
    copied = mdfit("recipes", "--copy", "three_bpa")
    assert copied.exit_code == 0, copied.output
    assert Path("three_bpa/data/3bpa_train_300K.extxyz.gz").exists()
    assert not Path("three_bpa/results").exists()
    assert not Path("silicon_dft").exists()
    assert "three_bpa exists; move it away first" in fails("recipes", "--copy", "three_bpa")
    # It reads the data of another one.
    assert mdfit("recipes", "--copy", "silicon_fused").exit_code == 0
    assert Path("silicon_dft/data/Si_train.extxyz").exists()
    assert load_script("silicon_fused").needs == ("silicon_dft",)
    assert "There is no recipe 'three-bpa': did you mean 'three_bpa'?" in fails("recipes", "--copy", "three-bpa")


def test_recipe_is_not_copied_in_part(monkeypatch):
    def full(source, target, **_):
        Path(target).mkdir()
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device"), ("c", "d", "[Errno 28] ...")])

    monkeypatch.setattr("shutil.copytree", full)
    assert "silicon_dft: [Errno 28] No space left on device; free some space" in fails(
        "recipes", "--copy", "silicon_dft"
    )
    assert not Path("silicon_dft").exists()


@pytest.mark.parametrize("command", ["check", "run", "resume", "report", "split"])
def test_names_that_are_too_long_are_one_sentence(command):
    assert "cannot be used (File name too long); choose a shorter name." in fails(command, "x" * 300)


def test_run_resume_and_report_name_what_is_missing():
    assert "There is no recipe nothing; `mdfit recipes` lists" in fails("run", "nothing")
    assert "is not the directory of a run" in fails("resume", ".")
    assert "is not the directory of a run" in fails("report", ".")
    Path("recipe.yaml").write_text("title: x\ndata:\n  trian: x\n")
    result = mdfit("run", "recipe.yaml")
    assert result.exit_code == 1
    assert "recipe.yaml line 3: unknown key 'data.trian'; did you mean 'train'?" in result.stderr


def test_doctor():
    result = mdfit("doctor")
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.stdout
    assert "Stillinger–Weber silicon: -4.33660 eV/atom" in result.stdout


EXPORTS = "export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=-1 MALLOC_MMAP_MAX_=0"


def test_doctor_tells_how_the_allocator_is_set(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MDFIT_CHOSE_ALLOCATOR"):
        monkeypatch.delenv(name, raising=False)
    missing = "MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_MAX_ not set as advised; training on a CPU may be slow without: "
    assert missing + EXPORTS in mdfit("doctor").stdout
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "-1")
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "0")
    assert "memory allocator: set in the environment, for Python scripts, too" in mdfit("doctor").stdout
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-m", "mdfit", "doctor"]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert f"memory allocator: set for this command only; for Python scripts on a CPU: {EXPORTS}" in done.stdout


@pytest.mark.parametrize("page", ["training.md", "troubleshooting.md"])
def test_documentation_tells_the_same_exports(page):
    assert EXPORTS in (RECIPES.parent / "docs" / page).read_text(encoding="utf-8")


def test_doctor_sees_a_bad_version(monkeypatch):
    from mdfit.cli import diagnosis

    facts = diagnosis.environment()
    monkeypatch.setattr(diagnosis, "environment", lambda: {**facts, "packages": {**facts["packages"], "jax": "0.10.2"}})
    result = mdfit("doctor")
    assert result.exit_code == 1
    assert "jax 0.10.2 miscompiles on CPUs; install another version" in result.stdout


def test_table_shows_as_many_digits_as_the_error_supports():
    from mdfit.recipes import Metric
    from mdfit.recipes.metric_lines import with_error

    assert with_error(Metric(0.123456, 0.0123, "eV/Å")) == "0.123 ± 0.012 eV/Å"
    assert with_error(Metric(1234.5, 67.0, "K")) == "1234 ± 67 K"
    assert with_error(Metric(152.98765, None, "GPa")) == "153 GPa"
    assert np.isclose(float(with_error(Metric(1e-7, None, "eV")).split()[0]), 1e-7)


def test_terminated_command_ends_like_ctrl_c(silicon, start_process):
    import subprocess
    import sys
    import time

    command = [sys.executable, "-m", "mdfit", "simulate", "sw.mdfit", "crystal.extxyz", "--temperature", "300 K"]
    command += ["--duration", "100 ns", "--equilibrate", "100 ns", "--out", "long.h5"]
    process = start_process(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not Path("long.h5.restart").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Interrupted; the same command goes on from there."
    assert "Traceback" not in errors
