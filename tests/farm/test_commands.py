"""Commands as tasks: their logs, their failures, and that they end with their worker."""

import os
import signal
import sys
import threading
import time

import pytest
from waiting import alive, wait_for

from mdfit.errors import FarmError, OutputError
from mdfit.farm import run_command

WAITS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
#: Writes a file when it is asked to stop.
STOPS = """
import signal, sys, time
def stop(*_):
    open(sys.argv[2], "w").write("stopped")
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
open(sys.argv[1], "w").write("0")
time.sleep(60)
"""


def test_what_a_command_writes_is_in_its_log(tmp_path):
    log = tmp_path / "folder" / "log"
    for word in ("one", "two"):
        run_command([sys.executable, "-c", f"print('{word}')"], str(log))
    assert log.read_text() == "one\ntwo\n"


def test_a_command_that_fails_is_told_with_its_last_line(tmp_path):
    with pytest.raises(FarmError, match=r"ended with status 3; .*log says why: seven is refused"):
        run_command([sys.executable, "-c", "print('seven is refused'); exit(3)"], str(tmp_path / "log"))


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "log").mkdir()
    with pytest.raises(OutputError, match="log cannot be written"):
        run_command([sys.executable, "-c", ""], str(tmp_path / "log"))


def test_a_command_is_killed_with_its_worker(workers, tmp_path):
    file = tmp_path / "pid"
    future = workers.submit(run_command, [sys.executable, "-c", WAITS, str(file)], str(tmp_path / "log"))
    first = int(wait_for(lambda: file.exists() and file.read_text()))
    file.unlink()
    (worker,) = [one for one in workers._processes if one is not None]
    os.kill(worker._process.pid, signal.SIGKILL)
    # It is begun again, when the first is gone.
    second = int(wait_for(lambda: file.exists() and file.read_text()))
    assert not alive(first)
    assert not future.done()
    workers.stop()
    assert not alive(second)


def test_ctrl_c_gives_a_command_time_to_stop(tmp_path):
    begun, stopped = tmp_path / "begun", tmp_path / "stopped"

    def press():
        wait_for(begun.exists)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, "-c", STOPS, str(begun), str(stopped)], str(tmp_path / "log"))
    assert stopped.read_text() == "stopped"
