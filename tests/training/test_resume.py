"""Only the same training is taken up again, by one process at a time."""

import array
import collections
import datetime
import decimal
import fcntl
import fractions
import json
import operator
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import equinox as eqx
import numpy as np
import optax
import pytest
from argon_clusters import argon, start

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import CheckpointError, OutputError, TrainingError
from mdfit.models import trainable
from mdfit.objectives import Alternating, ForceMatching
from mdfit.potentials import PairSpline
from mdfit.storage import fingerprint, read_header, write_tree
from mdfit.training import fit
from mdfit.training.identity import Identity


def train(out, epochs=1, data=None, rate=1e-2, potential=None, validate=None, objective=None, **settings):
    objective = objective or ForceMatching(data or argon(), energy=1, forces=1, batch_size=3)
    validate = argon(4) if validate is None else validate
    arguments = {"epochs": epochs, "validate_on": validate, "out": out, "show_progress": False, **settings}
    optimizer = arguments.pop("optimizer", None) or optax.adam(rate)
    return fit(potential or start(), objective, optimizer=optimizer, **arguments)


def changed(data, energy=1.0, forces=1.0):
    frames = [LabelledStructure(f.structure, energy * f.energy, forces * f.forces) for f in data]
    return Dataset(tuple(frames))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    train(out)
    return out


def raised(by=0.1):
    return eqx.tree_at(lambda spline: spline.coefficients, start(), start().coefficients + by)


def with_coefficients(numbers):
    return eqx.tree_at(lambda spline: spline.coefficients, start(), np.asarray(numbers, np.float32))


def matching(**settings):
    return ForceMatching(argon(), **{"energy": 1, "forces": 1, "batch_size": 3, **settings})


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"data": changed(argon(), forces=2)}, "other data or settings of the objective"),
        ({"data": changed(argon(), energy=27.2)}, "other data"),
        ({"data": argon(6)}, "other data"),
        ({"objective": matching(forces=2)}, "settings of the objective"),
        ({"objective": matching(batch_size=4)}, "settings of the objective"),
        ({"objective": matching(loss="huber")}, "settings of the objective"),
        ({"objective": 2 * matching()}, "settings of the objective"),
        ({"rate": 2e-2}, "another optimizer or learning rate"),
        ({"optimizer": optax.sgd(1e-2)}, "another optimizer"),
        ({"optimizer": optax.adam(optax.cosine_decay_schedule(1e-2, 100))}, "another optimizer"),
        ({"optimizer": optax.adam(1e-2, b1=0.8)}, "another optimizer"),
        ({"validate": argon(3)}, "other data to validate on"),
        ({"seed": 1}, "another seed"),
        ({"average": 0.99}, "averaging"),
        ({"patience": 5}, "way to validate"),
        ({"potential": PairSpline(2.6, 8.0, 20)}, "another model"),
        ({"potential": raised()}, "another start of the parameters"),
        ({"potential": raised(1e-4)}, "another start of the parameters"),
    ],
)
def test_another_training_is_not_taken_up(tmp_path, trained, settings, word):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(CheckpointError, match=rf"run was trained with .*{word}.*; resume it as it was begun"):
        train(out, epochs=2, resume=True, **settings)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("change", [np.flip, lambda c: -c, lambda c: c * (1 + 1e-4)])
def test_order_sign_and_small_changes_of_the_start_are_seen(change):
    numbers = np.random.default_rng(0).standard_normal(start().coefficients.shape)

    def identity(coefficients):
        model = with_coefficients(coefficients)
        return Identity.of(model, trainable(model), matching(), optax.adam(1e-2), None, ())

    assert identity(change(numbers)).differences(identity(numbers)) == ["another start of the parameters"]
    # Another machine rounds the last digit differently.
    assert not identity(numbers * (1 + 1e-7)).differences(identity(numbers))


def test_the_same_training_goes_on_elsewhere_and_with_moved_data(tmp_path, trained):
    shutil.copytree(trained, tmp_path / "moved")
    data = Dataset(argon().frames, source="/another/place.extxyz")
    assert train(tmp_path / "moved", epochs=2, data=data, resume=True).history == train(None, epochs=2).history


