"""Energies, observables and derivatives of the frames of a trajectory."""

import equinox as eqx
import numpy as np
import pytest

from mdfit.models import Parameters
from mdfit.observables import (
    RDF,
    Coordinate,
    Distribution,
    ElasticConstants,
    PotentialEnergy,
    Pressure,
)
from mdfit.observables.snapshot import Snapshot
from mdfit.potentials import LennardJones, distinct_cutoffs
from mdfit.reweighting.frame_values import FrameValues, _follows_potential
from mdfit.simulate import Langevin, StatePoint, run
from mdfit.simulate.frame_graphs import FrameGraphs


@pytest.fixture(scope="module")
def trajectory():
    import jax
    from ase.build import bulk

    from mdfit.structure import Structure

    structure = Structure.from_ase(bulk("Ar", "fcc", a=5.5, cubic=True).repeat(2))
    at = StatePoint(structure, 60.0)
    return run(LennardJones(0.0104, 3.4, 5.0), at, Langevin("5 fs"), duration=15.0, every=5.0, key=jax.random.key(0))


@pytest.fixture(scope="module")
def template(trajectory):
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


@pytest.mark.parametrize("together", [1, 2, 3])
def test_energies_and_their_mean_derivative_come_in_one_pass(trajectory, together):
    potential = LennardJones(0.0104, 3.4, 5.0)
    parameters = Parameters(*eqx.partition(potential, eqx.is_inexact_array))
    values = FrameValues((), trajectory, potential)
    values._graphs = FrameGraphs(trajectory, distinct_cutoffs(potential), atoms_at_once=32 * together)
    assert values._graphs.batch_size == together
    energies, gradient = values.energies_and_mean_gradient(parameters)
    np.testing.assert_allclose(energies, trajectory.potential_energies.ravel(), rtol=1e-5)
    # The energy of Lennard-Jones is proportional to ε.
    assert float(gradient.epsilon) == pytest.approx(energies.mean() / 0.0104, rel=1e-5)
