"""Trajectories with known answers."""

from types import SimpleNamespace

import numpy as np
import pytest

from mdfit.simulate import Trajectory
from mdfit.structure import Conditions
from mdfit.units import BOLTZMANN


def trajectory(positions, cell=None, velocities=None, ensemble="NVT", temperature=300.0, pressure=None, **changes):
    """A trajectory of given positions ``(replicas, frames, atoms, 3)``, silicon unless told otherwise."""
    positions = np.asarray(positions, np.float64)
    replicas, frames, atoms = positions.shape[:3]
    cell = np.eye(3) * 20.0 if cell is None else np.asarray(cell, np.float64)
    fields = {
        "times": np.arange(1, frames + 1) * 10.0,
        "positions": positions,
        "velocities": np.zeros_like(positions) if velocities is None else velocities,
        "cells": np.broadcast_to(cell, (replicas, frames, 3, 3)).copy(),
        "potential_energies": np.zeros((replicas, frames)),
        "stresses": np.zeros((replicas, frames, 3, 3)),
        "species": np.full(atoms, 14, np.int32),
        "masses": np.full(atoms, 28.085),
        "periodic": np.ones(3, bool),
        "degrees_of_freedom": 3 * atoms,
        "conditions": Conditions(ensemble, temperature, pressure),
        "timestep": 1.0,
    }
    return Trajectory(**{**fields, **changes})


def ideal_gas(atoms=40, frames=2000, replicas=1, temperature=300.0, cell=None, seed=0, **changes):
    """Independent frames of uniform positions and Maxwell–Boltzmann velocities."""
    random = np.random.default_rng(seed)
    cell = np.eye(3) * 20.0 if cell is None else np.asarray(cell, np.float64)
    positions = random.random((replicas, frames, atoms, 3)) @ cell
    masses = changes.get("masses", np.full(atoms, 28.085))
    spread = np.sqrt(BOLTZMANN * temperature / masses)[:, None]
    velocities = random.standard_normal(positions.shape) * spread
    return trajectory(positions, cell, velocities, temperature=temperature, **changes)


def crystal(atoms, times=(3, 3, 3), frames=10):
    """A perfect ASE crystal, the same in every frame."""
    atoms = atoms.repeat(times)
    positions = np.tile(atoms.positions, (1, frames, 1, 1))
    return trajectory(positions, atoms.cell.array, species=atoms.numbers.astype(np.int32), masses=atoms.get_masses())


@pytest.fixture(scope="session")
def known():
    """The functions that make trajectories."""
    return SimpleNamespace(trajectory=trajectory, ideal_gas=ideal_gas, crystal=crystal)
