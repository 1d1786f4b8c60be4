"""Mapped frames of a finer model at one temperature: what a coarse-grained model should reproduce."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdfit.data import Dataset, Frames
from mdfit.errors import TrainingError
from mdfit.reweighting import Starts
from mdfit.simulate import StatePoint, Trajectory
from mdfit.structure import Conditions
from mdfit.units import quantity


@dataclass(frozen=True, eq=False)
class MappedEnsemble:
    """Frames of a reference simulation on the beads of the model; make them with :meth:`of`.

    Attributes:
        frames: of the beads; their conditions tell the temperature.
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

    frames: Frames
    strata: np.ndarray

    @classmethod
    def of(
        cls, frames: Frames | Dataset, temperature: float | str | None = None, strata: np.ndarray | None = None
    ) -> MappedEnsemble:
        """The frames of a mapped simulation or of a data set, whose labels do not matter.

        Args:
            frames: all of the same beads.
            temperature: of the simulation that made them, in K; by default that of the frames.
            strata: a number from 0 for each frame, like that of its basin.

        Raises:
            TrainingError: strata that do not fit the frames, or a temperature that is unknown.
            DataError: structures of different beads.
        """
        frames = Frames.of_structures([one.structure for one in frames]) if isinstance(frames, Dataset) else frames
        kelvin = frames.temperature if temperature is None else quantity(temperature, "K", "temperature")
        if kelvin is None:
            raise TrainingError("The frames of the reference do not tell their temperature: give it in K.")
        numbers = np.zeros(len(frames), np.int64) if strata is None else np.asarray(strata, np.int64)
        present = np.unique(numbers)
        if numbers.shape != (len(frames),) or not np.array_equal(present, np.arange(len(present))):
            raise TrainingError(
                f"Strata are one number for each of the {len(frames)} frames, from 0 without gaps; those given have the "
                f"shape {numbers.shape} and the values {present.tolist()[:10]}."
            )
        conditions = Conditions(temperature=float(kelvin))
        kept = dataclasses.replace(frames, conditions=conditions, forces=None, energies=None, times=None, source=None)
        return cls(kept, numbers)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def state_point(self) -> StatePoint:
        """The first frame at the temperature of all."""
        return StatePoint(self.frames.structure(0), self.frames.temperature or 0.0)

    def trajectory(self, frames: np.ndarray, dtype: Any) -> Trajectory:
        """Some of the frames; energies, stresses and velocities are not known: NaN."""
        chosen = self.frames.select(frames)
        return Trajectory.of_frames(dataclasses.replace(chosen, positions=chosen.positions.astype(dtype)))

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
        return Starts(self.frames.positions[chosen], self.frames.cells[chosen], log_shares)
