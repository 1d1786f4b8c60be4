"""What a program that moves atoms offers: an engine begins simulations, and a simulation advances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from mdfit.errors import SimulationError
from mdfit.progress import Bar
from mdfit.simulate.samplers import Sampler
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import Particles
from mdfit.structure import Structure

#: Arrays of one moment under the names of :class:`mdfit.simulate.Trajectory`, ``(replicas, ...)`` each.
Frame = dict[str, np.ndarray]


class Simulation(ABC):
    """The replicas of one or several state points, under way in an engine.

    Replicas of the first state point come first.

    Attributes:
        particles: what is recorded of them, and does not change.
        done: time steps so far.

    Example:
        >>> from mdfit import StatePoint, Structure
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.simulate import JaxMD, Langevin
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]], masses=40.0)
        >>> simulation = JaxMD().simulation(LennardJones(), [StatePoint(dimer, "100 K")], Langevin("1 fs"), [dimer])
        >>> simulation.done, simulation.particles.number
        (0, 2)
    """

    particles: Particles
    done: int = 0

    @abstractmethod
    def begin(self, key: jax.Array) -> None:
        """Gives the atoms velocities, unless the starts have some; the key is that of velocities and noise."""

    @abstractmethod
    def advance(self, steps: int, bar: Bar) -> None:
        """Does time steps, counted in ``done`` and shown on the bar.

        Raises:
            SimulationError: the dynamics explodes.
        """

    @abstractmethod
    def frame(self) -> Frame:
        """The present positions, cells and potential energies, and what else of a trajectory the engine knows.

        Raises:
            SimulationError: what it finds is not physical.
        """

    @abstractmethod
    def checkpoint(self) -> Any:
        """A tree of arrays, all that the following steps depend on."""

    @abstractmethod
    def restore(self, arrays: dict[str, np.ndarray], source: Path) -> None:
        """Goes on from a :meth:`checkpoint`, with or without having begun.

        Args:
            arrays: of the tree, by their paths in it.
            source: their file, for messages.

        Raises:
            CheckpointError: for arrays that belong to another simulation, or that no simulation can have.
        """


class Engine(ABC):
    """A program that realises samplers: settings only, nothing that runs.

    A new engine is shown to be sound by :func:`mdfit.testing.check_engine`.

    Attributes:
        name: in messages, and in the restart files of its runs.

    Example:
        >>> from mdfit.simulate import Engine, JaxMD
        >>> isinstance(JaxMD(), Engine)
        True
        >>> sorted(Engine.__abstractmethods__)
        ['fingerprint', 'number_format', 'simulation']
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def number_format(self) -> str:
        """Of recorded positions, ``"float32"`` or ``"float64"``."""

    @abstractmethod
    def simulation(
        self, system: Any, state_points: Sequence[StatePoint], sampler: Sampler, starts: Sequence[Structure]
    ) -> Simulation:
        """A simulation that has not yet begun.

        Args:
            system: what makes the forces, a potential or a system of the program.
            state_points: of the same atoms.
            sampler: of all.
            starts: of every replica, as many for each state point.

        Raises:
            SimulationError: for samplers, systems, state points or starts that the engine cannot simulate.
        """

    @abstractmethod
    def fingerprint(self, system: Any) -> str:
        """A digest of what makes the forces, by which a run that goes on knows it again."""

    def cannot(self, sampler: Sampler, possible: Sequence[type]) -> SimulationError:
        """The error for a sampler that the engine does not know."""
        return SimulationError(
            f"{self.name} does not simulate {type(sampler).__name__}: choose "
            f"{', '.join(one.__name__ for one in possible)}, or another engine."
        )
