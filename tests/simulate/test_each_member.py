"""Members of a set that drive replicas of their own."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from ase.build import bulk

from mdfit import StatePoint, Structure
from mdfit.errors import CheckpointError, SimulationError
from mdfit.potentials import LennardJones, PotentialSet, StillingerWeber
from mdfit.simulate import NVE, EachMember, Langevin, run

_SILICON = Structure.from_ase(bulk("Si", cubic=True))
_AT = StatePoint(_SILICON, "300 K")


def _set():
    soft = jax.tree.map(lambda leaf: 0.9 * leaf, StillingerWeber.silicon())
    return PotentialSet.of([StillingerWeber.silicon(), soft])


def test_each_member_conserves_its_own_energy():
    found = run(
        EachMember(_set()), _AT, NVE("0.5 fs"), duration="0.2 ps", every="10 fs", replicas=4, key=jax.random.key(0)
    )
    total = found.potential_energies + found.kinetic_energies
    assert np.ptp(total, axis=1).max() < 0.02 * np.ptp(found.kinetic_energies, axis=1).min()
    # The first two replicas are of the first member.
    alone = run(_set()[0], _AT, NVE("0.5 fs"), duration="10 fs", every="10 fs", replicas=4, key=jax.random.key(0))
    np.testing.assert_allclose(found.positions[:2, 0], alone.positions[:2, 0], atol=1e-5)
    assert np.abs(found.positions[2:, 0] - alone.positions[2:, 0]).max() > 1e-4


def test_a_run_of_members_goes_on_but_not_as_one_of_their_mean(tmp_path):
    settings = {"every": "10 fs", "key": jax.random.key(1)}
    out = tmp_path / "run.h5"
    whole = run(EachMember(_set()), _AT, Langevin("1 fs"), duration="0.1 ps", replicas=2, **settings)
    run(EachMember(_set()), _AT, Langevin("1 fs"), duration="0.05 ps", replicas=2, out=out, **settings)
    on = run(EachMember(_set()), _AT, Langevin("1 fs"), duration="0.1 ps", replicas=2, out=out, **settings)
    assert np.array_equal(on.positions, whole.positions)
    with pytest.raises(CheckpointError, match="another potential"):
        run(_set(), _AT, Langevin("1 fs"), duration="0.2 ps", replicas=2, out=out, **settings)


def test_replicas_are_shared_evenly():
    argon = PotentialSet.of([LennardJones(epsilon=e) for e in (0.9, 1.0, 1.1)])
    at = StatePoint(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0), "100 K")
    with pytest.raises(SimulationError, match="a multiple of 3"):
        run(EachMember(argon), at, Langevin("1 fs"), duration="4 fs", every="2 fs", replicas=4, key=jax.random.key(0))
