"""Energy and pressure of Lennard-Jones argon at two state points, from mdfit and from LAMMPS.

Both use the same truncated and shifted potential, 108 atoms, Langevin dynamics and their own random numbers.  The means
must agree within four combined standard errors (one false alarm in 16,000 for each number), and these errors must be
small: half a percent of the energy, and a tenth of the ideal-gas pressure ρ k_B T (a third of both in the slow test).
"""

import jax
import numpy as np
import pytest

from mdfit.observables import PotentialEnergy, Pressure, estimate
from mdfit.potentials import LennardJones
from mdfit.simulate import JaxMD, Langevin, StatePoint, run
from mdfit.units import BAR, BOLTZMANN

pytestmark = pytest.mark.optimised

#: Temperature in K and lattice constant in Å of 108 atoms: a dense liquid and a hot, thinner fluid.
STATES = {"liquid": (120.0, 5.55), "fluid": (250.0, 6.4)}
CUTOFF = 8.0


def blocks(series, number):
    """Mean and standard error from block averages."""
    means = np.asarray(series)[: len(series) // number * number].reshape(number, -1).mean(axis=1)
    return means.mean(), means.std(ddof=1) / np.sqrt(number)


def from_lammps(lammps, argon, structure, temperature, steps):
    pair = [
        f"pair_style lj/cut {CUTOFF}",
        f"pair_coeff 1 1 {argon.epsilon} {argon.sigma}",
        "pair_modify shift yes",
    ]
    commands = [
        "neigh_modify delay 0 every 1 check yes",
        "timestep 0.005",
        f"velocity all create {temperature} 4711 mom yes dist gaussian",
        "fix motion all nve",
        f"fix bath all langevin {temperature} {temperature} 0.5 90210",
        "run 4000 post no",
        "variable energy equal pe",
        # Without the kinetic part, whose exact mean is known.
        "variable virial equal (c_virial[1]+c_virial[2]+c_virial[3])/3",
        "fix save all ave/time 10 1 10 v_energy v_virial file means.txt",
        f"run {steps} post no",
    ]
    found = lammps(structure.positions, structure.cell, pair, argon.mass, commands)
    energy, virial = np.loadtxt(found["folder"] / "means.txt")[:, 1:].T
    ideal = structure.number_of_atoms * BOLTZMANN * temperature / structure.volume / BAR
    return blocks(energy, 20), blocks(virial + ideal, 20)


def compare(lammps, argon, state, frames, replicas, steps, precision):
    temperature, lattice = STATES[state]
    structure = argon.liquid(3, lattice)
    trajectory = run(
        LennardJones(argon.epsilon, argon.sigma, CUTOFF, truncation="shift"),
        StatePoint(structure, temperature),
        Langevin(5.0, 2.0),
        duration=frames * 100.0,
        every=100.0,
        equilibrate=8000.0,
        replicas=replicas,
        engine=JaxMD(skin=1.0),
        key=jax.random.key(11),
    )
    energy, pressure = estimate(PotentialEnergy(), trajectory), estimate(Pressure(), trajectory)
    references = from_lammps(lammps, argon, structure, temperature, steps)
    scales = abs(references[0][0]), 20 * trajectory.masses.size * BOLTZMANN * temperature / structure.volume / BAR
    for found, (mean, error), scale in zip((energy, pressure), references, scales, strict=True):
        combined = np.hypot(float(found.standard_error), error)
        difference = float(found.value) - mean
        text = f"{found.name}: {float(found.value)} in mdfit, {mean} in LAMMPS, combined error {combined}"
        assert abs(difference) < 4 * combined, text
        assert combined < precision * scale, text


@pytest.mark.parametrize("state", STATES)
def test_energy_and_pressure(lammps, argon, state):
    compare(lammps, argon, state, frames=120, replicas=4, steps=60000, precision=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_energy_and_pressure_precisely(lammps, argon, state):
    compare(lammps, argon, state, frames=2000, replicas=4, steps=1000000, precision=0.0017)
