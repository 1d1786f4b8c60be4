"""What may go on, what is refused, and what a run leaves when it is stopped."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from mdfit.data import Frames
from mdfit.errors import CheckpointError, DataError, OutputError, SimulationError
from mdfit.simulate import NVE, JaxMD, Langevin, StatePoint, run
from mdfit.simulate.restart import read_restart
from mdfit.simulate.trajectory import PER_FRAME
from mdfit.storage import write_tree


def go(small, out=None, frames=4, structure=None, every=20.0, **settings):
    settings = {"key": jax.random.key(3), "equilibrate": 20.0, **settings}
    point = StatePoint(structure or small.argon(2, lattice=5.6), 120.0)
    return run(small.potential, point, Langevin(4.0, 5.0), duration=frames * every, every=every, out=out, **settings)


def assert_same(first, second):
    for name in PER_FRAME:
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    """A file of four frames and its restart file."""
    path = tmp_path_factory.mktemp("written") / "run.h5"
    go(small, path)
    return path


def copied(written, folder):
    for file in written.parent.iterdir():
        shutil.copy(file, folder)
    return folder / written.name


def test_automatic_resume_begins_goes_on_and_returns(small, tmp_path):
    path = tmp_path / "run.h5"
    whole = go(small, frames=4)
    assert_same(go(small, path, frames=2, resume="auto"), whole.part(0, 2))
    assert_same(go(small, path, frames=4, resume="auto"), whole)
    before = path.read_bytes()
    assert_same(go(small, path, frames=4, resume="auto"), whole)
    assert path.read_bytes() == before
    # Frames without a restart file are never overwritten.
    path.with_name("run.h5.restart").unlink()
    with pytest.raises(OutputError, match=r"run\.h5 exists, but no restart file beside it, .*move the file away"):
        go(small, path, resume="auto")
    assert path.read_bytes() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["run.xyz", "run.h5"])
def test_arrays_of_a_resumed_run_are_those_of_the_file(small, tmp_path, name, dtype):
    settings = {"engine": JaxMD(dtype=dtype)}
    written = go(small, tmp_path / name, **settings)
    read = go(small, tmp_path / name, resume=True, **settings)
    assert_same(read, written)


def test_a_file_that_lost_frames_is_not_padded(small, tmp_path, written):
    path = copied(written, tmp_path)
    with h5py.File(path, "r+") as file:
        for place in ("position", "velocity", "box/edges"):
            for dataset in file[f"particles/replica_0/{place}"].values():
                dataset.resize(1, axis=0)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"run\.h5 has lost frames .*holds 1 of the 4"):
        go(small, path, frames=6, resume=True)
    assert path.read_bytes() == before


def test_an_xyz_file_that_lost_frames_is_refused(small, tmp_path):
    path = tmp_path / "run.xyz"
    go(small, path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 4]))
    with pytest.raises(CheckpointError, match=r"run\.xyz has lost frames .*holds 1 of the 4"):
        go(small, path, frames=6, resume=True)
    path.write_text("".join(lines).replace("Ar", "Ne"))
    with pytest.raises(CheckpointError, match=r"run\.xyz cannot be read"):
        go(small, path, frames=6, resume=True)


def _without_group(file):
    del file["observables"]


def _without_header(file):
    del file["h5md"]


def _without_masses(file):
    del file["particles/replica_0/mass"]


def _of_other_atoms(file):
    group = file["particles/replica_0/position"]
    values = group["value"][:, :-1]
    del group["value"]
    group["value"] = values


def _of_another_format(file):
    group = file["particles/replica_0/position"]
    values = group["value"][:].astype(np.float64)
    del group["value"]
    group["value"] = values


def _not_finite(file):
    file["particles/replica_0/velocity/value"][2] = np.nan


def _of_other_steps(file):
    file["particles/replica_0/position/step"][1] = 17


def _not_an_element(file):
    del file["particles/replica_0/position"]
    file["particles/replica_0/position"] = np.zeros(3)


def _without_values(file):
    """Frames whose bytes are not there read as zero."""
    group = file["particles/replica_0/position"]
    shape = group["value"].shape
    del group["value"]
    group.create_dataset("value", shape, np.float32, maxshape=(None, *shape[1:]))


@pytest.mark.parametrize(
    "damage",
    [
        _without_group,
        _without_header,
        _without_masses,
        _of_other_atoms,
        _of_another_format,
        _not_finite,
        _of_other_steps,
        _not_an_element,
        _without_values,
    ],
)
def test_a_changed_file_is_refused_in_one_sentence(small, tmp_path, written, damage):
    path = copied(written, tmp_path)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(CheckpointError, match=r"run\.h5 cannot be read .*restore the file, or start the run again"):
        go(small, path, frames=6, resume=True)


@pytest.mark.parametrize("way", ["link", "raw", "virtual"])
def test_files_that_a_file_refers_to_are_not_written(small, tmp_path, written, way):
    """A trajectory of a stranger could name any file."""
    path = copied(written, tmp_path)
    other = tmp_path / "other"
    shutil.copy(path, other)
    with h5py.File(path, "r+") as file:
        group = file["particles/replica_0/position"]
        values = group["value"][:]
        del group["value"]
        if way == "link":
            group["value"] = h5py.ExternalLink(str(other), "/particles/replica_0/position/value")
        elif way == "raw":
            other.write_bytes(values.tobytes())
            group.create_dataset(
                "value", values.shape, values.dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)],
                maxshape=(None, *values.shape[1:]),
            )  # fmt: skip
        else:
            layout = h5py.VirtualLayout(values.shape, values.dtype, maxshape=(None, *values.shape[1:]))
            layout[:] = h5py.VirtualSource(str(other), "/particles/replica_0/position/value", values.shape)
            group.create_virtual_dataset("value", layout)
    before = other.read_bytes()
    with pytest.raises(CheckpointError, match="particles/replica_0/position is in another file"):
        go(small, path, frames=6, resume=True)
    assert other.read_bytes() == before


def test_what_the_disk_has_changed_is_found(small, tmp_path, written):
    path = copied(written, tmp_path)
    with h5py.File(path) as file:
        stored = file["particles/replica_0/position/value"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(stored.byte_offset + 40)
        byte = file.read(1)
        file.seek(stored.byte_offset + 40)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(CheckpointError, match=r"run\.h5 cannot be read"):
        go(small, path, frames=6, resume=True)
    with pytest.raises(DataError, match=r"run\.h5 cannot be read"):
        Frames.read(path)


def test_another_start_seed_or_version_is_not_resumed(small, tmp_path, written):
    path = copied(written, tmp_path)
    before = path.read_bytes()
    crystal = small.argon(2, lattice=5.6)
    moved = crystal.replace(positions=crystal.positions + np.eye(len(crystal.positions), 3) * 1e-9)
    wider = crystal.replace(cell=crystal.cell * (1 + 1e-9))
    moving = crystal.replace(velocities=np.zeros_like(crystal.positions))
    for settings, word in (
        ({"structure": moved}, "other positions"),
        ({"structure": wider}, "another cell"),
        ({"structure": moving}, "velocities"),
        ({"starts": [moved]}, "other positions"),
        ({"key": jax.random.key(4)}, "another random key or seed"),
    ):
        with pytest.raises(CheckpointError, match=rf"run\.h5 was written with .*{word}"):
            go(small, path, frames=6, resume=True, **settings)
    header = {"plan": {**read_restart(path)[0].plan, "mdfit_version": "0.0"}}
    _rewrite(path.with_name("run.h5.restart"), change_header=lambda old: old.update(header))
    with pytest.raises(CheckpointError, match=r"written with mdfit version 0\.0 \(now "):
        go(small, path, frames=6, resume=True)
    assert path.read_bytes() == before


def _rewrite(path, change_header=None, change_arrays=None):
    """The restart file with its checksums made right again, as a careless or hostile hand would."""
    with safe_open(str(path), framework="numpy") as file:
        header = json.loads(file.metadata()["mdfit"])
    arrays = load_file(path)
    for name in ("sha256", "sha256_of_header"):
        header.pop(name)
    if change_header:
        change_header(header)
    if change_arrays:
        change_arrays(arrays)
    write_tree(path, arrays, header)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("plan"),
        lambda header: header.pop("frames"),
        lambda header: header.update(frames=-1),
        lambda header: header.update(frames=2**60),
        lambda header: header.update(frames="many"),
        lambda header: header.update(frames=True),
        lambda header: header.update(plan=[1, 2]),
        lambda header: header.update(plan={"sampler": {}}),
        lambda header: header.update(format="mdfit checkpoint"),
        lambda header: header.update(format_version=99),
        lambda header: header.update(format_version="x"),
        lambda header: header.update(frames=3),
    ],
)
def test_restart_files_with_impossible_headers_are_refused(small, tmp_path, written, change):
    path = copied(written, tmp_path)
    _rewrite(path.with_name("run.h5.restart"), change_header=change)
    with pytest.raises(CheckpointError, match=r"run\.h5\.restart") as error:
        go(small, path, frames=6, resume=True)
    # The frames are of no use without it.
    assert "delete it" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update(done=np.array(-5)),
        lambda arrays: arrays.update(done=np.array(10**12)),
        lambda arrays: arrays.update(packed_width=np.array(2**40)),
        lambda arrays: arrays.update(list_memory=np.array(-1)),
        lambda arrays: arrays.pop("done"),
        lambda arrays: arrays.update({"state.position": arrays["state.position"].astype(np.float64)}),
        lambda arrays: arrays.update({"state.position": arrays["state.position"] * np.float32(np.nan)}),
    ],
)
def test_restart_files_with_impossible_arrays_are_refused(small, tmp_path, written, change):
    path = copied(written, tmp_path)
    _rewrite(path.with_name("run.h5.restart"), change_arrays=change)
    with pytest.raises(CheckpointError, match="restart"):
        go(small, path, frames=6, resume=True)


def test_other_files_are_no_restart_files(small, tmp_path, written):
    path = copied(written, tmp_path)
    save_file({"x": np.zeros(3)}, path.with_name("run.h5.restart"), metadata={"mdfit": "[" * 5000})
    with pytest.raises(CheckpointError, match=r"not a complete mdfit file"):
        go(small, path, frames=6, resume=True)


def test_one_process_at_a_time(small, tmp_path, written):
    path = copied(written, tmp_path)
    lock = tmp_path / ".run.h5.lock"
    with lock.open("w") as other:
        other.write("process 1 on another")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match=r"run\.h5 is being written by another process \(process 1 on another\)"):
            go(small, path, frames=6, resume=True)
    assert len(go(small, path, frames=6, resume=True)) == 6
    assert not lock.exists()


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from types import SimpleNamespace
from conftest import argon
from mdfit.potentials import LennardJones
import test_resume
small = SimpleNamespace(argon=argon, potential=LennardJones(0.0104, 3.4, 6.0, switch_start=5.0))
test_resume.go(small, sys.argv[2], frames=20, equilibrate=float(sys.argv[3]))
"""


