"""Mapped frames of a finer model at one temperature: what a coarse-grained model should reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.reweighting import Starts
from mdfit.simulate import StatePoint, Trajectory


@dataclass(frozen=True, eq=False)
class MappedEnsemble:
    """Frames of a reference simulation on the beads of the model; make them with :meth:`of`.

    Attributes:
        state_point: one structure (species, masses, periodicity) and the temperature.
        positions: ``(frames, beads, 3)`` in Å.
        cells: ``(frames, 3, 3)`` in Å.
        strata: ``(frames,)`` number of the region of each frame, from 0; chains can be spread evenly over the regions.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import MappedEnsemble
        >>> dimers = [Structure.in_open_space([[0, 0, 0], [0, 0, z]]) for z in (1.1, 1.2, 1.3)]
        >>> reference = MappedEnsemble.of(Dataset([LabelledStructure(dimer) for dimer in dimers]), "300 K")
        >>> len(reference), reference.state_point.temperature
        (3, 300.0)
    """

    state_point: StatePoint
    positions: np.ndarray
    cells: np.ndarray
    strata: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, temperature: float | str, strata: np.ndarray | None = None) -> MappedEnsemble:
        """The frames of a data set, whose labels do not matter.

        Args:
            dataset: mapped structures, all of the same beads.
            temperature: of the simulation that made them, in K.
            strata: a number from 0 for each frame, like that of its basin.

        Raises:
            TrainingError: frames of different beads, or strata that do not fit them.
        """
        structures = [frame.structure for frame in dataset]
        first = structures[0]
        for index, other in enumerate(structures):
            if not (np.array_equal(other.species, first.species) and np.array_equal(other.periodic, first.periodic)):
                raise TrainingError(
                    f"Frame {index} of the reference has other beads or another periodicity than frame 0; relative "
                    "entropy compares ensembles of one system: use one data set for each."
                )
        numbers = np.zeros(len(dataset), np.int64) if strata is None else np.asarray(strata, np.int64)
        present = np.unique(numbers)
        if numbers.shape != (len(dataset),) or not np.array_equal(present, np.arange(len(present))):
            raise TrainingError(
                f"Strata are one number for each of the {len(dataset)} frames, from 0 without gaps; those given have the "
                f"shape {numbers.shape} and the values {present.tolist()[:10]}."
            )
        return cls(
            state_point=StatePoint(first, temperature),
            positions=np.stack([s.positions for s in structures]),
            cells=np.stack([s.cell for s in structures]),
            strata=numbers,
        )

    def __len__(self) -> int:
        return len(self.positions)

    def trajectory(self, frames: np.ndarray, dtype: Any) -> Trajectory:
        """Some of the frames; energies, stresses and velocities are not known: NaN."""
        structure = self.state_point.structure
        number = len(frames)
        return Trajectory(
            times=np.arange(1.0, number + 1),
            positions=self.positions[None, frames].astype(dtype),
            velocities=np.full((1, number, structure.number_of_atoms, 3), np.nan, dtype),
            cells=self.cells[None, frames],
            potential_energies=np.full((1, number), np.nan),
            stresses=np.full((1, number, 3, 3), np.nan),
            species=structure.species,
            masses=structure.masses,
            periodic=structure.periodic,
            degrees_of_freedom=3 * structure.number_of_atoms,
            ensemble="NVT",
            temperature=self.state_point.temperature,
            pressure=None,
            timestep=1.0,
        )

    def starts(self, generator: np.random.Generator, chains: int, stratified: bool) -> Starts:
        """Frames drawn for the chains.

        Stratified, every region gets the same number of chains (the larger regions those that are left over), each of
        which then stands for its part of the region's share of the reference.
        """
        shares = np.bincount(self.strata) / len(self) if stratified else np.ones(1)
        if chains < len(shares):
            raise TrainingError(
                f"{chains} chains cannot start in all {len(shares)} regions; use at least one for each."
            )
        numbers = np.full(len(shares), chains // len(shares))
        numbers[np.argsort(-shares, kind="stable")[: chains % len(shares)]] += 1
        members = [np.flatnonzero(self.strata == k) if stratified else np.arange(len(self)) for k in range(len(shares))]
        chosen = np.concatenate(
            [generator.choice(m, n, replace=len(m) < n) for m, n in zip(members, numbers, strict=True)]
        )
        log_shares = np.log(np.repeat(shares / numbers, numbers))
        return Starts(self.positions[chosen], self.cells[chosen], log_shares)
