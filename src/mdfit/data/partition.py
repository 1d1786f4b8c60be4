"""Files for training, validation and testing from one file of labelled structures."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mdfit.data.dataset import Dataset, LabelledStructure
from mdfit.data.duplicates import first_of_equal, groups_of_equal
from mdfit.data.labels import LabelKeys
from mdfit.data.reading import read
from mdfit.data.reference_energies import isolated_atoms
from mdfit.errors import DataError, OutputError
from mdfit.storage import write_text
from mdfit.structure import read_atoms
from mdfit.structure.text_files import without_compression

if TYPE_CHECKING:
    from ase import Atoms

log = logging.getLogger(__name__)

Kind = Literal["random", "group", "time"]


def partition(
    dataset: Dataset, validation: float, test: float, by: Kind = "random", group: str | None = None, seed: int = 0
) -> dict[str, list[int]]:
    """Disjoint lists of frames named ``train``, ``validation`` and ``test`` that together are all frames, each sorted.

    Isolated atoms stay in ``train``, because they fix the reference energies.  Frames of one structure stay together in
    random parts; in others that they share a warning names them.

    Args:
        dataset: what to divide.
        validation: share of the frames for validation, from 0 (none) to below 1.
        test: share of the frames for testing.
        by: ``"random"``; ``"group"`` keeps frames of one value of an ``info`` entry together, in random order; ``"time"``
            takes the last frames for testing and those before them for validation, which is right for trajectories.
        group: the ``info`` entry.
        seed: the same seed gives the same lists.

    Raises:
        DataError: shares that are not possible, or no group, or too few frames or groups for a part.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and 0 < validation + test < 1):
        raise DataError(
            f"The shares for validation and test are {validation:g} and {test:g}: give numbers from 0 on that leave some "
            "for training, such as 0.1 and 0.1."
        )
    if (by == "group") != (group is not None):
        raise DataError(
            "Frames are divided by group when the entry is named, and only then: give both the kind 'group' and the name "
            "of the entry, or neither."
        )
    isolated = {index for frames in isolated_atoms(dataset).values() for index in frames}
    if by == "group" and group is not None:
        units = list(dataset.groups(group).values())
    else:
        units = groups_of_equal(dataset) if by == "random" else [[row] for row in range(len(dataset))]
    movable = [unit for unit in units if not isolated.issuperset(unit)]
    if by != "time":
        movable = [movable[index] for index in np.random.default_rng(seed).permutation(len(movable))]
    shares = {"test": test, "validation": validation}
    parts = _taken_from_the_end(movable, {name: share for name, share in shares.items() if share > 0})
    parts["train"] += [index for unit in units if isolated.issuperset(unit) for index in unit]
    _warn_of_shared_structures(dataset, parts)
    return {name: sorted(parts[name]) for name in ("train", "validation", "test") if name in parts}


def _warn_of_shared_structures(dataset: Dataset, parts: dict[str, list[int]]) -> None:
    first = first_of_equal(dataset)
    trained = set(first[parts["train"]].tolist())
    for name in parts.keys() - {"train"}:
        shared = [row for row in parts[name] if int(first[row]) in trained]
        if shared:
            log.warning(
                "%d of %d frames for %s have the structure of a frame for training (frame %d, for instance): remove "
                "duplicates, which `mdfit check` names, or errors will look smaller than they are.",
                len(shared),
                len(parts[name]),
                name,
                shared[0],
            )


def _taken_from_the_end(units: list[list[int]], shares: dict[str, float]) -> dict[str, list[int]]:
    """Whole units for each share from the end on, as nearly as they allow but at least one; the rest is for training."""
    total, left = sum(map(len, units)), list(units)
    if len(left) <= len(shares):
        raise DataError(
            f"{len(left)} frames or groups are too few for {len(shares) + 1} parts: give more, or fewer parts."
        )
    parts: dict[str, list[int]] = {}
    for done, (name, share) in enumerate(shares.items()):
        most = len(left) - (len(shares) - done)
        sizes = np.cumsum([len(unit) for unit in reversed(left)])[:most]
        count = int(np.argmin(np.abs(sizes - share * total))) + 1
        parts[name] = [index for unit in left[-count:] for index in unit]
        left = left[:-count]
    return parts | {"train": [index for unit in left for index in unit]}


def split_file(
    path: Path,
    out: Path,
    declared: LabelKeys,
    validation: float = 0.1,
    test: float = 0.1,
    by: Kind = "random",
    group: str | None = None,
    seed: int = 0,
) -> tuple[Dataset, dict[Path, int]]:
    """Writes ``NAME_train.extxyz`` and so on: energies, forces and stresses under ASE's names, everything else as it was.

    Args:
        path: the file.
        out: the directory to write to.
        declared: names of the labels.
        validation: share for validation; see :func:`partition`.
        test: share for testing.
        by: how frames are divided.
        group: the ``info`` entry.
        seed: of random parts.

    Returns:
        The data set, and the files with their numbers of frames.

    Raises:
        OutputError: a file exists already, or cannot be written; nothing is overwritten.
        DataError: see :func:`mdfit.data.read` and :func:`partition`.
    """
    dataset = read(path, declared.energy, declared.forces, declared.stress, declared.virial)
    parts = partition(dataset, validation, test, by, group, seed)
    stem = Path(without_compression(path)).stem
    files = {name: out / f"{stem}_{name}.extxyz" for name in parts}
    existing = [file for file in files.values() if file.exists()]
    if existing:
        raise OutputError(f"{existing[0]} exists; move it away first, or choose another directory.")
    atoms = read_atoms(path)
    for name, frames in parts.items():
        write_text(files[name], _extended_xyz([_labelled(atoms[i], dataset[i], dataset.keys) for i in frames]))
    return dataset, {files[name]: len(frames) for name, frames in parts.items()}


def _labelled(atoms: Atoms, frame: LabelledStructure, keys: LabelKeys) -> Atoms:
    """The atoms with the labels under ASE's names only."""
    from ase.calculators.singlepoint import SinglePointCalculator

    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    used = {keys.energy, keys.forces, keys.stress, keys.virial, *keys.others} - {None}
    for name in used | {"energy", "forces", "stress"}:
        results.pop(name, None)
        atoms.info.pop(name, None)
        if name in atoms.arrays:
            del atoms.arrays[name]
    labels = {"energy": frame.energy, "forces": frame.forces}
    if frame.stress is not None:
        labels["stress"] = frame.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    results |= {name: value for name, value in labels.items() if value is not None}
    atoms.calc = SinglePointCalculator(atoms, **results) if results else None
    return atoms


def _extended_xyz(frames: Sequence[Atoms]) -> str:
    import ase.io

    text = io.StringIO()
    ase.io.write(text, list(frames), format="extxyz")
    return text.getvalue()
