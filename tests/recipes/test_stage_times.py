"""Wall and CPU time of stages."""

import json
import time

import pytest

from mdfit.recipes.stage_times import FILE, StageTimes


def compute(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_waiting_costs_no_cpu_time(tmp_path):
    times = StageTimes()
    with times.measure("wait", tmp_path):
        time.sleep(0.3)
    with times.measure("compute", tmp_path):
        compute(0.3)
    assert times.wall["wait"] >= 0.3 > 0.1 > times.cpu["wait"]
    assert times.cpu["compute"] >= 0.3
    assert StageTimes.read(tmp_path) == times


def test_time_of_all_starts_is_added_up_even_when_a_stage_fails(tmp_path):
    def fail():
        with StageTimes.read(tmp_path).measure("training", tmp_path):
            compute(0.1)
            raise MemoryError

    for _ in range(2):
        with pytest.raises(MemoryError):
            fail()
    times = StageTimes.read(tmp_path)
    assert times.cpu["training"] >= 0.2
    assert times.wall["training"] >= 0.2


def test_times_without_cpu_times_are_read(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"training": 12.5}))
    assert StageTimes.read(tmp_path) == StageTimes({"training": 12.5}, {})
    assert StageTimes.read(tmp_path / "nothing") == StageTimes()


def test_a_stage_inside_another_keeps_its_own_time(tmp_path):
    with StageTimes.read(tmp_path).measure("outer", tmp_path), StageTimes.read(tmp_path).measure("inner", tmp_path):
        compute(0.1)
    times = StageTimes.read(tmp_path)
    assert times.cpu["outer"] >= times.cpu["inner"] >= 0.1
