"""``mdfit simulate``: what it prints and writes, how it stops and fails."""

import signal
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from commands import fails, mdfit

from mdfit.potentials import ZBL, LennardJones, StillingerWeber


def test_simulate(silicon):
    arguments = ["sw.mdfit", "crystal.extxyz", "--temperature", "300 K", "--every", "2 fs", "--out", "a.h5"]
    result = mdfit("simulate", *arguments, "--duration", "24 fs")
    assert result.exit_code == 0, result.output
    for name in ("Temperature", "PotentialEnergy", "Pressure"):
        assert f"{name}: " in result.stdout
    assert "12 frames in a.h5" in result.stdout
    # The same command returns what is whole; other settings are refused.
    assert "12 frames in a.h5" in mdfit("simulate", *arguments, "--duration", "24 fs").stdout
    assert "a.h5 was written with another random key or seed" in fails(
        "simulate", *arguments, "--duration", "24 fs", "--seed", "1"
    )
    longer = mdfit("simulate", *arguments, "--duration", "30 fs", "--resume")
    assert longer.exit_code == 0, longer.output
    assert "15 frames in a.h5" in longer.stdout


def test_simulate_a_molecule_has_no_pressure():
    LennardJones("0.0104 eV", "3.4 Å", "8 Å").save("lj.mdfit")
    atoms = bulk("Ar", cubic=True)
    atoms.pbc = False
    write("cluster.extxyz", atoms)
    arguments = ["simulate", "lj.mdfit", "cluster.extxyz", "--temperature", "10 K", "--every", "2 fs"]
    result = mdfit(*arguments, "--duration", "20 fs", "--out", "b.xyz")
    assert result.exit_code == 0, result.output
    assert "Temperature: " in result.stdout
    assert "Pressure" not in result.stdout
    few = mdfit(*arguments, "--duration", "6 fs", "--out", "c.xyz")
    assert few.exit_code == 0, few.output
    assert "Fewer than 10 frames" in few.stdout


def frames_of(path: str) -> list:
    import h5py

    with h5py.File(path) as file:
        group = file["particles/replica_0"]
        return [group[name]["value"][:] for name in ("position", "velocity", "box/edges")]


def press_ctrl_c(monkeypatch, method: str) -> None:
    """As if Ctrl-C were pressed at the first call of a method of a simulation."""
    from mdfit.simulate.jax_md.simulation import JaxSimulation

    original = getattr(JaxSimulation, method)

    def interrupted(self, *arguments):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return original(self, *arguments)

    monkeypatch.setattr(JaxSimulation, method, interrupted)


@pytest.mark.parametrize("equilibrate", ["1 ps", "0 ps"])
def test_ctrl_c_in_a_simulation(silicon, monkeypatch, equilibrate):
    arguments = ["simulate", "sw.mdfit", "crystal.extxyz", "--temperature", "300 K", "--equilibrate", equilibrate]
    arguments += ["--duration", "24 fs", "--every", "2 fs", "--out"]
    # The temporary directory and the environment of the test stay.
    with monkeypatch.context() as context:
        press_ctrl_c(context, "advance")
        stopped = mdfit(*arguments, "a.h5")
    assert stopped.exit_code == 130, stopped.output
    assert stopped.stderr.splitlines()[-1] == "Interrupted; the same command goes on from there."
    assert "Traceback" not in stopped.stderr
    assert mdfit(*arguments, "a.h5").exit_code == 0
    assert mdfit(*arguments, "b.h5").exit_code == 0
    for one, other in zip(frames_of("a.h5"), frames_of("b.h5"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_ctrl_c_before_a_simulation_has_begun(silicon, monkeypatch):
    arguments = ["simulate", "sw.mdfit", "crystal.extxyz", "--temperature", "300 K", "--duration", "1 ps"]

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mdfit.simulate.jax_md.simulation.JaxSimulation.begin", stop)
    stopped = mdfit(*arguments)
    assert stopped.exit_code == 130
    assert stopped.stderr == "Interrupted; nothing can be resumed.\n"


def test_another_potential_does_not_resume_a_simulation(silicon):
    arguments = ["crystal.extxyz", "--temperature", "300 K", "--every", "2 fs", "--out", "a.h5"]
    assert mdfit("simulate", "sw.mdfit", *arguments, "--duration", "20 fs").exit_code == 0
    (StillingerWeber.silicon() + ZBL()).save("other.mdfit")
    message = fails("simulate", "other.mdfit", *arguments, "--duration", "30 fs", "--resume")
    assert "a.h5 was written with another potential; resume with the same settings or choose another file" in message


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing", "text"])
def test_simulate_names_a_damaged_potential(silicon, damage):
    path = Path("sw.mdfit")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[:-20])
    elif damage == "flipped":
        content[-3] ^= 0xFF
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("epsilon = 2.1683\n" * 100)
    else:
        path.unlink()
    message = fails("simulate", "sw.mdfit", "crystal.extxyz", "--temperature", "300 K", "--duration", "1 ps")
    assert "sw.mdfit" in message
    assert "check the path" in message or "use an earlier copy" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--temperature", "300 fs"], "temperature is '300 fs', which is a time, but a temperature is needed"),
        (["--temperature", "300 K", "--timestep", "0 fs"], "timestep must be positive"),
        (["--temperature", "300 K", "--sampler", "NPT"], "Constant pressure needs a pressure"),
        (["--temperature", "300 K", "--every", "0.7 fs"], "is not a multiple of the time step"),
        (["--temperature", "300 K", "--out", "a.dcd"], "Trajectories end in .h5"),
        (["--temperature", "300 K", "--out", "crystal.extxyz/a.h5"], "Could not write crystal.extxyz/a.h5"),
        (["--temperature", "300 K", "--resume"], "There is no trajectory.h5 to resume"),
    ],
)
def test_simulate_refuses_bad_settings(silicon, arguments, expected):
    assert expected in fails("simulate", "sw.mdfit", "crystal.extxyz", "--duration", "1 ps", *arguments)


def test_the_temperature_of_velocities_is_not_asked_for_in_vain(silicon):
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    atoms = read("crystal.extxyz")
    MaxwellBoltzmannDistribution(atoms, temperature_K=200, rng=np.random.default_rng(0))
    write("moving.extxyz", atoms)
    arguments = ["simulate", "sw.mdfit", "moving.extxyz", "--sampler", "NVE", "--duration", "20 fs", "--every", "2 fs"]
    assert "would be ignored by NVE" in fails(*arguments, "--temperature", "300 K")
    assert mdfit(*arguments, "--out", "a.h5").exit_code == 0
    for wrong in (["--sampler", "Langevin"], []):
        still = [*arguments[:2], "crystal.extxyz", *arguments[3:], *wrong]
        assert "needs a temperature, like '300 K'" in fails(*still)


def test_impossible_numbers_are_refused(silicon):
    arguments = ["simulate", "sw.mdfit", "crystal.extxyz", "--temperature", "300 K", "--duration"]
    assert "check the units" in fails(*arguments, "1e300 ps")
    assert "at most 1e+08 are possible" in fails(*arguments, "1 ps", "--repeat", "100000", "100000", "100000")
    for seed in ("-1", str(2**70)):
        assert "is not in the range" in mdfit(*arguments, "1 ps", "--seed", seed).stderr
