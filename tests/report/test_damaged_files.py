"""Whatever is read back from a run is checked first, and named in one sentence when it is not what mdfit writes."""

import io
import json
import os
import shutil
import time
import zipfile

import numpy as np
import pytest

from mdfit.errors import CheckpointError, RecipeError
from mdfit.recipes import read_metrics
from mdfit.recipes.arrays import Layout, load_arrays, save_arrays
from mdfit.recipes.figures import read_figure
from mdfit.recipes.run_directory import file_digest
from mdfit.recipes.seeds import read_seeds
from mdfit.recipes.stage_times import StageTimes
from mdfit.report import write_report
from mdfit.report.run_files import read_history
from mdfit.storage import read_json, read_text

DEEP = "[" * 50_000
NESTED = '{"a": ' * 5_000 + "1" + "}" * 5_000


@pytest.fixture
def run(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


NAMES = ("metrics.json", "seconds.json", "run.json", "fit/run.json", "fit/log.jsonl", "recipe.json")
TEXTS = ("[]", "3", "null", '"text"', "{", DEEP, NESTED, "\x00\x01", "NaN")
# An empty log is that of a training that has just begun.
EMPTY = [(name, "") for name in NAMES if name != "fit/log.jsonl"]


@pytest.mark.parametrize(("name", "text"), [*((name, text) for name in NAMES for text in TEXTS), *EMPTY])
def test_files_of_another_shape(run, name, text):
    (run / name).write_text(text + "\n", encoding="utf-8")
    error = RecipeError if name == "recipe.json" else CheckpointError
    with pytest.raises(error, match=name.replace(".", r"\.")) as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "document", "place"),
    [
        ("metrics.json", {"a": 3}, "a"),
        ("metrics.json", {"a": {"value": "x", "standard_error": None, "unit": ""}}, "a.value"),
        ("metrics.json", {"a": {"value": True, "standard_error": None, "unit": ""}}, "a.value"),
        ("metrics.json", {"a": {"value": 1.0, "standard_error": [1], "unit": ""}}, "a.standard_error"),
        ("metrics.json", {"a": {"value": 1.0, "standard_error": None}}, "a.unit"),
        ("metrics.json", {"a": {"value": 1.0, "standard_error": None, "unit": "", "more": 1}}, "a.more"),
        ("seconds.json", {"wall": {"training": "long"}, "cpu": {}}, "wall.training"),
        ("seconds.json", {"wall": [1, 2]}, "wall"),
        ("seconds.json", {"training": float("inf")}, "training"),
        ("seconds.json", {"training": float("nan")}, "training"),
        ("seconds.json", {"wall": {"training": -5.0}}, "wall.training"),
        ("run.json", {"environment": "here"}, "environment"),
        ("run.json", {"environment": {"machine": True}}, "environment.*machine"),
        ("run.json", {"environment": {"machine": {"devices": "cpu"}}}, "devices"),
        ("fit/run.json", {"status": "running", "environment": {"mdfit": 3}}, "environment.*mdfit"),
        ("fit/run.json", {"status": "sleeping"}, "status"),
        ("fit/run.json", {"status": ["finished"]}, "status"),
    ],
)
def test_entries_of_another_type(run, name, document, place):
    (run / name).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"{name} is damaged \(.*{place}"):
        write_report(run)


@pytest.mark.parametrize(
    "line",
    [
        "3",
        "[1]",
        '{"loss": "low"}',
        '{"loss": 1' + "0" * 400 + "}",
        '{"loss": 1, "loss": 2}',
        '{"loss": "1"}',
        '{"loss": {"a": 1}}',
        '{"loss": null}',
        "{",
    ],
)
def test_lines_of_the_log(run, line):
    with (run / "fit" / "log.jsonl").open("a") as log:
        log.write(line + "\n")
    with pytest.raises(CheckpointError, match=r"log\.jsonl is damaged"):
        write_report(run)


def test_figures_that_are_not_finite_are_read(tmp_path):
    (tmp_path / "metrics.json").write_text('{"a": {"value": NaN, "standard_error": Infinity, "unit": "K"}}')
    assert np.isnan(read_metrics(tmp_path / "metrics.json")["a"].value)


def test_times_of_earlier_versions_are_read(tmp_path):
    (tmp_path / "seconds.json").write_text('{"training": 3.5}')
    assert StageTimes.read(tmp_path).wall == {"training": 3.5}


