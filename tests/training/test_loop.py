"""A run that is killed and resumed has exactly the history of one that was never interrupted."""

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
import optax
import pytest
from argon_clusters import argon, start

from mdfit.errors import CheckpointError, OutputError, TrainingError
from mdfit.objectives import ForceMatching
from mdfit.potentials import LennardJones, PairSpline, load
from mdfit.training import accuracy, fit, has_checkpoint
from mdfit.training.records import MARKS


def train(out: Path | None, epochs: int = 6, **settings):
    return fit(
        start(),
        ForceMatching(argon(), energy=1, forces=1, batch_size=3),
        optimizer=optax.adam(1e-2),
        epochs=epochs,
        average=0.9,
        validate_on=argon(4),
        out=out,
        show_progress=False,
        **settings,
    )


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
import mdfit.training.loop as loop
from test_loop import train
advance = loop._Run.advance
def slowly(self):
    time.sleep(0.02)
    return advance(self)
loop._Run.advance = slowly
train({out!r}, checkpoint_seconds=0.0)
"""


def lines(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def history(directory: Path) -> list[dict]:
    """The log without its times and without the validation before the first update."""
    return [{k: v for k, v in line.items() if k not in MARKS} for line in lines(directory) if line["step"]]


def test_killed_run_continues_exactly(tmp_path, start_process):
    whole = train(tmp_path / "whole")
    out = tmp_path / "killed"
    child = start_process([sys.executable, "-c", CHILD.format(tests=str(Path(__file__).parent), out=str(out))])
    deadline = time.monotonic() + 120
    # In the middle of the third epoch or later: the checkpoint then holds partial means.
    while not (out / "log.jsonl").exists() or len(history(out)) < 2:
        assert time.monotonic() < deadline, "the child never trained"
        time.sleep(0.01)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(history(out)) < 6, "the child finished before it was killed; the test shows nothing"
    resumed = train(out, resume=True)
    assert resumed.history == whole.history
    assert history(out) == whole.history
    np.testing.assert_array_equal(resumed.potential.coefficients, whole.potential.coefficients)
    np.testing.assert_array_equal(load(out / "best.mdfit").coefficients, whole.potential.coefficients)


def test_interrupt_saves_and_resumes(tmp_path, ctrl_c_in_update):
    whole = train(None)
    ctrl_c_in_update(6)
    assert not has_checkpoint(tmp_path / "run")
    first = train(tmp_path / "run")
    assert first.stopped == "interrupted"
    assert len(first.history) == 1
    assert has_checkpoint(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt, match=r"training in .*run was interrupted"):
        first.unless_interrupted()
    second = train(tmp_path / "run", resume=has_checkpoint(tmp_path / "run"))
    assert second.history == whole.history
    assert second.unless_interrupted() is second


def test_training_recovers_the_potential_that_made_the_labels():
    result = fit(
        start(),
        ForceMatching(argon(40), energy=1, forces=1, batch_size=8),
        optimizer=optax.adam(optax.cosine_decay_schedule(3e-2, 1500)),
        steps=1500,
        show_progress=False,
    )
    r = np.linspace(3.4, 5.5, 30)
    learned = np.asarray(result.potential.pair_energy(r**2, None, None))
    truth = np.asarray(LennardJones(0.0104, 3.4, 8.0).pair_energy(r**2, None, None))
    # Labels without noise: a tenth of the well's depth would already be a failure of the loop.
    assert np.abs(learned - truth).max() < 0.05 * 0.0104


def test_a_run_is_not_overwritten(tmp_path):
    train(tmp_path / "run", epochs=1)
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="already holds a run"):
        train(tmp_path / "run", epochs=1, resume=False)
    # The same call returns what is finished; another one is refused.
    assert train(tmp_path / "run", epochs=1).stopped == "finished"
    with pytest.raises(CheckpointError, match="was trained with"):
        train(tmp_path / "run", epochs=1, seed=1)
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing"])
def test_damaged_checkpoint_is_named(tmp_path, damage):
    train(tmp_path / "run", epochs=1)
    path = tmp_path / "run" / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[-5] ^= 0xFF
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        train(tmp_path / "run", epochs=2, resume=True)


def test_checkpoint_of_another_potential_is_refused(tmp_path):
    train(tmp_path / "run", epochs=1)
    with pytest.raises(CheckpointError, match=r"run was trained with .*another model; resume it as it was begun"):
        fit(
            PairSpline(2.5, 8.0, 25),
            ForceMatching(argon()),
            optimizer=optax.adam(1e-2),
            epochs=2,
            out=tmp_path / "run",
            resume=True,
            show_progress=False,
        )


def test_nan_label_gradient_stops_with_the_last_good_state(tmp_path, monkeypatch):
    import mdfit.training.loop as loop

    advance, count, kept = loop._Run.advance, 0, None

    def poisoned(self):
        nonlocal count, kept
        count += 1
        if count == 6:
            kept = np.asarray(self.progress.state.parameters.coefficients)
            evaluate = self.objective.evaluate

            def bad(parameters, state):
                evaluation, following = evaluate(parameters, state)
                return type(evaluation)(evaluation.loss * np.nan, evaluation.gradient, evaluation.metrics), following

            monkeypatch.setattr(self.objective, "evaluate", bad)
        return advance(self)

    monkeypatch.setattr(loop._Run, "advance", poisoned)
    with pytest.raises(TrainingError, match=r"not finite at step 5.*learning rate"):
        train(tmp_path / "run")
    monkeypatch.undo()
    resumed = train(tmp_path / "run", epochs=2, resume=True)
    assert kept is not None
    assert np.isfinite(resumed.potential.coefficients).all()


def test_diverging_loss_stops(tmp_path):
    with pytest.raises(TrainingError, match=r"diverges|not finite"):
        fit(
            start(),
            ForceMatching(argon(), batch_size=3),
            optimizer=optax.sgd(1e4),
            epochs=400,
            out=tmp_path / "run",
            show_progress=False,
        )
    assert np.isfinite(load(tmp_path / "run" / "last.mdfit").coefficients).all()


def test_full_disk_is_one_sentence_and_keeps_what_was_written(tmp_path, monkeypatch):
    train(tmp_path / "run", epochs=2)
    path = tmp_path / "run" / "checkpoint.safetensors"
    before = path.read_bytes()

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"No space left on device.*unchanged"):
        train(tmp_path / "run", epochs=3, resume=True)
    assert path.read_bytes() == before
    assert not list((tmp_path / "run").glob(".checkpoint*"))


def test_unwritable_directory_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(OutputError, match="Could not write"):
        train(tmp_path / "file" / "run", epochs=1)


def test_objectives_without_labels_or_weights_are_refused():
    data = argon(2)
    with pytest.raises(TrainingError, match="weight for stress"):
        ForceMatching(data, stress=1.0)
    with pytest.raises(TrainingError, match="all zero"):
        ForceMatching(data, energy=0, forces=0)
    with pytest.raises(TrainingError, match="validation"):
        fit(start(), ForceMatching(data), optimizer=optax.adam(1e-2), epochs=1, patience=2, show_progress=False)


def test_the_log_tells_the_errors_before_the_first_update(tmp_path):
    result = train(tmp_path, epochs=2)
    first = lines(tmp_path)[0]
    known = accuracy(start(), argon(4))
    assert (first["step"], first["epoch"]) == (0, 0)
    for name, labels, factor in (("force", known.forces, 1.0), ("energy", known.energy, 1000.0)):
        error = factor * np.sqrt(np.mean((labels[:, 1] - labels[:, 0]) ** 2))
        assert first[f"validation_{name}_rmse"] == pytest.approx(error, rel=1e-5)
    assert result.before == {name: value for name, value in first.items() if name not in MARKS}
    assert train(None, epochs=1).before["validation_loss"] == pytest.approx(first["validation_loss"])


def test_times_in_the_log_go_on_over_all_sessions(tmp_path, ctrl_c_in_update):
    begin = time.time()
    ctrl_c_in_update(5)
    assert train(tmp_path).stopped == "interrupted"
    before = lines(tmp_path)[-1]
    assert train(tmp_path).stopped == "finished"
    found = lines(tmp_path)
    for name in MARKS:
        values = [line[name] for line in found]
        assert values == sorted(values)
    assert begin <= found[0]["time"]
    assert found[-1]["time"] <= time.time()
    first_after = found[len([line for line in found if line["step"] <= before["step"]])]
    # Both sessions compile the same programs, so that the second one begins where the first one ended.
    assert first_after["cpu_seconds"] > before["cpu_seconds"]
    whole = json.loads((tmp_path / "run.json").read_text())
    assert whole["cpu_seconds"] >= found[-1]["cpu_seconds"]
    assert whole["seconds"] >= found[-1]["seconds"]


def test_records_are_told_as_they_are_made(tmp_path):
    told = []
    result = train(tmp_path, epochs=3, on_record=told.append)
    assert told == [result.before, *result.history]


def test_a_listener_that_fails_stops_the_training_and_loses_nothing(tmp_path):
    def fail(record):
        if record["step"]:
            raise RuntimeError("no connection")

    with pytest.raises(RuntimeError, match="no connection"):
        train(tmp_path, on_record=fail)
    assert train(tmp_path).history == train(None).history