def _stopped(start_process, path, number, equilibrate):
    """A run in another process that was sent a signal as soon as it could be resumed; its exit status and its errors."""
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(path), str(equilibrate)]
    process = start_process(command, stderr=subprocess.PIPE, text=True)
    restart, deadline = path.with_name(f"{path.name}.restart"), time.monotonic() + 200
    while not restart.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    return process.returncode, errors


def test_terminated_run_stops_as_after_ctrl_c(small, tmp_path, start_process):
    path = tmp_path / "run.h5"
    status, errors = _stopped(start_process, path, signal.SIGTERM, 4e6)
    assert status == 1 or status == -signal.SIGINT
    assert "SimulationInterrupted: The run was interrupted before its first frame; resume goes on" in errors
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.h5.restart"]


def test_run_killed_in_its_equilibration_begins_again(small, tmp_path, start_process):
    path = tmp_path / "run.h5"
    status, _ = _stopped(start_process, path, signal.SIGKILL, 4e6)
    assert status == -signal.SIGKILL
    with pytest.raises(OutputError, match="restart exists"):
        go(small, path, equilibrate=20.0, resume=path.exists())
    with pytest.raises(CheckpointError, match="steps of equilibration"):
        go(small, path, equilibrate=20.0, resume="auto")


def test_temporaries_of_killed_writers_are_removed(small, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = os.uname().nodename.replace(".", "-").replace("_", "-")
    left = tmp_path / f".run.h5.restart.{host}.{gone.pid}.abcd.partial"
    alive = tmp_path / f".run.h5.restart.{host}.{os.getpid()}.abcd.partial"
    elsewhere = tmp_path / f".run.h5.restart.another-host.{gone.pid}.abcd.partial"
    for file in (left, alive, elsewhere):
        file.write_text("half")
    go(small, tmp_path / "run.h5", frames=1)
    assert not left.exists()
    assert alive.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"duration": 1e300, "every": 1.0},
        {"duration": "1e300 ps", "every": "1e299 ps"},
        {"duration": 10.0, "every": 0.0},
        {"duration": 10.0, "every": -1.0},
        {"duration": 10.0, "every": 1.0, "equilibrate": 1e200},
    ],
)
def test_impossible_lengths_are_refused(small, settings):
    point = StatePoint(small.argon(1), 100.0)
    with pytest.raises(SimulationError, match=r"check the units|must be positive"):
        run(small.potential, point, NVE(1.0), key=jax.random.key(0), **settings)