def test_another_version_or_an_unknown_one_is_not_taken_up(tmp_path, trained):
    path = tmp_path / "run" / "checkpoint.safetensors"
    shutil.copytree(trained, path.parent)
    header, arrays = read_header(path, CheckpointError, 2)
    older = {**header, "identity": {**header["identity"], "mdfit_version": "0.0.1"}}
    write_tree(path, arrays, older)
    with pytest.raises(CheckpointError, match=r"trained with mdfit 0\.0\.1 \(now "):
        train(path.parent, epochs=2, resume=True)
    write_tree(path, arrays, {**header, "identity": None})
    with pytest.raises(CheckpointError, match="earlier version of mdfit"):
        train(path.parent, epochs=2, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        {"means": None},
        {"means": {"counts": [], "sums": {}}},
        {"history": "long"},
        {"history": [{"loss": {}}]},
        {"identity": {"objective": 1}},
        {"format": "mdfit restart"},
        {"format_version": 3},
        {"stopped": 7},
        {"stopped": "sleeping"},
        {"more": 1},
        {"history": [{"loss": 10**400}]},
        {"means": {"counts": {"loss": 0}, "sums": {"loss": 1.0}}},
        {"means": {"counts": {}, "sums": {"loss": 1.0}}},
        {"means": {"counts": {"forces_rmse": 1}, "sums": {"forces_rmse": -1.0}}},
        {"spent": [float("nan"), float("inf")]},
        {"marks": [[float("nan")] * 3] * 9},
    ],
)
def test_checkpoints_with_impossible_headers_are_refused(tmp_path, trained, change):
    path = tmp_path / "run" / "checkpoint.safetensors"
    shutil.copytree(trained, path.parent)
    header, arrays = read_header(path, CheckpointError, 2)
    write_tree(path, arrays, {**header, **change})
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        train(path.parent, epochs=2, resume=True)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("average", lambda array: np.full_like(array, np.nan), "average are not finite"),
        ("parameters", lambda array: np.full_like(array, np.inf), "parameters are not finite"),
        ("best", lambda array: np.full_like(array, np.nan), "(best|best_loss) are not finite"),
        ("lowest", lambda array: np.full_like(array, np.nan), "a loss is no number"),
        ("step", lambda array: np.full_like(array, 2 * 10**9), "2000000000 updates, but records of 4"),
        ("step", lambda array: np.full_like(array, -5), "-5 updates, but records of 4"),
        ("stale", lambda array: np.full_like(array, -1), "a negative number of validations"),
    ],
)
@pytest.mark.parametrize("epochs", [1, 2])
def test_checkpoints_with_impossible_numbers_are_refused(tmp_path, trained, name, change, words, epochs):
    """Whether the training is finished or goes on."""
    path = tmp_path / "run" / "checkpoint.safetensors"
    shutil.copytree(trained, path.parent)
    header, arrays = read_header(path, CheckpointError, 2)
    edited = {key: change(array) if key.startswith(name) else array for key, array in arrays.items()}
    write_tree(path, edited, header)
    with pytest.raises(CheckpointError, match=rf"is damaged \({words}\): use an earlier copy"):
        train(path.parent, epochs=epochs)


def test_a_finished_training_is_returned_as_it_is(tmp_path):
    out = tmp_path / "run"
    first = train(out, epochs=40, patience=1, rate=0.3, resume="auto")
    assert first.stopped == "early stopping"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    second = train(out, epochs=40, patience=1, rate=0.3, resume="auto")
    assert second.stopped == "early stopping"
    assert second.history == first.history
    np.testing.assert_array_equal(second.potential.coefficients, first.potential.coefficients)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("name", ["log.jsonl", "run.json", "best.mdfit"])
def test_files_of_others_are_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("precious")
    for resume in (False, "auto"):
        with pytest.raises(OutputError, match=rf"{name} is there already; choose another directory"):
            train(tmp_path, resume=resume)
    assert (tmp_path / name).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".training.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="Could not write"):
        train(tmp_path / "run")
    assert (tmp_path / "victim").read_text() == "mine"


