"""Files for training, validation and testing: complete, disjoint, reproducible, with all labels."""

from pathlib import Path

import numpy as np
import pytest

from mdfit.data import LabelKeys, read
from mdfit.data.partition import partition, split_file
from mdfit.errors import DataError, OutputError

COUNT = 40


def write(path: Path, names: str = "REF_energy={energy}", columns: str = "REF_forces:R:3") -> Path:
    """Frames in four groups, and an isolated atom as frame 7."""
    frames = []
    for number in range(COUNT):
        atoms = 1 if number == 7 else 2
        comment = names.format(energy=-3.0 * atoms - 0.01 * number)
        box = "" if number == 7 else 'Lattice="9 0 0 0 9 0 0 0 9" '
        rows = "".join(
            f"Cu {2.5 * atom + 0.001 * number:.4f} 0 0 {0.1 * number:.2f} 0 {atom - 0.5}\n" for atom in range(atoms)
        )
        info = f"{comment} group=g{number // 10} number={number}"
        frames.append(f"{atoms}\n{box}Properties=species:S:1:pos:R:3:{columns} {info}\n{rows}")
    path.write_text("".join(frames))
    return path


def numbers(dataset) -> list[int]:
    return [int(frame.info["number"]) for frame in dataset]


@pytest.mark.parametrize("by", ["random", "group", "time"])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.25, 0.0), (0.0, 0.3), (0.3, 0.25)])
def test_parts_are_complete_disjoint_and_reproducible(tmp_path: Path, by, validation: float, test: float) -> None:
    dataset = read(write(tmp_path / "a.xyz"))
    group = "group" if by == "group" else None
    parts = partition(dataset, validation, test, by, group, seed=1)
    assert sorted(index for part in parts.values() for index in part) == list(range(COUNT))
    assert set(parts) == {"train", *(["validation"] if validation else []), *(["test"] if test else [])}
    assert parts == partition(dataset, validation, test, by, group, seed=1)
    assert 7 in parts["train"]
    if by == "group":
        of = {name: {dataset[i].info["group"] for i in part if i != 7} for name, part in parts.items()}
        assert sum(map(len, of.values())) == 4
    elif by == "time":
        order = [i for name in ("train", "validation", "test") for i in parts.get(name, []) if i != 7]
        assert order == sorted(order)
    else:
        assert parts != partition(dataset, validation, test, by, group, seed=2)
        for name, share in {"validation": validation, "test": test}.items():
            assert len(parts.get(name, [])) == pytest.approx(share * (COUNT - 1), abs=0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0.5, 0.5), "leave some for training"),
        ((0.0, 0.0), "leave some for training"),
        ((-0.1, 0.2), "leave some for training"),
        ((0.1, 0.1, "group"), "give both the kind 'group' and the name"),
        ((0.1, 0.1, "time", "group"), "give both the kind 'group' and the name"),
        ((0.1, 0.1, "group", "grup"), "did you mean 'group'"),
    ],
)
def test_impossible_parts_are_refused(tmp_path: Path, arguments, words: str) -> None:
    with pytest.raises(DataError, match=words):
        partition(read(write(tmp_path / "a.xyz")), *arguments)


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    dataset = read(write(tmp_path / "a.xyz")).select([0, 1])
    with pytest.raises(DataError, match="2 frames or groups are too few for 3 parts"):
        partition(dataset, 0.1, 0.1)
    assert partition(dataset, 0.0, 0.1) in ({"train": [0], "test": [1]}, {"train": [1], "test": [0]})


@pytest.mark.parametrize(
    ("names", "columns", "keys"),
    [
        ("REF_energy={energy}", "REF_forces:R:3", LabelKeys()),
        ("mine={energy} energy=0.5", "pull:R:3:magmoms:R:1", LabelKeys("mine", "pull")),
        ('energy={energy} W="1 0 0 0 2 0 0 0 3"', "forces:R:3", LabelKeys(virial="W")),
        ('energy={energy} stress="1 2 3 0 0 0"', "forces:R:3", LabelKeys()),
    ],
)
def test_files_hold_all_labels_under_names_that_are_recognised(tmp_path: Path, names: str, columns: str, keys) -> None:
    path = write(tmp_path / "set.v2.xyz", names, columns)
    if "magmoms" in columns:
        path.write_text(
            "\n".join(f"{row} 1.5" if row.startswith("Cu") else row for row in path.read_text().splitlines())
        )
    before = read(path, keys.energy, keys.forces, keys.stress, keys.virial)
    _, files = split_file(path, tmp_path / "new", keys)
    assert {file.name for file in files} == {f"set.v2_{name}.extxyz" for name in ("train", "validation", "test")}
    assert sum(files.values()) == COUNT
    for file, count in files.items():
        after = read(file)
        assert len(after) == count
        assert not after.findings
        assert after.keys.energy == "energy"
        for frame, number in zip(after, numbers(after), strict=True):
            same = before[number]
            assert frame.energy == same.energy
            np.testing.assert_allclose(frame.forces, same.forces, atol=1e-8)
            np.testing.assert_allclose(frame.structure.positions, same.structure.positions, atol=1e-8)
            assert (frame.stress is None) == (same.stress is None)
            if frame.stress is not None:
                np.testing.assert_allclose(frame.stress, same.stress, atol=1e-12)
            assert frame.info["group"] == same.info["group"]
        if "magmoms" in columns:
            assert "magmoms:R:1" in file.read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xyz")
    (tmp_path / "a_validation.extxyz").write_text("mine")
    with pytest.raises(OutputError, match=r"a_validation.extxyz exists; move it away"):
        split_file(path, tmp_path, LabelKeys())
    assert (tmp_path / "a_validation.extxyz").read_text() == "mine"
    assert not (tmp_path / "a_train.extxyz").exists()


def test_frames_of_one_structure_stay_together_or_are_named(tmp_path: Path, caplog) -> None:
    text = write(tmp_path / "a.xyz").read_text()
    dataset = read(tmp_path / "a.xyz")
    (tmp_path / "twice.xyz").write_text(text + text)
    twice = read(tmp_path / "twice.xyz")
    for seed in range(3):
        parts = partition(twice, 0.2, 0.2, seed=seed)
        numbers_of = [{index % COUNT for index in part} for part in parts.values()]
        assert sum(map(len, numbers_of)) == COUNT
        first, second = twice.split(0.8, seed)
        assert not set(numbers(first)) & set(numbers(second))
    assert not caplog.records
    partition(twice, 0.0, 0.2, "time")
    assert "16 of 16 frames for test have the structure of a frame for training" in caplog.text
    # Without duplicates parts are what they were.
    assert partition(dataset, 0.2, 0.2, seed=0) == partition(read(tmp_path / "a.xyz"), 0.2, 0.2, seed=0)
