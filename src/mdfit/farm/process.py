"""One worker process, seen from the process that started it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import sysconfig
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import mdfit
from mdfit.allocator import ALLOCATOR
from mdfit.errors import FarmError
from mdfit.farm.transport import Call, dump

#: The first is XLA's, which overlooks ``--xla_cpu_multi_thread_eigen=false``; the others are those of numpy's libraries.
_THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


#: The part of a GPU's memory that JAX takes for itself, and the variables by which a user says otherwise.
_GPU_MEMORY = 0.75
_GPU_VARIABLES = ("XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_ALLOCATOR")


def worker_environment(cores: int, workers: int) -> dict[str, str]:
    """Variables of one of several processes: its cores, its share of a GPU's memory, and the same mdfit as this process.

    The number of threads is set, and not which cores they run on: two programs would choose the same.
    """
    package = str(Path(mdfit.__file__).parents[1])
    # Folders of installed packages are found anyway, after those of Python itself.
    own = [] if package in sysconfig.get_paths().values() else [package]
    path = os.pathsep.join(filter(None, (*own, os.environ.get("PYTHONPATH"))))
    chosen = {} if any(name in os.environ for name in ALLOCATOR) else ALLOCATOR
    asked = any(name in os.environ for name in _GPU_VARIABLES)
    return {
        **os.environ,
        **({} if asked else {_GPU_VARIABLES[0]: f"{_GPU_MEMORY / workers:.4f}"}),
        **chosen,
        **_cache(),
        **dict.fromkeys(_THREADS, str(cores)),
        # As in `mdfit.cli`: loading compiled programs logs features of the processor as errors.
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        **({"PYTHONPATH": path} if path else {}),
    }


def _cache() -> dict[str, str]:
    """Where this program keeps compiled programs, so that workers share them."""
    jax = sys.modules.get("jax")
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs") if jax is not None else ()
    found = {name.upper(): getattr(jax.config, name) for name in names}  # type: ignore[union-attr]
    return {name: str(value) for name, value in found.items() if value is not None}


class WorkerDied(Exception):
    """A process ended before it had answered.

    Attributes:
        how: it ended, as the end of a sentence.
    """

    def __init__(self, status: int):
        self.how = f"was killed ({signal.Signals(-status).name})" if status < 0 else f"ended with status {status}"
        super().__init__(self.how)


class WorkerProcess:
    """A process that carries out calls, one at a time; for its arguments see :func:`worker_environment`."""

    def __init__(self, cores: int, workers: int):
        self._connection, theirs = Pipe()
        command = [sys.executable, "-m", "mdfit.farm.worker", str(theirs.fileno()), str(os.getpid())]
        # In a session of its own, so that Ctrl-C reaches it through us, and a task once.
        try:
            self._process = subprocess.Popen(
                command,
                env=worker_environment(cores, workers),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            raise FarmError(
                f"a worker process could not start ({error.strerror or error}); take fewer workers, or end other programs."
            ) from error
        finally:
            theirs.close()
        self._ready = False

    def answer(self, call: Call) -> tuple[bool, Any]:
        """``(True, result)`` or ``(False, error)`` of a call.

        Raises:
            WorkerDied: when the process ends before.
            FarmError: when it did not even start.
        """
        if not self._ready:
            self._wait_until_ready()
        try:
            self._connection.send_bytes(dump(call))
            content = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise WorkerDied(self._ended()) from None
        try:
            good, answer = pickle.loads(content)
        except Exception as error:  # what is unpickled runs code of any kind
            return False, FarmError(
                f"its result cannot be read in this process ({error!r}); return arrays and numbers."
            )
        return good, answer

    def _wait_until_ready(self) -> None:
        try:
            self._connection.recv()
        except (EOFError, OSError):
            status = self._ended()
            if status < 0:
                raise WorkerDied(status) from None
            raise FarmError(
                f"a worker process could not start (status {status}); what it wrote above says why, and `mdfit doctor` "
                "whether the installation is sound."
            ) from None
        self._ready = True

    def terminate(self) -> None:
        """Asks the process to stop, as Ctrl-C would."""
        self._process.terminate()

    def close(self) -> None:
        """Ends the process, which has nothing to do."""
        self._connection.close()
        self._process.wait()

    def _ended(self) -> int:
        self._connection.close()
        return self._process.wait()
