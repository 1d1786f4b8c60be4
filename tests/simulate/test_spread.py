"""The spread of the forces along a simulation: recorded, kept in files, compared with what the data know."""

from __future__ import annotations

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit import StatePoint, Structure
from mdfit.data import Dataset, Frames, LabelledStructure
from mdfit.errors import DataError, ExtrapolationError, PotentialError, SimulationError
from mdfit.graph import build_graph
from mdfit.potentials import (
    ZBL,
    KnownSpread,
    LennardJones,
    PotentialSet,
    StructureSpread,
    WithSpread,
    evaluate_set,
    known_spread,
    load,
)
from mdfit.simulate import Langevin, run
from mdfit.simulate.spread_watch import SpreadWatch
from mdfit.uncertainty import select, structure_spreads, times_known, with_known_spread

_ARGON = Structure.from_ase(bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2))
_AT = StatePoint(_ARGON, "60 K")
_SETTINGS = {"duration": "0.4 ps", "every": "20 fs", "key": jax.random.key(0)}


def _argon_set():
    return PotentialSet.of([LennardJones(epsilon=0.0104, sigma=s, cutoff=5.0) for s in (3.38, 3.4, 3.42)])


def _norms(spread):
    return float(np.linalg.norm(np.asarray(spread.forces), axis=1).max())


def _run(potential, **settings):
    return run(potential, _AT, Langevin("2 fs"), **(_SETTINGS | settings))


def test_frames_hold_the_largest_spread_of_a_force():
    trajectory = _run(_argon_set(), replicas=2)
    assert trajectory.force_spreads.shape == (2, 20)
    for replica, frame in ((0, 3), (1, 19)):
        graph = build_graph(trajectory.structure(frame, replica), 5.0)
        assert trajectory.force_spreads[replica, frame] == pytest.approx(
            _norms(evaluate_set(_argon_set(), graph).spread), rel=1e-3
        )
        assert trajectory.virial_spreads[replica, frame] == pytest.approx(
            float(evaluate_set(_argon_set(), graph).spread.strain_derivative.max()) / _ARGON.number_of_atoms, rel=1e-3
        )
    assert trajectory.part(5).force_spreads.shape == (2, 15)
    assert _run(_argon_set()[0]).force_spreads is None


@pytest.mark.parametrize("name", ["run.h5", "run.xyz"])
def test_files_keep_it_and_a_run_goes_on_with_it(tmp_path, name):
    whole = _run(_argon_set())
    part = _run(_argon_set(), out=tmp_path / name, duration="0.2 ps")
    assert np.array_equal(part.force_spreads, whole.force_spreads[:, :10])
    on = _run(_argon_set(), out=tmp_path / name)
    assert np.array_equal(on.force_spreads, whole.force_spreads)
    assert np.array_equal(on.virial_spreads, whole.virial_spreads)
    assert np.array_equal(_run(_argon_set(), out=tmp_path / name).force_spreads, whole.force_spreads)


def test_a_frame_in_xyz_says_it(tmp_path):
    import ase.io

    trajectory = _run(_argon_set(), out=tmp_path / "run.xyz")
    told = [atoms.info["force_spread"] for atoms in ase.io.read(tmp_path / "run.xyz", ":")]
    assert told == trajectory.force_spreads[0].tolist()


def test_a_run_warns_or_stops_beyond_what_the_data_know(tmp_path, caplog):
    free = _run(_argon_set())
    limit = float(np.sort(free.force_spreads[0])[-4])
    potential = _argon_set().knowing(KnownSpread(limit, 1.0))
    with caplog.at_level(logging.WARNING):
        warned = _run(potential)
    assert np.array_equal(warned.positions, free.positions)
    assert "has left what the data know" in caplog.text
    assert "In 3 of 20 frames" in caplog.text
    first = int(np.argmax(free.force_spreads[0] > limit))
    out = tmp_path / "run.h5"
    with pytest.raises(ExtrapolationError, match=rf"At {20.0 * (first + 1):.3f} fs the spread of the forces is"):
        _run(potential, out=out, when_unsure="stop")
    assert len(Frames.read(out)) == first + 1


def test_a_run_that_stops_needs_to_know_where():
    with pytest.raises(SimulationError, match="with_known_spread"):
        _run(_argon_set(), when_unsure="stop")
    with pytest.raises(SimulationError, match="with_known_spread"):
        _run(LennardJones(), when_unsure="stop")
    with pytest.raises(SimulationError, match="'warn' or 'stop'"):
        _run(_argon_set(), when_unsure="ignore")


def _rattled(number, size, seed=0):
    random = np.random.default_rng(seed)
    return Dataset(
        [
            LabelledStructure(
                _ARGON.replace(positions=_ARGON.positions + size * random.standard_normal(_ARGON.positions.shape))
            )
            for _ in range(number)
        ]
    )


def test_the_limit_comes_from_validation_data_and_is_kept_in_the_file(tmp_path):
    validation = _rattled(40, 0.05)
    spreads = structure_spreads(_argon_set(), validation)
    one = evaluate_set(_argon_set(), build_graph(validation[7].structure, 5.0)).spread
    assert spreads.forces[7] == pytest.approx(_norms(one), rel=1e-4)
    assert spreads.energy[7] == pytest.approx(float(one.energy[0]) / _ARGON.number_of_atoms, rel=1e-4)
    potential = with_known_spread(_argon_set(), validation, flagged=0.1)
    known = known_spread(potential)
    assert spreads.virial[7] == pytest.approx(float(one.strain_derivative.max()) / _ARGON.number_of_atoms, rel=1e-4)
    for found, limit in zip(spreads, known, strict=True):
        assert np.sum(found > limit) == 1
    assert 1 <= np.sum(times_known(spreads, known) > 1) <= 3
    assert known_spread(load(potential.save(tmp_path / "set.mdfit"))) == known_spread(potential)
    assert (times_known(structure_spreads(potential, _rattled(20, 0.3)), known) > 1).all()
    joined = with_known_spread(_argon_set() + ZBL(), validation)
    assert known_spread(joined).forces == pytest.approx(spreads.forces.max(), rel=1e-5)


