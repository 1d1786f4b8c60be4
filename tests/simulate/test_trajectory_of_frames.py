"""Frames of other programs give the observables that the same trajectory of a potential gives."""

import dataclasses

import jax
import numpy as np
import pytest
from ase.build import bulk

from mdfit.data import Frames
from mdfit.errors import ObservableError, SimulationError
from mdfit.observables import RDF, PotentialEnergy, Pressure, Temperature, ThermalExpansion, estimate
from mdfit.potentials import LennardJones
from mdfit.simulate import NPT, JaxMD, Langevin, StatePoint, Trajectory, run
from mdfit.structure import Conditions, Structure


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    crystal = Structure.from_ase(bulk("Ar", "fcc", a=5.55, cubic=True).repeat(2))
    path = tmp_path_factory.mktemp("argon") / "run.h5"
    ours = run(
        LennardJones(0.0104, 3.4, 8.0),
        StatePoint(crystal, 120.0),
        Langevin(5.0, 2.0),
        duration=1000.0,
        every=50.0,
        replicas=2,
        engine=JaxMD(neighbour_lists="host"),
        key=jax.random.key(0),
        out=path,
    )
    return ours, [Frames.read(path, f"replica_{replica}") for replica in (0, 1)]


def test_observables_of_positions_and_energies_are_the_same(both):
    ours, runs = both
    again = Trajectory.of_frames(*runs, temperature=120.0)
    for observable in (RDF(5.0, 40), PotentialEnergy()):
        first, second = estimate(observable, ours), estimate(observable, again)
        np.testing.assert_allclose(second.value, first.value, rtol=1e-12)
        np.testing.assert_allclose(second.standard_error, first.standard_error, rtol=1e-12)


def test_frames_keep_the_conditions_of_their_simulation(tmp_path):
    """A file tells temperature, pressure and ensemble."""
    crystal = Structure.from_ase(bulk("Ar", "fcc", a=5.55, cubic=True).repeat(2))
    at, key = StatePoint(crystal, 120.0, "30 bar"), jax.random.key(1)
    settings = {"duration": 240.0, "every": 20.0, "key": key, "out": tmp_path / "run.h5"}
    ours = run(LennardJones(0.0104, 3.4, 5.0), at, NPT(4.0), **settings)
    frames = Frames.read(tmp_path / "run.h5")
    for known in (frames, ours.frames(), frames.select([0, 1, 2])):
        assert known.conditions == Conditions("NPT", 120.0, 30.0)
    again = Trajectory.of_frames(frames)
    assert repr(again) == repr(ours) == "Trajectory(1 × 12 frames of 32 atoms, NPT at 120 K, 30 bar)"
    expansion = estimate(ThermalExpansion(), ours)
    assert expansion.value == pytest.approx(estimate(ThermalExpansion(), again).value, rel=1e-6)
    assert frames.without_cell().conditions == Conditions(temperature=120.0)


@pytest.mark.parametrize("observable", [Temperature(), Pressure(), PotentialEnergy()])
def test_what_frames_do_not_tell_is_refused(both, observable):
    silent = dataclasses.replace(both[1][0], energies=None)
    with pytest.raises(ObservableError, match="is not finite"):
        estimate(observable, Trajectory.of_frames(silent, temperature=120.0))


def test_structures_have_velocities_where_they_are_known(both):
    ours, runs = both
    silent = Trajectory.of_frames(*runs, temperature=120.0).structure(3, 1)
    np.testing.assert_allclose(silent.positions, ours.structure(3, 1).positions)
    assert silent.velocities is None
    assert np.isfinite(ours.structure(3, 1).velocities).all()


def test_frames_that_are_no_trajectory(both):
    first, second = both[1]
    with pytest.raises(SimulationError, match="do not tell their temperature"):
        Trajectory.of_frames(dataclasses.replace(first, conditions=Conditions()))
    with pytest.raises(SimulationError, match="different lengths or atoms"):
        Trajectory.of_frames(first, second.select(slice(0, 5)), temperature=120.0)
    with pytest.raises(SimulationError, match="at least one run"):
        Trajectory.of_frames(temperature=120.0)
    hot = dataclasses.replace(second, conditions=dataclasses.replace(second.conditions, temperature=140.0))
    with pytest.raises(SimulationError, match="Run 1 was made under another temperature"):
        Trajectory.of_frames(first, hot)
    assert Trajectory.of_frames(first, hot, temperature=130.0).temperature == 130.0
