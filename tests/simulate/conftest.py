"""Small crystals and liquids that run fast."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mdfit.potentials import LennardJones
from mdfit.structure import Structure


def argon(repeats: int = 2, lattice: float = 5.4) -> Structure:
    """A cubic crystal of 4·repeats³ atoms."""
    return Structure.from_ase(bulk("Ar", "fcc", a=lattice, cubic=True).repeat(repeats))


def silicon(repeats: int = 1) -> Structure:
    """A diamond crystal of 8·repeats³ atoms."""
    return Structure.from_ase(bulk("Si", "diamond", a=5.431, cubic=True).repeat(repeats))


def molecule() -> Structure:
    """Eight argon atoms in free space."""
    grid = np.stack(np.meshgrid(*[range(2)] * 3), -1).reshape(-1, 3)
    return Structure(
        species=np.full(8, 18, np.int32),
        positions=3.8 * grid,
        cell=np.zeros((3, 3)),
        periodic=np.zeros(3, bool),
        masses=np.full(8, 39.95),
    )


@pytest.fixture(scope="session")
def small():
    """Structures, and a smooth potential for argon."""
    return SimpleNamespace(
        argon=argon, silicon=silicon, molecule=molecule, potential=LennardJones(0.0104, 3.4, 6.0, switch_start=5.0)
    )
