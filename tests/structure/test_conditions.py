"""Conditions say what is known, and where two of them differ."""

import numpy as np
import pytest

from mdfit import StatePoint, Structure
from mdfit.data import Dataset, Frames, LabelledStructure
from mdfit.errors import DataError, SimulationError, StructureError, TrainingError
from mdfit.objectives import MappedEnsemble
from mdfit.simulate import Trajectory
from mdfit.structure import Conditions


def dimer(length: float, mass: float = 1.0) -> Structure:
    return Structure.in_open_space([[0, 0, 0], [0, 0, length]], masses=mass)


def test_words():
    assert str(Conditions()) == "unknown ensemble"
    assert str(Conditions(temperature=300.0)) == "unknown ensemble at 300 K"
    assert str(Conditions("NPT", 300.0, -12.5)) == "NPT at 300 K, -12.5 bar"


def test_what_is_not_known_does_not_differ():
    known = Conditions("NVT", 300.0)
    assert known.other_than(Conditions()) is Conditions().other_than(known) is None
    assert known.other_than(Conditions("NPT", 300.0, 1.0)) == "ensemble"
    assert Conditions("NPT", 300.0, 1.0).other_than(Conditions("NPT", 300.0, 2.0)) == "pressure"


@pytest.mark.parametrize("wrong", [{"ensemble": "muVT"}, {"temperature": -1.0}, {"temperature": float("nan")}])
def test_conditions_that_cannot_be(wrong):
    with pytest.raises(StructureError, match=r"must not be negative|give NVE, NVT, NPT"):
        Conditions(**wrong)


def test_a_state_point_tells_the_conditions_of_its_frames():
    at = StatePoint(dimer(1.0), "300 K", "1 bar")
    assert at.conditions("NPT", ("temperature",)) == Conditions("NPT", 300.0, 1.0, ("temperature",))


def test_frames_of_structures_are_of_one_system():
    frames = Frames.of_structures([dimer(1.0), dimer(1.1)], Conditions("NVT", 300.0))
    assert frames.positions[:, 1, 2].tolist() == [1.0, 1.1]
    assert Trajectory.of_frames(frames).conditions == Conditions("NVT", 300.0)
    with pytest.raises(DataError, match="Frame 1 has other atoms, masses, periodicity or frozen atoms"):
        Frames.of_structures([dimer(1.0), dimer(1.0, mass=2.0)])
    with pytest.raises(DataError, match="at least one structure"):
        Frames.of_structures([])


def test_a_trajectory_knows_ensemble_and_temperature():
    frames = Frames.of_structures([dimer(1.0)])
    found = Trajectory.of_frames(frames, temperature=300.0)
    with pytest.raises(SimulationError, match="unknown ensemble at 300 K: ensemble and temperature must be known"):
        type(found)(**{**vars(found), "conditions": Conditions(temperature=300.0)})


def test_a_mapped_reference_takes_its_temperature_from_the_frames():
    frames = Frames.of_structures([dimer(1.0), dimer(1.1)], Conditions("NVT", 310.0))
    assert MappedEnsemble.of(frames).state_point.temperature == 310.0
    assert MappedEnsemble.of(frames, "25 degC").state_point.temperature == pytest.approx(298.15)
    same = MappedEnsemble.of(Dataset([LabelledStructure(frames.structure(index)) for index in range(2)]), 310.0)
    np.testing.assert_array_equal(same.frames.positions, MappedEnsemble.of(frames).frames.positions)
    with pytest.raises(TrainingError, match="do not tell their temperature"):
        MappedEnsemble.of(Frames.of_structures([dimer(1.0)]))
