"""A real cluster of Dask on this machine, one worker of which is killed in the middle; addresses that are none."""

import re
import socket
import sys
import threading
import time

import light_tasks
import pytest
from distributed import LocalCluster

from mdfit.errors import FarmError
from mdfit.farm import Farm, TasksFailed, cluster_executor, run_tasks


@pytest.fixture(scope="module")
def cluster():
    """Two workers, which find the modules of the tests only as those of a user's program are found."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
        yield found


def test_a_killed_worker_costs_its_own_task_only(cluster, plain_numerics, tmp_path):
    tasks = {name: {"folder": str(tmp_path), "name": name, "victim": name == "b"} for name in "abcd"}
    with cluster_executor(cluster.scheduler_address) as executor:
        found = run_tasks(light_tasks.die_once, tasks, executor, keep=tmp_path / "kept", show_progress=False)
    assert found["b"] == 2
    # Dask gives out what waits in the queue of the worker, too, so that others may have begun twice, but not thrice.
    assert sum(found.values()) <= 6
    with Farm(cluster=cluster.scheduler_address).executor() as executor:
        again = run_tasks(light_tasks.die_once, tasks, executor, keep=tmp_path / "kept", show_progress=False)
    assert again == found


def test_tasks_that_fail_and_tasks_that_kill(cluster, plain_numerics, tmp_path):
    with cluster_executor(cluster.scheduler_address) as executor:
        tasks = {str(number): {"number": number} for number in (0, 1, 2)}
        with pytest.raises(TasksFailed, match=r"^1 of 3 tasks failed; .* 0 \(number=0\): ZeroDivisionError") as caught:
            run_tasks(light_tasks.divide, tasks, executor, show_progress=False)
        assert caught.value.results == {"1": 1.0, "2": 0.5}
        with pytest.raises(TasksFailed, match="all workers to which Dask gave it died"):
            run_tasks(light_tasks.die, {"a": {"folder": str(tmp_path)}}, executor, show_progress=False)


def test_names_of_arguments_that_dask_has_for_its_own(cluster, plain_numerics):
    with cluster_executor(cluster.scheduler_address) as executor:
        assert run_tasks(dict, {"a": {"workers": 3, "key": 1}}, executor, show_progress=False)["a"]["workers"] == 3


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"mdfit": None, "jax": "1"}, "The worker tcp://w:1 has no mdfit; install mdfit"),
        ({"mdfit": "1", "jax": "2"}, r"The worker tcp://w:1 has jax 2 \(here 1\): its numbers may differ"),
        ({"mdfit": "1", "jax": "1"}, ""),
    ],
)
def test_workers_with_other_versions(theirs, words, monkeypatch, caplog, cluster):
    from distributed import Client

    versions = {"client": {"packages": {"mdfit": "1", "jax": "1"}}, "workers": {"tcp://w:1": {"packages": theirs}}}
    monkeypatch.setattr(Client, "get_versions", lambda self, packages: versions)
    told = ""
    try:
        cluster_executor(cluster.scheduler_address).shutdown()
    except FarmError as error:
        told = str(error)
    told += "".join(record.getMessage() for record in caplog.records if record.name.startswith("mdfit"))
    assert re.search(words, told) if words else told == ""


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "foo://x:1", ""])
def test_addresses_where_nobody_answers(address):
    began = time.monotonic()
    with pytest.raises(FarmError, match=f"No Dask scheduler answers at {address} .*start one with `dask scheduler`"):
        cluster_executor(address, answers_within=1.0)
    assert time.monotonic() - began < 20


def test_a_server_of_another_kind():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(FarmError, match="No Dask scheduler answers at tcp://127"):
            cluster_executor(f"tcp://127.0.0.1:{server.getsockname()[1]}", answers_within=1.0)


def test_without_distributed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(FarmError, match=r"pip install 'mdfit\[cluster\]'"):
        cluster_executor("tcp://127.0.0.1:8786")


def test_workers_or_a_cluster():
    with pytest.raises(FarmError, match="has its own workers"):
        Farm(workers=2, cluster="tcp://127.0.0.1:8786")
    with pytest.raises(FarmError, match="give at least 1"):
        Farm(workers=0)