def test_a_strained_perfect_crystal_is_known_by_its_energy():
    """Its forces vanish by symmetry, and so does their spread."""
    strained = _ARGON.replace(positions=1.1 * _ARGON.positions, cell=1.1 * _ARGON.cell)
    potential = with_known_spread(_argon_set(), _rattled(40, 0.05))
    found = structure_spreads(potential, Dataset((LabelledStructure(strained),)))
    assert found.forces[0] < known_spread(potential).forces
    assert found.energy[0] > known_spread(potential).energy


def test_stresses_tell_where_forces_and_energies_do_not():
    """The largest of the ratios counts, of those that are told."""
    random = np.random.default_rng(0)
    features = random.standard_normal((30, 3)) ** 2
    spreads = StructureSpread(*features.T)
    known = KnownSpread(*np.quantile(features, 0.9, axis=0))
    inside = StructureSpread(*(np.array([0.5 * limit]) for limit in known))
    assert times_known(inside, known) == pytest.approx([0.5])
    assert times_known(inside._replace(virial=np.array([3 * known.virial])), known) == pytest.approx([3.0])
    assert times_known(inside._replace(virial=np.array([np.nan])), known) == pytest.approx([0.5])
    assert (times_known(spreads, known) >= times_known(spreads, known._replace(virial=None))).all()


class _OfForces(PotentialSet):
    """Like a last layer that was found without energies and stresses: their spreads are NaN."""

    def with_spread(self, graph):
        found = super().with_spread(graph)
        unknown = jnp.full_like(found.spread.energy, jnp.nan)
        stress = jnp.full_like(found.spread.strain_derivative, jnp.nan)
        return WithSpread(found.mean, dataclasses.replace(found.spread, energy=unknown, strain_derivative=stress))

    def knowing(self, spread):
        return _OfForces(self.number, self.stacked, self.weights.value, spread)


def test_spreads_that_are_not_told_hide_none_of_the_others(tmp_path, caplog):
    argon = _argon_set()
    potential = _OfForces(argon.number, argon.stacked)
    potential = with_known_spread(potential, _rattled(40, 0.05), flagged=0.1)
    known = known_spread(potential)
    assert known == KnownSpread(forces=known.forces)
    assert (times_known(structure_spreads(potential, _rattled(20, 0.3)), known) > 1).all()
    unsure = potential.knowing(KnownSpread(forces=1e-6))
    with caplog.at_level(logging.WARNING):
        part = _run(unsure, out=tmp_path / "run.h5", duration="0.2 ps")
    assert "has left what the data know" in caplog.text
    assert part.energy_spreads is None
    assert part.virial_spreads is None
    on = _run(unsure, out=tmp_path / "run.h5")
    assert np.array_equal(on.force_spreads, _run(argon).force_spreads)


def test_one_broken_structure_is_refused_and_does_not_silence_the_rest():
    distances = [*np.linspace(1.1, 1.6, 20), 0.03]
    broken = Dataset([LabelledStructure(Structure.in_open_space([[0, 0, 0], [0, 0, r]])) for r in distances])
    potential = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
    with pytest.raises(DataError, match="no finite spread for structure 20"):
        with_known_spread(potential, broken)
    with pytest.raises(DataError, match="no finite spread for structure 20"):
        select(potential, broken, 3)


def test_a_spread_that_is_not_a_number_is_not_small():
    known = KnownSpread(1.0, 1.0, 1.0)
    frame = {"force_spreads": np.array([np.nan]), "energy_spreads": np.array([0.1])}
    with pytest.raises(ExtrapolationError, match="spread of the forces is nan"):
        SpreadWatch(known, "stop").look(frame, 1.0)
    inside = StructureSpread(np.array([np.nan, 0.1]), np.array([0.1, 0.1]), np.array([np.nan, np.nan]))
    assert times_known(inside, known) == pytest.approx([np.inf, 0.1])
    with pytest.raises(PotentialError, match="none of the spreads that are known"):
        times_known(inside, KnownSpread(virial=1.0))


def test_a_run_tells_of_the_virial(caplog):
    potential = _argon_set().knowing(KnownSpread(1e3, 1e3, 1e-6))
    with caplog.at_level(logging.WARNING):
        _run(potential)
    assert "the spread of the virial is" in caplog.text


def test_files_of_earlier_versions_have_two_numbers():
    assert KnownSpread.of([0.2, 0.005]) == KnownSpread(0.2, 0.005, None)
    assert KnownSpread.of([0.2, float("nan"), None]) == KnownSpread(0.2)


def test_bad_input():
    with pytest.raises(DataError, match="do not tell which spread is usual"):
        with_known_spread(_argon_set(), _rattled(5, 0.1))
    with pytest.raises(DataError, match="is flagged"):
        with_known_spread(_argon_set(), _rattled(20, 0.1), flagged=1.0)
    with pytest.raises(PotentialError, match="says nothing of its own error"):
        with_known_spread(LennardJones(), _rattled(20, 0.1))
    with pytest.raises(PotentialError, match="a set of sums"):
        with_known_spread(_argon_set() + _argon_set(), _rattled(20, 0.1))