def test_one_process_at_a_time(tmp_path, trained):
    shutil.copytree(trained, tmp_path / "run")
    with (tmp_path / "run" / ".training.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="run is being written by another process"):
            train(tmp_path / "run", epochs=2, resume=True)
    train(tmp_path / "run", epochs=2, resume=True)


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
import mdfit.training.loop as loop
from test_loop import train
advance = loop._Run.advance
def slowly(self):
    time.sleep(0.1)
    return advance(self)
loop._Run.advance = slowly
train({out!r}, epochs=100)
sys.exit("half a training was taken for a whole one")
"""


def test_a_terminated_training_ends_the_program(tmp_path, start_process):
    out = tmp_path / "run"
    command = [sys.executable, "-c", CHILD.format(tests=str(Path(__file__).parent), out=str(out))]
    child = start_process(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "log.jsonl").exists():
        assert time.monotonic() < deadline, "the child never trained"
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=60)
    assert f"KeyboardInterrupt: The training in {out} was interrupted" in errors
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    assert read_header(out / "checkpoint.safetensors", CheckpointError, 2)[0]["stopped"] is None


PRINT = """
import optax
from mdfit.storage import fingerprint
from test_resume import matching
things = [
    matching(), optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-2, 100))),
    {"b": {1, 2.5, "x"}, "a": lambda x: x + 1},
]
import sys
sys.stdout.write(" ".join(map(fingerprint, things)))
"""


def test_fingerprints_are_those_of_another_process():
    here = str(Path(__file__).parent)
    runs = [
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{PRINT}"],
            env={"PYTHONHASHSEED": str(seed), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == 3


def test_use_does_not_change_a_fingerprint():
    objective = Alternating([(1, matching()), (2, matching() + matching(batch_size=4))])
    before = fingerprint(objective)
    train(None, objective=objective, validate=argon(4))
    assert fingerprint(objective) == before


RATE = 1e-3


def test_fingerprints_tell_what_a_function_does():
    """Names that it calls, defaults of keywords, functions inside it, and numbers of its module."""

    def of_rate():
        fingerprint_of = fingerprint(optax.adam(lambda step: RATE * step))
        return fingerprint_of

    def nested(number):
        return eval(f"lambda x: (lambda y: y + {number})(x)")

    alike = [
        (lambda t: np.exp(t), lambda t: np.cos(t)),
        (lambda *, a=1: a, lambda *, a=2: a),
        (nested(1), nested(2)),
        (optax.adam(lambda t: np.exp(t)), optax.adam(lambda t: np.cos(t))),
    ]
    assert all(fingerprint(first) != fingerprint(second) for first, second in alike)
    before = of_rate()
    globals()["RATE"] = 2e-3
    try:
        assert of_rate() != before
    finally:
        globals()["RATE"] = 1e-3
    assert of_rate() == before


@pytest.mark.parametrize(
    "of",
    [range, slice, lambda n: fractions.Fraction(1, n), decimal.Decimal, lambda n: datetime.date(2020, 1, n)]
    + [lambda n: collections.deque([n]), operator.itemgetter, lambda n: array.array("d", [n]), np.random.default_rng],
)
def test_fingerprints_see_into_objects_of_the_standard_library(of):
    assert fingerprint(of(1)) == fingerprint(of(1)) != fingerprint(of(2))


def test_what_cannot_be_told_from_another_one_is_refused():
    with pytest.raises(TrainingError, match=r"A _thread.lock cannot be told from another one.*identity\(\)"):
        fingerprint({"made of": [threading.Lock()]})


def test_fingerprints_of_things_that_hold_themselves():
    ring = [1]
    ring.append(ring)
    assert fingerprint(ring) == fingerprint(ring)
    assert fingerprint(lambda x: x) != fingerprint(lambda x: -x)
    assert fingerprint([1, [2]]) != fingerprint([[1], 2])
    assert fingerprint(1) != fingerprint(1.0) != fingerprint("1.0")
