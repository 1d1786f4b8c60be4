"""Structures to label next: unsure and different."""

from __future__ import annotations

import ase.io
import jax
import numpy as np
import pytest
from ase.build import bulk
from click.testing import CliRunner

from mdfit import StatePoint, Structure
from mdfit.cli.main import main
from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import DataError, PotentialError
from mdfit.potentials import ZBL, KnownSpread, LennardJones, PaiNN, PotentialSet
from mdfit.simulate import Langevin, run
from mdfit.uncertainty import select, structure_features, structure_spreads, times_known
from mdfit.uncertainty.pool import read_pool

_ARGON = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True))


def _set():
    return PotentialSet.of([LennardJones(epsilon=0.0104, sigma=s, cutoff=5.0) for s in (3.38, 3.4, 3.42)])


def _networks():
    return PotentialSet.of([PaiNN([18], 4.5, channels=4, layers=1, key=jax.random.key(k)) for k in range(2)])


def _unsure(potential, pool):
    found = structure_spreads(potential, pool)
    return times_known(found, KnownSpread(*(np.median(one) for one in found)))


def _rattled(sizes, seed=0):
    random = np.random.default_rng(seed)
    shape = _ARGON.positions.shape
    return Dataset(
        tuple(
            LabelledStructure(_ARGON.replace(positions=_ARGON.positions + size * random.standard_normal(shape)))
            for size in sizes
        )
    )


def test_the_most_unsure_one_comes_first_and_copies_last():
    pool = _rattled([0.05] * 6)
    doubled = Dataset((*pool.frames, *pool.frames))
    for potential in (_set(), _networks(), _networks() + ZBL(2.0)):
        found = select(potential, doubled, 6)
        assert found.indices[0] == np.argmax(_unsure(potential, doubled))
        assert len(set(found.indices % 6)) == 6
        assert np.isinf(found.distances[0])
        assert (found.distances[1:] > 0).all()


def test_each_choice_is_the_largest_product_of_spread_and_distance():
    pool = _rattled(np.linspace(0.02, 0.3, 12))
    potential = _networks()
    found = select(potential, pool, 5)
    features = structure_features(potential, pool)
    varying = features.std(axis=0) > 1e-9 * features.std(axis=0).max()
    features = features[:, varying] / features[:, varying].std(axis=0)
    spreads = _unsure(potential, pool)
    chosen = [int(np.argmax(spreads))]
    for _ in range(4):
        distance = np.linalg.norm(features[:, None] - features[chosen], axis=-1).min(axis=1)
        chosen.append(int(np.argmax(spreads * distance)))
    assert found.indices.tolist() == chosen


def test_what_is_known_is_not_chosen_again():
    pool = _rattled([0.1] * 8)
    first = select(_networks(), pool, 3).indices
    known = Dataset(tuple(pool[int(index)] for index in first))
    again = select(_networks(), pool, 5, known)
    assert not set(again.indices) & set(first)
    assert np.isfinite(again.distances).all()


def test_features_are_means_over_atoms():
    single, double = _ARGON, _ARGON.repeat((2, 1, 1))
    features = structure_features(_networks(), Dataset((LabelledStructure(single), LabelledStructure(double))))
    np.testing.assert_allclose(features[0], features[1], rtol=1e-4)


def test_bad_input():
    pool = _rattled([0.1] * 3)
    with pytest.raises(DataError, match="4 structures cannot be chosen of 3"):
        select(_set(), pool, 4)
    with pytest.raises(PotentialError, match="says nothing of its own error"):
        select(LennardJones(), pool, 1)


def test_the_command_reads_trajectories_and_files_and_writes_extended_xyz(tmp_path):
    _set().knowing(KnownSpread(1e-9, 1e-9)).save(tmp_path / "set.mdfit")
    key = jax.random.key(0)
    at = StatePoint(_ARGON, "60 K")
    trajectory = run(
        _set(), at, Langevin("2 fs"), duration="0.2 ps", every="20 fs", replicas=2, key=key, out=tmp_path / "run.h5"
    )
    pool = read_pool(tmp_path / "run.h5")
    assert len(pool) == 20
    np.testing.assert_allclose(pool[13].structure.positions, trajectory.positions[1, 3], atol=1e-5)
    arguments = ["select", str(tmp_path / "set.mdfit"), str(tmp_path / "run.h5"), "--number", "4"]
    out = tmp_path / "chosen.extxyz"
    found = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "20 of 20 lie beyond" in found.output
    images = ase.io.read(out, ":")
    assert len(images) == 4
    place = images[2].info["pool_index"]
    np.testing.assert_allclose(images[2].positions, pool[place].structure.positions, atol=1e-6)
    assert images[2].info["force_spread"] == pytest.approx(structure_spreads(_set(), pool).forces[place], rel=1e-3)
    again = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert again.exit_code == 1
    assert "exists" in again.output
    more = [*arguments[:1], str(tmp_path / "set.mdfit"), str(out), "--number", "2", "--known", str(out)]
    assert CliRunner().invoke(main, [*more, "--out", str(tmp_path / "more.extxyz")]).exit_code == 0
