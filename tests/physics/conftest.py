"""A small Lennard-Jones liquid, and samples of it from many replicas."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from ase.build import bulk

from mdfit.potentials import LennardJones
from mdfit.simulate import JaxMD, StatePoint, run
from mdfit.structure import Structure

#: Argon; a short cutoff keeps the small systems cheap.
EPSILON, SIGMA, MASS = 0.0104, 3.4, 39.95


def liquid(repeats: int, lattice: float) -> Structure:
    """4·repeats³ argon atoms in a cube of that lattice constant, on the sites of a crystal."""
    return Structure.from_ase(bulk("Ar", "fcc", a=lattice, cubic=True).repeat(repeats)).replace(
        masses=np.full(4 * repeats**3, MASS)
    )


@pytest.fixture(scope="session")
def argon():
    potential = LennardJones(EPSILON, SIGMA, 6.0, switch_start=5.0)

    def sample(sampler, conditions, frames, every, replicas, lattice=5.8, seed=0, equilibrate=8000.0):
        """At several temperatures, or pairs of temperature and pressure, side by side."""
        pairs = [one if isinstance(one, tuple) else (one,) for one in conditions]
        return run(
            potential,
            [StatePoint(liquid(2, lattice), *one) for one in pairs],
            sampler,
            duration=frames * every,
            every=every,
            equilibrate=equilibrate,
            replicas=replicas,
            engine=JaxMD(skin=1.0),
            key=jax.random.key(seed),
        )

    return SimpleNamespace(sample=sample, liquid=liquid, epsilon=EPSILON, sigma=SIGMA, mass=MASS)
