"""Data sets: splits, reference energies, statistics."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import DataError
from mdfit.structure import Structure


def frame(formula: str, **labels: object) -> LabelledStructure:
    count = len(Atoms(formula))
    positions = np.arange(3 * count, dtype=float).reshape(count, 3)
    return LabelledStructure(Structure.from_ase(Atoms(formula, positions=positions)), **labels)  # type: ignore[arg-type]


def numbered(groups: list[int]) -> Dataset:
    frames = []
    for number, group in enumerate(groups):
        pair = Structure.from_ase(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.5 + 0.1 * number]]))
        frames.append(LabelledStructure(pair, energy=float(number), info={"group": group}))
    return Dataset(tuple(frames))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=30), st.floats(0.05, 0.95), st.integers(0, 2**31), st.booleans()
)
def test_split_is_a_partition(groups: list[int], fraction: float, seed: int, grouped: bool) -> None:
    dataset = numbered(groups)
    if grouped and len(set(groups)) < 2:
        with pytest.raises(DataError, match="cannot be split"):
            dataset.split(fraction, seed, group="group")
        return
    first, second = dataset.split(fraction, seed, group="group" if grouped else None)
    assert len(first) > 0
    assert len(second) > 0
    assert sorted([*first.energies(), *second.energies()]) == list(range(len(groups)))
    assert list(first.energies()) == sorted(first.energies())
    if grouped:
        assert not set(first.group_names("group")) & set(second.group_names("group"))
    else:
        assert abs(len(first) - fraction * len(dataset)) <= 1
    again = dataset.split(fraction, seed, group="group" if grouped else None)[0]
    assert list(again.energies()) == list(first.energies())


def test_split_depends_on_the_seed() -> None:
    dataset = numbered([0] * 30)
    assert list(dataset.split(0.5, 1)[0].energies()) != list(dataset.split(0.5, 2)[0].energies())


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_impossible_fractions_are_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        numbered([0, 1]).split(fraction, 0)


def test_unknown_group_offers_the_nearest_name() -> None:
    with pytest.raises(DataError, match="did you mean 'group'"):
        numbered([0, 1]).split(0.5, 0, group="grupp")


def test_reference_energies_recover_additive_energies_and_skip_missing_ones() -> None:
    exact = {1: -0.5, 8: -2.0}
    formulas = ["H2O", "H2", "O2", "H2O2"]
    frames = [frame(f, energy=sum(exact[int(z)] for z in Atoms(f).numbers)) for f in formulas]
    dataset = Dataset((*frames, frame("HO")))
    assert dataset.reference_energies() == pytest.approx(exact)
    residuals = dataset.energy_residuals()
    np.testing.assert_allclose(residuals[:4], 0.0, atol=1e-12)
    assert np.isnan(residuals[4])


def test_reference_energies_of_one_composition_have_least_norm() -> None:
    dataset = Dataset((frame("H2O", energy=-10.0), frame("H2O", energy=-10.0)))
    references = dataset.reference_energies()
    assert references == pytest.approx({1: -4.0, 8: -2.0})  # proportional to the counts (2, 1), and 2·4 + 2 = 10
    np.testing.assert_allclose(dataset.energy_residuals(), 0.0, atol=1e-12)


def test_without_energies_the_references_are_zero() -> None:
    assert Dataset((frame("HO", forces=np.zeros((2, 3))),)).reference_energies() == {1: 0.0, 8: 0.0}


def test_missing_reference_energy_is_an_error() -> None:
    with pytest.raises(DataError, match="atomic number 8"):
        Dataset((frame("HO", energy=1.0),)).energy_residuals({1: 0.0})


def test_force_statistics() -> None:
    dataset = Dataset((frame("HO", forces=[[3.0, 0, 0], [0, 4.0, 0]]), frame("H")))
    assert dataset.force_rms() == pytest.approx(np.sqrt(25 / 6))
    assert dataset.force_rms_per_species() == pytest.approx({1: np.sqrt(3.0), 8: np.sqrt(16 / 3)})
    assert np.isnan(Dataset((frame("H", energy=1.0),)).force_rms())


def test_selection_and_sum_keep_order_and_species() -> None:
    dataset = Dataset((frame("H"), frame("O"), frame("C")), ignored_stress=(2,))
    assert dataset.species == (1, 6, 8)
    chosen = dataset.select([2, 0])
    assert [int(f.structure.species[0]) for f in chosen] == [6, 1]
    assert chosen.ignored_stress == (0,)
    both = chosen + dataset
    assert len(both) == 5
    assert both.ignored_stress == (0, 4)


def test_labels_are_validated_and_read_only() -> None:
    with pytest.raises(DataError, match=r"forces has shape \(2, 3\)"):
        frame("H", forces=np.zeros((2, 3)))
    with pytest.raises(DataError, match="energy is not finite"):
        frame("H", energy=float("nan"))
    with pytest.raises(DataError, match="at least one frame"):
        Dataset(())
    labelled = frame("H", forces=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="read-only"):
        labelled.forces[0, 0] = 1.0
