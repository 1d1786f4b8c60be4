"""Worker processes: their share of the cores, and what happens when they are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import light_tasks
import pytest
from waiting import alive, wait_for

from mdfit.errors import FarmError
from mdfit.farm import TasksFailed, local_executor, run_tasks


def test_each_worker_has_its_share_of_the_cores(plain_numerics, monkeypatch):
    for name in ("MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.delenv(name, raising=False)
    with local_executor(2, cores=7) as executor:
        found = [executor.submit(light_tasks.cores) for _ in range(2)]
        assert [future.result()[1:] for future in found] == [("3", "3", "-1", "0.3750")] * 2
        # What counts is how many threads XLA then has.
        assert executor.submit(light_tasks.xla_threads).result() == 3


def test_more_workers_than_cores_is_told(caplog):
    with local_executor(3, cores=2) as executor:
        assert executor.share == 1
    assert "3 workers share 2 cores" in caplog.text


@pytest.mark.parametrize(("workers", "cores"), [(0, 1), (-1, 1), (1, 0)])
def test_numbers_below_one(workers, cores):
    with pytest.raises(FarmError, match="give at least 1"):
        local_executor(workers, cores)


def test_a_killed_worker_costs_its_own_task_only(workers, tmp_path):
    tasks = {name: {"folder": str(tmp_path), "name": name, "victim": name == "b"} for name in "abcd"}
    found = run_tasks(light_tasks.die_once, tasks, workers, show_progress=False)
    assert found == {"a": 1, "b": 2, "c": 1, "d": 1}


def test_a_worker_that_is_killed_from_outside(workers, tmp_path):
    future = workers.submit(light_tasks.slow_or_quick, 1.0, 3)
    process = wait_for(lambda: next((one for one in workers._processes if one is not None and one._ready), None))
    time.sleep(0.2)
    os.kill(process._process.pid, signal.SIGKILL)
    assert future.result(60) == 3


def test_a_task_that_always_kills_its_worker_is_reported(workers, tmp_path):
    with pytest.raises(TasksFailed, match=r"die \(folder=.*\): its worker was killed \(SIGKILL\), 3 times; .*memory"):
        run_tasks(light_tasks.die, {"die": {"folder": str(tmp_path)}}, workers, show_progress=False)
    assert light_tasks.times_done(tmp_path, "die") == 3
    assert workers.submit(light_tasks.divide, 4).result() == 0.25


def test_functions_of_the_program_itself_need_no_guard(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from mdfit.farm import local_executor, run_tasks\n"
        "FACTOR = 3\n"
        "def tripled(number):\n"
        "    return FACTOR * number\n"
        "with local_executor(1) as executor:\n"
        "    print(run_tasks(tripled, {'a': {'number': 2}}, executor, show_progress=False))\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{'a': 6}\n", "")


def test_workers_end_with_the_program_that_started_them(tmp_path, start_process):
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "import light_tasks, os, time\n"
        "from mdfit.farm import local_executor\n"
        "executor = local_executor(1)\n"
        "pid, *_ = executor.submit(light_tasks.cores).result()\n"
        "executor.submit(time.sleep, 60)\n"
        "open(sys.argv[1] + '.new', 'w').write(str(pid)); os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
        "time.sleep(60)\n"
    )
    file = tmp_path / "pid"
    parent = start_process([sys.executable, "-c", program, str(file), str(Path(__file__).parent)])
    wait_for(file.exists)
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(int(file.read_text())))


@pytest.mark.parametrize(
    ("python", "words"),
    [("/bin/false", r"could not start .status 1.*`mdfit doctor`"), ("/bin/none", "could not start .No such file")],
)
def test_a_worker_that_cannot_start_is_told_once(python, words, monkeypatch):
    monkeypatch.setattr(sys, "executable", python)
    with local_executor(1) as executor, pytest.raises(FarmError, match=words):
        executor.submit(light_tasks.divide, 1).result()


def test_a_farm_that_has_ended_takes_no_tasks(plain_numerics):
    with local_executor(1) as executor:
        assert executor.submit(light_tasks.divide, 2).result() == 0.5
    with pytest.raises(RuntimeError, match="have ended"):
        executor.submit(light_tasks.divide, 2)


def test_settings_of_numbers_go_along():
    import jax

    jax.config.update("jax_default_matmul_precision", "float32")
    try:
        with local_executor(1) as executor:
            assert executor.submit(light_tasks.matmul_precision).result() == "float32"
            jax.config.update("jax_default_matmul_precision", None)
            # What one task has been given does not stay for the next.
            assert executor.submit(light_tasks.matmul_precision).result() is None
    finally:
        jax.config.update("jax_default_matmul_precision", None)
