"""The contract of engines: the built-in one and a small one of one's own satisfy it, and faults are found."""

from pathlib import Path

import jax
import numpy as np
import pytest

from mdfit.errors import CheckpointError, SimulationError
from mdfit.potentials import ExternalPolynomial
from mdfit.simulate import Engine, JaxMD, Langevin, Particles, Simulation, StatePoint
from mdfit.simulate.health import check_frame
from mdfit.storage import digest
from mdfit.structure import Structure
from mdfit.testing import ENGINE_CONTRACT, EngineCase
from mdfit.testing import engine_contract as contract
from mdfit.units import BOLTZMANN, FEMTOSECOND

SPRING = 1.5
#: A period of 103 fs, a friction of 60 /ps.
SAMPLER = Langevin("2 fs", "60 /ps")
CHECKS = pytest.mark.parametrize("check", ENGINE_CONTRACT, ids=lambda check: check.__name__)


def atoms() -> Structure:
    """Forty, all held at the origin."""
    return Structure(
        species=np.full(40, 18, np.int32),
        positions=np.zeros((40, 3)),
        cell=np.zeros((3, 3)),
        periodic=np.zeros(3, bool),
        masses=np.full(40, 39.95),
    )


class Oscillators(Simulation):
    """BAOAB in numpy."""

    def __init__(self, spring, points, sampler, starts):
        self.spring, self.sampler = spring, sampler
        self.kT = np.repeat([BOLTZMANN * point.temperature for point in points], len(starts) // len(points))
        self.starts = starts
        first = starts[0]
        self.mass = first.masses[:, None]
        self.particles = Particles(first.species, first.masses, first.periodic, 3 * len(first.species))
        self.done = 0

    def begin(self, key):
        self.random = np.random.Generator(np.random.Philox(int(jax.random.bits(key))))
        self.x = np.stack([start.positions for start in self.starts])
        given = self.starts[0].velocities
        thermal = self.random.normal(size=self.x.shape) * self.width
        self.v = thermal if given is None else np.stack([start.velocities for start in self.starts])
        self.done = 0

    @property
    def width(self):
        return np.sqrt(self.kT[:, None, None] / self.mass)

    def advance(self, steps, bar):
        dt = self.sampler.timestep_fs * FEMTOSECOND
        keep = np.exp(-self.sampler.friction_per_ps * self.sampler.timestep_fs / 1000)
        for _ in range(steps):
            self.v = self.v - 0.5 * dt * self.spring * self.x / self.mass
            self.x = self.x + 0.5 * dt * self.v
            noise = self.random.normal(size=self.x.shape) * self.width
            self.v = keep * self.v + np.sqrt(1 - keep**2) * noise
            self.x = self.x + 0.5 * dt * self.v
            self.v = self.v - 0.5 * dt * self.spring * self.x / self.mass
        self.done += steps
        bar.advance(steps)

    def frame(self):
        energy = 0.5 * self.spring * np.sum(self.x**2, axis=(1, 2))
        kinetic = 0.5 * np.sum(self.mass * self.v**2, axis=(1, 2))
        temperature = 2 * kinetic / (self.particles.degrees_of_freedom * BOLTZMANN)
        check_frame(energy, temperature, self.kT / BOLTZMANN, self.done * self.sampler.timestep_fs)
        return {
            "positions": self.x,
            "velocities": self.v,
            "cells": np.zeros((len(self.x), 3, 3)),
            "potential_energies": energy,
            "forces": -self.spring * self.x,
        }

    def checkpoint(self):
        state = self.random.bit_generator.state
        places = {
            "buffer": state["buffer"],
            "at": np.array([state["buffer_pos"], state["has_uint32"], state["uinteger"]]),
        }
        return {"x": self.x, "v": self.v, "done": np.array(self.done), **state["state"], **places}

    def restore(self, arrays, source: Path):
        self.begin(jax.random.key(0))
        if arrays["x"].shape != self.x.shape:
            raise CheckpointError(f"{source} has other atoms; start the run again.")
        self.x, self.v, self.done = arrays["x"], arrays["v"], int(arrays["done"])
        position, has, integer = map(int, arrays["at"])
        self.random.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": arrays["counter"], "key": arrays["key"]},
            "buffer": arrays["buffer"],
            "buffer_pos": position,
            "has_uint32": has,
            "uinteger": integer,
        }


class Numpy(Engine):
    """The smallest engine: the system is the constant of the springs."""

    name = "Numpy"
    made = Oscillators

    @property
    def number_format(self):
        return "float64"

    def simulation(self, system, state_points, sampler, starts):
        if not isinstance(sampler, Langevin):
            raise self.cannot(sampler, (Langevin,))
        if any(not np.array_equal(start.species, state_points[0].structure.species) for start in starts):
            raise SimulationError("The starts have other atoms than the state points.")
        return self.made(system, state_points, sampler, starts)

    def fingerprint(self, system):
        return digest(system)


def case(engine, system) -> EngineCase:
    return EngineCase(engine, system, StatePoint(atoms(), 200.0), SAMPLER, SPRING)


@CHECKS
def test_an_engine_of_ones_own(check, tmp_path):
    check(case(Numpy(), SPRING), tmp_path)


@CHECKS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_built_in_engine(check, dtype, tmp_path):
    trap = sum(
        (ExternalPolynomial(axis, 0.0, [0.0, 0.0, SPRING / 2]) for axis in (1, 2)),
        ExternalPolynomial(0, 0.0, [0.0, 0.0, SPRING / 2]),
    )
    check(case(JaxMD(dtype=dtype), trap), tmp_path)


class Cold(Oscillators):
    """The first temperature for all."""

    def __init__(self, spring, points, sampler, starts):
        super().__init__(spring, points, sampler, starts)
        self.kT = np.full_like(self.kT, self.kT[0])


class Forgetful(Oscillators):
    """Goes on with other random numbers."""

    def restore(self, arrays, source):
        super().restore(arrays, source)
        self.random = np.random.Generator(np.random.Philox(5))


class Alike(Oscillators):
    """One noise for all replicas."""

    def advance(self, steps, bar):
        super().advance(steps, bar)
        self.x = np.broadcast_to(self.x[:1], self.x.shape).copy()


class Nanometres(Oscillators):
    def frame(self):
        frame = super().frame()
        return {**frame, "forces": frame["forces"] / 10}


class Picoseconds(Oscillators):
    def frame(self):
        frame = super().frame()
        return {**frame, "velocities": frame["velocities"] / 98.2}


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Cold, contract.ensemble_of_every_state_point),
        (Forgetful, contract.a_killed_run_goes_on),
        (Alike, contract.replicas_are_independent),
        (Nanometres, contract.units_of_what_is_recorded),
        (Picoseconds, contract.units_of_what_is_recorded),
    ],
)
def test_faults_are_found(fault, check, tmp_path):
    engine = Numpy()
    engine.made = fault
    with pytest.raises(AssertionError):
        check(case(engine, SPRING), tmp_path)
