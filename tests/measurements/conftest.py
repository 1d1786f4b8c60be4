"""A state point to measure at."""

import numpy as np
import pytest

from mdfit.simulate import StatePoint
from mdfit.structure import Structure


@pytest.fixture(scope="session")
def state():
    """``state(edge, ...)``: eight silicon atoms in a cube of 20 Å, or without a cell, at 300 K."""

    def make(edge=20.0, temperature=300.0, pressure=None, periodic=True):
        positions = np.random.default_rng(0).random((8, 3)) * edge
        cell = np.eye(3) * edge if periodic else np.zeros((3, 3))
        structure = Structure(np.full(8, 14), positions, cell, np.full(3, periodic), np.full(8, 28.085))
        return StatePoint(structure, temperature, pressure)

    return make
