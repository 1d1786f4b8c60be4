"""Tasks on workers of this machine: order, what is kept, what fails, Ctrl-C."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import light_tasks
import numpy as np
import pytest

from mdfit.errors import FarmError, OutputError
from mdfit.farm import TasksFailed, local_executor, run_tasks
from mdfit.storage import only_writer, read_header, write_tree


def quiet(function, tasks, executor=None, **settings):
    return run_tasks(function, tasks, executor, show_progress=False, **settings)


def scaled_tasks(folder, factor=2.0, names="ab"):
    return {name: {"folder": str(folder), "name": name, "factor": factor, "values": np.arange(3)} for name in names}


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def test_results_stand_in_the_order_of_the_tasks(workers):
    ends = []
    tasks = {str(n): {"seconds": 0.5 if n == 0 else 0.0, "number": n} for n in range(4)}
    found = quiet(light_tasks.slow_or_quick, tasks, workers, on_result=lambda name, result: ends.append(name))
    assert found == {str(n): n for n in range(4)}
    assert list(found) == list("0123")
    assert ends[-1] == "0"


def test_kept_results_are_not_made_again(workers, marks, tmp_path, caplog):
    tasks, keep = scaled_tasks(marks), tmp_path / "kept"
    first = quiet(light_tasks.scaled, tasks, workers, keep=keep)
    again = quiet(light_tasks.scaled, tasks, workers, keep=keep)
    here = quiet(light_tasks.scaled, tasks, keep=keep)
    for found in (first, again, here):
        np.testing.assert_array_equal(found["b"]["values"], [0, 2, 4])
        assert found["b"]["pair"] == (1, [None, True, 0.5])
    assert [light_tasks.times_done(marks, name) for name in "ab"] == [1, 1]
    assert not caplog.records


def test_changed_inputs_and_functions_are_done_anew(marks, tmp_path, caplog):
    keep = tmp_path / "kept"
    quiet(light_tasks.scaled, scaled_tasks(marks), keep=keep)
    tasks = scaled_tasks(marks) | scaled_tasks(marks, 3.0, "b")
    assert quiet(light_tasks.scaled, tasks, keep=keep)["b"]["values"][1] == 3
    assert [light_tasks.times_done(marks, name) for name in "ab"] == [1, 2]
    assert "inputs of b have changed" in caplog.text

    def another(folder, name, factor, values):
        return factor

    assert quiet(another, tasks, keep=keep) == {"a": 2.0, "b": 3.0}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def claim_another_array(path):
    header, _ = read_header(path, FarmError)
    write_tree(path, [], header)


def forget_the_task(path):
    header, arrays = read_header(path, FarmError)
    write_tree(path, arrays, {name: value for name, value in header.items() if name != "task"})


def hide_an_unknown_part(path):
    header, arrays = read_header(path, FarmError)
    write_tree(path, arrays, {**header, "result": {"pickle": "…"}})


def of_a_newer_format(path):
    header, arrays = read_header(path, FarmError)
    write_tree(path, arrays, {**header, "format_version": 2})


def of_another_task(path):
    shutil.copy(path.with_name("a.safetensors"), path)


@pytest.mark.parametrize(
    "damage",
    [truncate, claim_another_array, forget_the_task, hide_an_unknown_part, of_a_newer_format, of_another_task],
)
def test_damaged_results_are_done_again_with_a_word(damage, marks, tmp_path, caplog):
    keep = tmp_path / "kept"
    quiet(light_tasks.scaled, scaled_tasks(marks), keep=keep)
    damage(keep / "b.safetensors")
    found = quiet(light_tasks.scaled, scaled_tasks(marks), keep=keep)
    np.testing.assert_array_equal(found["b"]["values"], [0, 2, 4])
    assert [light_tasks.times_done(marks, name) for name in "ab"] == [1, 2]
    (record,) = caplog.records
    assert "The kept result of b cannot be used, it is done again" in record.getMessage()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("object", "is a builtins.object"),
        ("text", "is an array of <U1"),
        ("complex", "is an array of complex128"),
        ("keys", "is a builtins.dict"),
    ],
)
def test_results_that_need_pickle_are_not_kept(kind, words, tmp_path):
    with pytest.raises(TasksFailed, match=words):
        quiet(light_tasks.unusable, {"a": {"kind": kind}}, keep=tmp_path / "kept")


def test_arrays_of_jax_come_back_as_those_of_numpy(tmp_path):
    for _ in range(2):
        found = quiet(jnp.arange, {"a": {"start": 3, "dtype": "float32"}}, keep=tmp_path / "kept")["a"]
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, np.arange(3, dtype=np.float32))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", ">f8", "complex64"])
def test_arrays_of_other_types_are_kept(dtype, tmp_path):
    for _ in range(2):
        found = quiet(np.ones, {"a": {"shape": (2, 3), "dtype": dtype}}, keep=tmp_path / "kept")["a"]
        assert found.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(found, np.ones((2, 3)))


def test_any_names_of_arguments(workers):
    inputs = {"function": 1, "fn": 2, "self": 3, "call": 4, "args": 5}
    assert quiet(dict, {"a": inputs}, workers) == {"a": inputs}
    assert quiet(dict, {"a": inputs}) == {"a": inputs}


@pytest.mark.parametrize("names", [["../a"], [""], [".hidden"], ["a/b"], ["a", "A"]])
def test_names_that_are_no_file_names(names, tmp_path):
    with pytest.raises(FarmError, match=r"in a file of its name|in capitals only"):
        quiet(light_tasks.divide, {name: {"number": 1} for name in names}, keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_one_program_keeps_results_in_a_directory(tmp_path):
    with only_writer(tmp_path / ".lock", tmp_path), pytest.raises(OutputError, match="written by another process"):
        quiet(light_tasks.divide, {"a": {"number": 1}}, keep=tmp_path)


def test_errors_are_told_once_with_the_inputs_and_the_rest_is_done(workers, tmp_path):
    tasks = {f"run {n}": {"number": n, "positions": np.zeros((12, 3))} for n in range(4)}
    with pytest.raises(TasksFailed) as caught:
        quiet(light_tasks.fail_for_odd, tasks, workers, keep=tmp_path)
    assert str(caught.value).splitlines() == [
        f"2 of 4 tasks failed; done: 2, kept in {tmp_path}.",
        "run 1 (number=1, positions=float64[12, 3]): The dynamics of 1 exploded.",
        "run 3 (number=3, positions=float64[12, 3]): The dynamics of 3 exploded.",
    ]
    assert caught.value.results == {"run 0": 0, "run 2": 2}
    assert list(caught.value.failures) == ["run 1", "run 3"]


@pytest.mark.parametrize("on_workers", [True, False])
def test_equal_errors_are_one(on_workers, workers):
    tasks = {name: {"number": number} for name, number in (("a", 0), ("b", 1), ("c", 0))}
    with pytest.raises(TasksFailed) as caught:
        quiet(light_tasks.divide, tasks, workers if on_workers else None)
    assert str(caught.value) == ("2 of 3 tasks failed; done: 1. a, c (number=0): ZeroDivisionError: division by zero")
    if on_workers:
        assert "light_tasks.py" in caught.value.__cause__.__notes__[0]


def test_errors_that_cannot_be_made_again_arrive(workers):
    with pytest.raises(TasksFailed, match="OddError: 1 and 2"):
        quiet(light_tasks.raise_odd, {"a": {}}, workers)


def test_inputs_that_cannot_be_sent(workers, tmp_path):
    with (tmp_path / "file").open("w") as file, pytest.raises(FarmError, match="cannot be sent between processes"):
        quiet(light_tasks.divide, {"a": {"number": file}}, workers)


def test_any_executor_will_do(marks, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        found = quiet(light_tasks.scaled, scaled_tasks(marks), threads, keep=tmp_path / "kept")
    assert found["a"]["name"] == "a"


def test_ctrl_c_keeps_what_is_done_and_the_same_call_goes_on(plain_numerics, marks, tmp_path):
    names, keep = "abcd", tmp_path / "kept"
    tasks = {name: {"parent": os.getpid(), "folder": str(marks), "name": name} for name in names}
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match="Stopped: 2 of 4 tasks are done"), local_executor(1) as executor:
        quiet(light_tasks.interrupt_parent_then_sleep, tasks, executor, keep=keep)
    # The task that sleeps has been stopped.
    assert time.monotonic() - began < 30
    assert [light_tasks.times_done(marks, name) for name in names] == [1, 1, 1, 0]
    assert sorted(path.stem for path in keep.glob("*.safetensors")) == ["a", "b"]


def test_progress_tells_what_failed_at_once(capsys):
    tasks = {f"run {n}": {"number": n, "positions": [0.0]} for n in range(3)}
    with pytest.raises(TasksFailed):
        run_tasks(light_tasks.fail_for_odd, tasks, title="Odd and even")
    shown = capsys.readouterr()
    assert "run 1 failed, the rest goes on" in shown.err
    assert "Odd and even" in shown.err
    assert "3/3" in shown.err
    assert shown.out == ""
