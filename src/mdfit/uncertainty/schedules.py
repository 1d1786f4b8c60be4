"""Step sizes of chains, and which of their states are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from mdfit.errors import TrainingError


class Schedule(ABC):
    """The step size ε of every step of a chain.

    Example:
        >>> import numpy as np
        >>> from mdfit.uncertainty import Schedule
        >>> class Halving(Schedule):
        ...     def sizes(self, steps):
        ...         return 0.5 ** np.arange(steps)
        >>> Halving().sizes(3).tolist(), Halving().may_keep(3).tolist()
        ([1.0, 0.5, 0.25], [True, True, True])
    """

    @abstractmethod
    def sizes(self, steps: int) -> np.ndarray:
        """``(steps,)``."""

    def may_keep(self, steps: int) -> np.ndarray:
        """``(steps,)``: which states may be samples, burn-in apart."""
        return np.ones(steps, bool)


@dataclass(frozen=True)
class ConstantSteps(Schedule):
    """The same size throughout.

    Example:
        >>> from mdfit.uncertainty import ConstantSteps
        >>> ConstantSteps(1e-3).sizes(2).tolist()
        [0.001, 0.001]
    """

    size: float

    def __post_init__(self) -> None:
        _check(self.size)

    def sizes(self, steps: int) -> np.ndarray:
        return np.full(steps, self.size)


@dataclass(frozen=True)
class RisingSteps(Schedule):
    """Short steps first, which grow in a geometric progression to the size of all later ones; nothing is kept before.

    For Hamiltonian dynamics whose steps fit the top of the posterior: where chains start, it may be much narrower.

    Attributes:
        first: size of the first step.
        last: size of the later ones.
        over: steps until then.

    Example:
        >>> from mdfit.uncertainty import RisingSteps
        >>> RisingSteps(0.25, 1.0, over=2).sizes(4).tolist(), RisingSteps(0.25, 1.0, over=2).may_keep(4).tolist()
        ([0.25, 0.5, 1.0, 1.0], [False, False, True, True])
    """

    first: float
    last: float
    over: int

    def __post_init__(self) -> None:
        _check(self.first, self.last)
        if self.last < self.first or self.over < 1:
            raise TrainingError(
                f"Rising steps grow from the first to the last over one step or more, not from {self.first} to {self.last} "
                f"over {self.over}; for steps of one size take ConstantSteps."
            )

    def sizes(self, steps: int) -> np.ndarray:
        part = np.minimum(np.arange(steps) / self.over, 1.0)
        return self.first * (self.last / self.first) ** part

    def may_keep(self, steps: int) -> np.ndarray:
        return np.arange(steps) >= self.over


@dataclass(frozen=True)
class PolynomialSteps(Schedule):
    """ε_t = a (b + t)^(−γ), from the first to the last size.

    M. Welling, Y. W. Teh, ICML 2011, 681.

    Example:
        >>> from mdfit.uncertainty import PolynomialSteps
        >>> PolynomialSteps(1e-2, 1e-3).sizes(3).round(5).tolist()
        [0.01, 0.00126, 0.001]
    """

    first: float
    last: float
    power: float = 0.33

    def __post_init__(self) -> None:
        _check(self.first, self.last)
        if self.last >= self.first or not 0 < self.power <= 1:
            raise TrainingError(
                f"Polynomial step sizes fall from the first to the last with a power of 0 to 1, not from {self.first} to "
                f"{self.last} with {self.power}; for steps of one size take ConstantSteps."
            )

    def sizes(self, steps: int) -> np.ndarray:
        inverse = -1 / self.power
        slope = (self.last**inverse - self.first**inverse) / max(steps - 1, 1)
        return (self.first**inverse + slope * np.arange(steps)) ** (-self.power)


@dataclass(frozen=True)
class CyclicalSteps(Schedule):
    """ε_t = ε₀/2 (cos π r + 1) in cycles, r being the part of a cycle that is over: each explores first and samples then.

    R. Zhang et al., ICLR 2020, arXiv:1902.03932.

    Attributes:
        first: ε₀.
        cycles: how many.
        exploration: the part of each cycle from which nothing is kept.

    Example:
        >>> from mdfit.uncertainty import CyclicalSteps
        >>> CyclicalSteps(1.0, cycles=2, exploration=0.5).sizes(4).round(3).tolist()
        [1.0, 0.5, 1.0, 0.5]
    """

    first: float
    cycles: int
    exploration: float = 0.8

    def __post_init__(self) -> None:
        _check(self.first)
        if self.cycles < 1 or not 0 <= self.exploration < 1:
            raise TrainingError(
                f"Cycles are at least one, with a part of 0 to 1 for exploration, not {self.cycles} and {self.exploration}."
            )

    def _part(self, steps: int) -> np.ndarray:
        length = -(-steps // self.cycles)
        return (np.arange(steps) % length) / length

    def sizes(self, steps: int) -> np.ndarray:
        return 0.5 * self.first * (np.cos(np.pi * self._part(steps)) + 1)

    def may_keep(self, steps: int) -> np.ndarray:
        return self._part(steps) >= self.exploration


def thinned(schedule: Schedule, steps: int, burn_in: int, keep: int, seed: int) -> np.ndarray:
    """The steps whose states are kept, ``(keep,)`` in order: drawn with probabilities in proportion to ε_t.

    So that all kept states have the same weight, although long steps tell more than short ones.

    Raises:
        TrainingError: when burn-in leaves too few states.
    """
    if not 0 <= burn_in < steps:
        raise TrainingError(f"A burn-in of {burn_in} steps leaves nothing of a chain of {steps}; take longer chains.")
    candidates = np.flatnonzero(schedule.may_keep(steps) & (np.arange(steps) >= burn_in))
    if not 1 <= keep <= len(candidates):
        raise TrainingError(
            f"{keep} samples are wanted of each chain, but there are {len(candidates)} states to choose from."
        )
    sizes = schedule.sizes(steps)[candidates]
    chosen = np.random.default_rng([seed, steps]).choice(candidates, keep, replace=False, p=sizes / sizes.sum())
    return np.sort(chosen)


def _check(*sizes: float) -> None:
    for size in sizes:
        if not 0 < size < np.inf:
            raise TrainingError(f"A step size is a number above 0, not {size}.")