def _without_times(arrays):
    del arrays["times"]


def _of_other_lengths(arrays):
    arrays["temperature"] = arrays["temperature"][:, :-1]


def _of_text(arrays):
    arrays["times"] = np.array(["a"] * len(arrays["times"]))


def _of_more_dimensions(arrays):
    arrays["times"] = arrays["times"][:, None]


def _with_more(arrays):
    arrays["surprise"] = np.zeros(3)


@pytest.mark.parametrize("change", [_without_times, _of_other_lengths, _of_text, _of_more_dimensions, _with_more])
def test_arrays_of_a_simulation(run, change):
    path = run / "simulations" / "liquid.npz"
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    save_arrays(path, arrays)
    with pytest.raises(
        CheckpointError, match=r"liquid\.npz is damaged \(the array .*delete it and `mdfit resume` its run"
    ):
        write_report(run)


def test_arrays_of_a_test_set(run):
    path = next((run / "tests").glob("*.npz"))
    with np.load(path) as file:
        arrays = dict(file)
    save_arrays(path, arrays | {"force_species": arrays["force_species"].astype(float)})
    with pytest.raises(CheckpointError, match=r"the array force_species is float64"):
        write_report(run)


@pytest.mark.parametrize(
    ("file", "name", "change", "words"),
    [
        ("tests/test_300K", "forces", lambda a: np.full_like(a, np.nan), "outside"),
        ("tests/test_300K", "stress", lambda a: np.full_like(a, 1e308), "outside"),
        ("tests/test_300K", "energy", lambda a: a.astype(np.longdouble), "is float128"),
        ("tests/test_300K", "force_species", lambda a: np.full_like(a, 10**9), "outside 1 to 118"),
        ("tests/test_300K", "force_frames", lambda a: np.full_like(a, -1), "outside"),
        ("tests/test_300K", "force_frames", lambda a: np.full_like(a, 10**6), "labels for too few frames"),
        ("tests/test_300K", "group_group", lambda a: a[:1], "labels for too few frames"),
        ("tests/test_300K", "group_group", lambda a: np.array(["\ud800"] * len(a)), "surrogates"),
        ("simulations/liquid", "times", np.zeros_like, "does not increase"),
        ("simulations/liquid", "times", lambda a: np.full_like(a, np.inf), "does not increase"),
        ("simulations/liquid", "temperature", lambda a: np.full_like(a, 1e308), "outside"),
        ("simulations/liquid", "rdf_r", lambda a: np.full_like(a, np.nan), "outside"),
    ],
)
def test_values_that_cannot_be(run, file, name, change, words):
    with np.load(run / f"{file}.npz") as saved:
        arrays = dict(saved)
    save_arrays(run / f"{file}.npz", arrays | {name: change(arrays[name])})
    with pytest.raises(CheckpointError, match=rf"{file}\.npz is damaged \(.*{words}.*mdfit resume"):
        write_report(run)


def test_labels_are_no_formulas(run):
    with np.load(run / "tests" / "test_300K.npz") as saved:
        arrays = dict(saved)
    labels = np.array([f"$\\frac{{ {index % 2}" for index in range(len(arrays["group_group"]))])
    save_arrays(run / "tests" / "test_300K.npz", arrays | {"group_group": labels})
    assert "\\frac{" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["recipe.json", "metrics.json"])
def test_halves_of_characters(run, name):
    document = json.loads((run / name).read_text(encoding="utf-8"))
    (run / name).write_text(json.dumps({**document, "\ud800": 1}), encoding="utf-8")
    with pytest.raises((CheckpointError, RecipeError), match=name.replace(".", r"\.")):
        write_report(run)


