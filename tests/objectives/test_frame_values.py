"""Which observables change with the potential, so that the rest is evaluated once per trajectory."""

import pytest

from mdfit.objectives.frame_values import _follows_potential
from mdfit.observables import (
    RDF,
    Coordinate,
    Distribution,
    ElasticConstants,
    PotentialEnergy,
    Pressure,
)
from mdfit.observables.snapshot import Snapshot
from mdfit.potentials import LennardJones
from mdfit.simulate import Langevin, StatePoint, run


@pytest.fixture(scope="module")
def template():
    import jax
    from ase.build import bulk

    from mdfit.structure import Structure

    structure = Structure.from_ase(bulk("Ar", "fcc", a=5.5, cubic=True).repeat(2))
    at = StatePoint(structure, 60.0)
    trajectory = run(
        LennardJones(0.0104, 3.4, 5.0), at, Langevin("5 fs"), duration=5.0, every=5.0, key=jax.random.key(0)
    )
    return Snapshot.of(trajectory)


@pytest.mark.parametrize(
    ("observable", "follows"),
    [
        (Pressure(), True),
        (PotentialEnergy(), True),
        (ElasticConstants(), True),
        (RDF("4.8 Å"), False),
        (Distribution(Coordinate(0), 0.0, 5.0, bins=4, smearing=0.1), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_only_energies_stresses_and_stiffnesses_follow_the_potential(observable, follows, template):
    assert _follows_potential(observable, template) is follows
