"""Tasks that take no time, and leave a mark in a folder whenever they are carried out."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from mdfit.errors import SimulationError


def mark(folder, name) -> int:
    """How often this was called with the same arguments, this time included."""
    with (Path(folder) / name).open("a") as file:
        file.write(".")
    return (Path(folder) / name).stat().st_size


def times_done(folder, name) -> int:
    path = Path(folder) / name
    return path.stat().st_size if path.exists() else 0


def scaled(folder, name, factor, values):
    mark(folder, name)
    return {"values": factor * np.asarray(values), "name": name, "pair": (1, [None, True, 0.5])}


def slow_or_quick(seconds, number):
    time.sleep(seconds)
    return number


def die_once(folder, name, victim):
    """The victim's worker is killed in the middle of its first attempt."""
    attempt = mark(folder, name)
    time.sleep(0.3)
    if victim and attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


def die(folder):
    mark(folder, "die")
    os.kill(os.getpid(), signal.SIGKILL)


def fail_for_odd(number, positions):
    if number % 2:
        raise SimulationError(f"The dynamics of {number} exploded.")
    return number


def divide(number):
    return 1 / number


def unusable(kind):
    return {"object": object(), "text": np.array(["a"]), "complex": np.ones(1, complex), "keys": {1: 2}}[kind]


class OddError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_odd():
    raise OddError(1, 2)


def cores():
    names = ("NPROC", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_", "XLA_PYTHON_CLIENT_MEM_FRACTION")
    return os.getpid(), *(os.environ[name] for name in names)


def interrupt_parent_then_sleep(parent, folder, name):
    """The third task presses Ctrl-C and would then take long."""
    mark(folder, name)
    if name == "c":
        os.kill(parent, signal.SIGINT)
        time.sleep(60)
    return name


def matmul_precision():
    import jax

    return jax.config.jax_default_matmul_precision


def xla_threads():
    """How many threads XLA computes with."""
    import jax

    jax.numpy.ones(3).block_until_ready()
    return sum(path.read_text().strip() == "tf_XLAEigen" for path in Path("/proc/self/task").glob("*/comm"))