@pytest.mark.parametrize("content", [b"\xff\xd0\x00", b"model,300K_force_meV_per_A\n" + b"x" * 200_000 + b",1\n"])
def test_published_errors_that_are_no_table(run, tmp_path, content):
    (tmp_path / "published.csv").write_bytes(content)
    record = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    record["recipe"]["published"] = str(tmp_path / "published.csv")
    (run / "recipe.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"published\.csv cannot be read as published errors"):
        write_report(run)


def _claiming(shape: str, content: bytes = b"") -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


@pytest.mark.parametrize(
    "member",
    [
        _claiming("(1000000000000,)"),
        _claiming("(4000000000, 4000000000)"),
        _claiming("(-3,)"),
        _claiming("('x',)"),
        b"",
        b"text",
        np.lib.format.magic(9, 9),
    ],
)
def test_headers_that_promise_too_much(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", member)
    with pytest.raises(CheckpointError, match=r"a\.npz is damaged"):
        load_arrays(tmp_path / "a.npz", {"x": Layout(("n",))})


def test_objects_are_not_unpickled(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(CheckpointError, match=r"a\.npz is damaged"):
        load_arrays(tmp_path / "a.npz", {"x": Layout(("n",))})


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


def _huge(path):
    with path.open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize("make", [_pipe, _device, _huge])
@pytest.mark.parametrize("read", [read_json, read_text, read_figure, read_history, lambda path: load_arrays(path, {})])
def test_only_regular_files_of_some_size_are_read(tmp_path, make, read):
    path = tmp_path / "file"
    make(path)
    began = time.monotonic()
    if read is read_history and not path.is_file():
        assert read(path) == []
    else:
        with pytest.raises((CheckpointError, OSError), match=r"no regular file|it is larger than|is damaged"):
            read(path)
    assert time.monotonic() - began < 5


def test_test_sets_are_read_only_where_they_are_files(tmp_path):
    _pipe(tmp_path / "test.extxyz")
    with pytest.raises(RecipeError, match=r"test\.extxyz cannot be read \(it is no regular file\)"):
        file_digest(tmp_path / "test.extxyz")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 2}}]'])
def test_keys_that_are_there_twice(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"a\.json is damaged \(the key 'a' is there twice\)"):
        read_json(tmp_path / "a.json")


def test_records_without_an_epoch_count_themselves(started_run):
    (started_run / "fit").mkdir()
    (started_run / "fit" / "log.jsonl").write_text('{"loss": 1.0}\n{"loss": NaN, "epoch": Infinity}\n{"loss": 0.5}\n')
    assert "3 of 30 epochs" in write_report(started_run).read_text(encoding="utf-8")


@pytest.mark.parametrize("seconds", ["long", {"wall": {"a": "x"}}, {"wall": {"a": float("inf")}}, {"a": {"b": 1}}, [1]])
def test_times_of_results(tmp_path, seconds):
    record = {"title": "t", "command": "c", "seeds": {}, "seconds": seconds}
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match=r"provenance\.json is damaged"):
        write_report(tmp_path)


@pytest.mark.parametrize("missing", ["rdf_r", "rdf_error"])
def test_arrays_that_belong_together(run, missing):
    with np.load(run / "simulations" / "liquid.npz") as file:
        arrays = {name: file[name] for name in file.files if name != missing}
    save_arrays(run / "simulations" / "liquid.npz", arrays)
    with pytest.raises(CheckpointError, match=f"the array {missing} is missing"):
        write_report(run)


def test_a_simulation_without_frames(run):
    with np.load(run / "simulations" / "liquid.npz") as file:
        arrays = {name: file[name][..., :0] for name in file.files if not name.startswith("rdf")}
    save_arrays(run / "simulations" / "liquid.npz", arrays)
    with pytest.raises(CheckpointError, match=r"the array \w+ is empty"):
        write_report(run)


def test_arrays_that_nobody_asks_for_are_not_unpacked(tmp_path, monkeypatch):
    save_arrays(tmp_path / "a.npz", {"x": np.zeros(3), "bomb": np.zeros(10**6)})
    monkeypatch.setattr("mdfit.recipes.arrays.np.load", None)
    with pytest.raises(CheckpointError, match="the array bomb is unknown"):
        load_arrays(tmp_path / "a.npz", {"x": Layout(("n",))})


@pytest.mark.parametrize(
    "change",
    [{"seeds": []}, {"seeds": [-1]}, {"metrics": {"x": {"values": [], "unit": ""}}}, {"cpu_seconds": [float("inf")]}],
)
def test_records_of_seeds(tmp_path, change):
    document = {"seeds": [0], "metrics": {"x": {"values": [1.0], "unit": ""}}} | change
    (tmp_path / "seeds.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=r"seeds\.json is damaged .*run the seeds again"):
        read_seeds(tmp_path)
