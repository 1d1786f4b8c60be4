"""Labelled structures and sets of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.data.check_report import Finding, renumbered
from mdfit.data.labels import LabelKeys
from mdfit.errors import DataError, nearest
from mdfit.structure import Structure

if TYPE_CHECKING:
    from mdfit.data.check_report import CheckReport


@dataclass(frozen=True, eq=False, repr=False)
class LabelledStructure:
    """A structure and what is known about it; labels that are not known are None.

    Attributes:
        structure: the atoms.
        energy: total energy, eV.
        forces: float64[N, 3], eV/Å.
        stress: float64[3, 3], eV/Å^3, tension positive, σ = (1/V) dE/dε.
        info: other entries of the frame, such as ``group``, ``phase`` or ``config_type``.

    Raises:
        DataError: forces or stress of a wrong shape, or labels that are not finite.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import LabelledStructure
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.1]], species=7)
        >>> LabelledStructure(dimer, energy=-9.8, info={"group": "dimers"})
        LabelledStructure(Structure(2 atoms, volume inf Å^3, periodic FFF), labels: energy)
    """

    structure: Structure
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {"energy": (), "forces": (self.structure.number_of_atoms, 3), "stress": (3, 3)}
        for name, shape in shapes.items():
            if getattr(self, name) is None:
                continue
            label = np.array(getattr(self, name), dtype=np.float64)
            if label.shape != shape:
                raise DataError(f"The label {name} has shape {label.shape}, but {shape} is needed: correct its shape.")
            if not np.all(np.isfinite(label)):
                raise DataError(f"The label {name} is not finite: correct it, or use None for an unknown label.")
            label.flags.writeable = False
            object.__setattr__(self, name, label if shape else float(label))
        object.__setattr__(self, "info", MappingProxyType(dict(self.info)))

    def __repr__(self) -> str:
        labels = [name for name in ("energy", "forces", "stress") if getattr(self, name) is not None]
        return f"LabelledStructure({self.structure!r}, labels: {', '.join(labels) or 'none'})"


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """An immutable sequence of labelled structures.

    Attributes:
        frames: the labelled structures.
        keys: under which names the labels were found in the file.
        source: the file, or None.
        ignored_stress: frames whose stress was ignored on reading because they are not periodic in three directions.
        findings: what was odd on reading, such as names of labels that mix; the check repeats it.

    Raises:
        DataError: there are no frames.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> dimers = [Structure.in_open_space([[0, 0, 0], [0, 0, 3.5 + 0.1 * n]], species=18) for n in range(10)]
        >>> dataset = Dataset([LabelledStructure(dimer, energy=-0.01) for dimer in dimers])
        >>> train, test = dataset.split(0.8, seed=0)
        >>> len(train), len(test)
        (8, 2)
    """

    frames: tuple[LabelledStructure, ...]
    keys: LabelKeys = field(default_factory=LabelKeys)
    source: str | None = None
    ignored_stress: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()

    def identity(self) -> tuple[LabelledStructure, ...]:
        """What makes it this data set, wherever it was read from; see :func:`mdfit.storage.fingerprint`."""
        return self.frames

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(self.frames))
        if not self.frames:
            raise DataError("A data set needs at least one frame: check the file or the selection.")

    def __repr__(self) -> str:
        return f"Dataset({len(self)} frames, species {self.species}, source {self.source!r})"

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> LabelledStructure:
        return self.frames[index]

    def __iter__(self) -> Iterator[LabelledStructure]:
        return iter(self.frames)

    def __add__(self, other: Dataset) -> Dataset:
        """Both data sets, one after the other."""
        shifted = tuple(index + len(self) for index in other.ignored_stress)
        sources = [source for source in (self.source, other.source) if source]
        findings = self.findings + renumbered(other.findings, {i: i + len(self) for i in range(len(other))})
        return Dataset(
            self.frames + other.frames, self.keys, " + ".join(sources) or None, self.ignored_stress + shifted, findings
        )

    @functools.cached_property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that occur, sorted."""
        return tuple(int(number) for number in np.unique(np.concatenate([f.structure.species for f in self.frames])))

    def select(self, indices: Sequence[int] | np.ndarray) -> Dataset:
        """The frames with these indices, in this order."""
        chosen = [int(index) for index in indices]
        ignored = set(self.ignored_stress)
        return replace(
            self,
            frames=tuple(self.frames[index] for index in chosen),
            ignored_stress=tuple(new for new, old in enumerate(chosen) if old in ignored),
            findings=renumbered(self.findings, {old: new for new, old in enumerate(chosen)}),
        )

    def groups(self, key: str) -> dict[str, list[int]]:
        """Indices of the frames for each value of an ``info`` entry, sorted by value; values become strings.

        Raises:
            DataError: a frame lacks the entry.
        """
        missing = [index for index, frame in enumerate(self.frames) if key not in frame.info]
        if missing:
            names = {name for frame in self.frames for name in frame.info}
            hint = nearest(key, names - {key}) if len(missing) == len(self) else "label every frame, or leave it out."
            raise DataError(f"{len(missing)} of {len(self)} frames (first: {missing[0]}) have no entry '{key}': {hint}")
        found: dict[str, list[int]] = {}
        for index, frame in enumerate(self.frames):
            found.setdefault(str(frame.info[key]), []).append(index)
        return dict(sorted(found.items()))

    def group_names(self, key: str) -> tuple[str, ...]:
        """Values of an ``info`` entry such as ``group``, sorted.

        Raises:
            DataError: a frame lacks the entry.
        """
        return tuple(self.groups(key))

    def split(self, fraction: float, seed: int, group: str | None = None) -> tuple[Dataset, Dataset]:
        """Two disjoint parts that together are the data set; the order of frames is kept in each.

        Isolated atoms stay in the larger part, because they fix the reference energies, and frames of one structure on one
        side.

        Args:
            fraction: share of the frames in the first part, between 0 and 1. Both parts get at least one frame.
            seed: the same seed gives the same parts.
            group: name of an ``info`` entry; all frames of one value stay on the same side, and the share is met as
                nearly as whole groups in random order allow.

        Raises:
            DataError: the share is not between 0 and 1, there are fewer than two frames or groups, or a frame lacks
                the entry.
        """
        if not 0 < fraction < 1:
            raise DataError(f"The fraction of a split is {fraction}: give a number between 0 and 1, such as 0.9.")
        from mdfit.data.duplicates import groups_of_equal
        from mdfit.data.reference_energies import isolated_atoms

        units = groups_of_equal(self) if group is None else list(self.groups(group).values())
        isolated = {index for frames in isolated_atoms(self).values() for index in frames}
        fixed = [unit for unit in units if isolated.issuperset(unit)]
        units, fixed = (units, []) if len(units) < len(fixed) + 2 else ([u for u in units if u not in fixed], fixed)
        if len(units) < 2:
            what = "structure" if group is None else f"value of '{group}'"
            raise DataError(f"The data set has one {what} only, so it cannot be split: give more, or split otherwise.")
        order = np.random.default_rng(seed).permutation(len(units))
        sizes = np.cumsum([len(units[unit]) for unit in order])[:-1]
        cut = int(np.argmin(np.abs(sizes - fraction * sum(map(len, units))))) + 1
        parts = [[index for unit in part for index in units[unit]] for part in (order[:cut], order[cut:])]
        parts[0 if fraction >= 0.5 else 1] += [index for unit in fixed for index in unit]
        first, second = (self.select(sorted(part)) for part in parts)
        return first, second

    def composition(self) -> np.ndarray:
        """Number of atoms of each of :attr:`species` in each frame, float64[frames, species]."""
        columns = np.array(self.species)
        return np.array(
            [(frame.structure.species[:, None] == columns).sum(axis=0) for frame in self.frames], dtype=np.float64
        )

    def reference_energies(self) -> dict[int, float]:
        """Energy per element (eV per atom): of isolated atoms where there are, otherwise what fits best.

        A frame of one atom that is farther than 5 Å from its images fixes the energy of its element (several: their mean);
        the energies of the other elements fit the energies per atom by least squares. Frames without energy do not take
        part. When compositions do not determine the energies (all frames have the same composition, say), the solution
        of least norm is taken; without any energy all are 0.

        Returns:
            Energy for each atomic number of :attr:`species`.
        """
        from mdfit.data.reference_energies import reference_energies

        return reference_energies(self)

    def has_isolated_atoms(self) -> bool:
        """Whether a frame with an energy is one atom that does not meet its images."""
        from mdfit.data.reference_energies import isolated_atoms

        return bool(isolated_atoms(self))

    def energies(self) -> np.ndarray:
        """Total energies in eV, float64[frames], NaN where unknown."""
        return np.array([np.nan if frame.energy is None else frame.energy for frame in self.frames])

    def energy_residuals(self, reference: Mapping[int, float] | None = None) -> np.ndarray:
        """Energy per atom (eV) less that of the composition, float64[frames], NaN where unknown.

        Args:
            reference: energy for each atomic number; by default :meth:`reference_energies`.

        Raises:
            DataError: an element has no reference energy.
        """
        reference = self.reference_energies() if reference is None else reference
        missing = [number for number in self.species if number not in reference]
        if missing:
            raise DataError(f"No reference energy is given for the atomic number {missing[0]}: add it.")
        counts = self.composition()
        offsets = counts @ np.array([reference[number] for number in self.species])
        return (self.energies() - offsets) / counts.sum(axis=1)

    def force_rms(self) -> float:
        """Root mean square of the force components in eV/Å; NaN without forces."""
        return _root_mean_square([frame.forces for frame in self.frames if frame.forces is not None])

    def force_rms_per_species(self) -> dict[int, float]:
        """Root mean square of the force components on each element in eV/Å; NaN without forces."""
        return {
            number: _root_mean_square(
                [frame.forces[frame.structure.species == number] for frame in self.frames if frame.forces is not None]
            )
            for number in self.species
        }

    def check(self, cutoff: str | float | None = None) -> CheckReport:
        """Look for what commonly goes wrong in data sets: see :func:`mdfit.data.check.check`."""
        from mdfit.data.check import check

        return check(self, cutoff)


def _root_mean_square(arrays: list[np.ndarray]) -> float:
    values = np.concatenate([array.ravel() for array in arrays]) if arrays else np.zeros(0)
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
