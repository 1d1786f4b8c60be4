"""A number of epochs from a time."""

import re
from pathlib import Path
from types import SimpleNamespace

import optax
import pytest
from argon_clusters import argon, start

import mdfit
import mdfit.training.loop as loop
from mdfit.errors import TrainingError
from mdfit.objectives import ForceMatching
from mdfit.training import Pace, measure_pace


def measured(steps_per_epoch=4, **settings):
    objective = ForceMatching(argon(), energy=1, forces=1, batch_size=3)
    objective.steps_per_epoch = steps_per_epoch
    return measure_pace(start(), objective, optimizer=optax.adam(1e-2), **settings)


def test_epochs_fill_the_time():
    pace = Pace(update=0.5, validation=2.0, first=10.0, measuring=6.0)
    epochs = pace.epochs_within(300.0, steps_per_epoch=10, validate_every=2)
    used = 6.0 + 10.0 + 2 * 2.0 + epochs * (10 * 0.5 + 2.0 / 2)
    assert used <= 300.0 < used + 6.0


def test_a_time_that_is_too_short_is_refused():
    pace = Pace(update=0.5, validation=0.0, first=10.0, measuring=6.0)
    with pytest.raises(TrainingError, match=r"^0\.3 minutes are too short .* give at least 0\.350,"):
        pace.epochs_within(18.0, steps_per_epoch=10)
    assert pace.epochs_within(21.0, steps_per_epoch=10) == 1


@pytest.fixture
def clock(monkeypatch):
    """``clock(seconds)`` moves the only clock that is read."""
    now = [0.0]
    monkeypatch.setattr("mdfit.training.pace.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def move(seconds):
        now[0] += seconds

    return move


def test_updates_are_timed_without_compilation(monkeypatch, clock):
    calls = []

    def advance(self):
        calls.append(clock(0.5 if len(calls) in (0, 3) else 0.05))

    monkeypatch.setattr(loop._Run, "advance", advance)
    pace = measured()
    assert pace.update == pytest.approx(0.05)
    assert pace.first == pytest.approx(2 * 0.45)
    assert pace.measuring == pytest.approx(2 * 0.5 + 6 * 0.05)
    assert (pace.validation, len(calls)) == (0.0, 8)


def test_measuring_ends_where_an_epoch_is_long(monkeypatch, clock):
    calls = []
    monkeypatch.setattr(loop._Run, "advance", lambda self: calls.append(clock(0.05)))
    measured(steps_per_epoch=1000, most_seconds=1.02)
    assert len(calls) == 21


def test_validations_are_timed():
    pace = measured(validate_on=argon(4))
    assert 0.0 < pace.validation < pace.measuring


def test_the_example_of_the_documentation_runs():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n([^`]*measure_pace[^`]*)^```$", page, re.MULTILINE)
    objective = ForceMatching(argon(), energy=1, forces=1, batch_size=3)
    names = {"potential": start(), "objective": objective, "validation": argon(), "optax": optax, "mdfit": mdfit}
    exec(block, names)
    assert names["epochs"] > 0
