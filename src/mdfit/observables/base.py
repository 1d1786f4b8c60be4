"""What an observable is: an instantaneous value and a way to combine its averages, or a function of a trajectory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.structure.conditions import EnsembleName


class Described:
    """What all kinds of observables tell of themselves.

    Attributes:
        unit: of the value.
        grid_unit: of the grid, empty without one.
        ensembles: in which it may be measured; empty for all.
        labels: names of the components, empty for scalars and curves.
        uses_velocities: whether the value depends on velocities, which overdamped dynamics does not have.
    """

    unit: ClassVar[str] = ""
    uses_velocities: ClassVar[bool] = False
    grid_unit: ClassVar[str] = ""
    ensembles: ClassVar[tuple[EnsembleName, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """For tables and messages."""
        return type(self).__name__

    def check(self, trajectory: Trajectory) -> None:
        """Raises ObservableError when the observable has no meaning for the trajectory."""
        if self.ensembles and trajectory.ensemble not in self.ensembles:
            raise ObservableError(
                f"{self.name} needs a simulation in the ensemble {' or '.join(self.ensembles)}, "
                f"but the trajectory was made in {trajectory.ensemble}; choose another sampler."
            )


class Observable(Described, ABC):
    """A function of averages of instantaneous values.

    Its value is ``combine(<per_snapshot(x)>)``; most observables are plain averages, whose ``combine`` changes nothing.
    Subclasses are frozen dataclasses, so that equal observables share one compiled program.

    Attributes:
        needs_stiffness: whether :meth:`per_snapshot` reads ``snapshot.stiffness``.
        needs_temperature_derivatives: whether it reads ``snapshot.temperature_derivatives``.

    Example:
        >>> from dataclasses import dataclass
        >>> from mdfit.observables import Observable
        >>> @dataclass(frozen=True)
        ... class Height(Observable):
        ...     unit = "Å"
        ...     def per_snapshot(self, snapshot):
        ...         return snapshot.positions[:, 2].mean()
        >>> Height().name, Height().shape, Height().is_plain_average
        ('Height', (), True)
    """

    needs_stiffness: ClassVar[bool] = False
    needs_temperature_derivatives: ClassVar[bool] = False

    @abstractmethod
    def per_snapshot(self, snapshot: Snapshot) -> jax.Array:
        """The instantaneous values; pure, so that it can be compiled, mapped and differentiated."""

    def combine(self, averages: jax.Array) -> jax.Array:
        """The physical quantity from the averages of :meth:`per_snapshot`; pure and differentiable."""
        return averages

    def warnings(self, averages: np.ndarray) -> tuple[str, ...]:
        """What is wrong with the averages of :meth:`per_snapshot`, in words; for what the error bar cannot tell."""
        return ()

    @property
    def is_plain_average(self) -> bool:
        """True when ``combine`` changes nothing."""
        return type(self).combine is Observable.combine

    @property
    def grid(self) -> np.ndarray | None:
        """Where the components of a curve are, in ``grid_unit``; None for scalars."""
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        if self.grid is not None:
            return (len(self.grid),)
        return (len(self.labels),) if self.labels else ()

    @property
    def remedy(self) -> str:
        """What to do when a value is not finite."""
        return "look at the frame before this one"


class TrajectoryObservable(Described, ABC):
    """A quantity that needs the order of the frames: correlations in time.

    Example:
        >>> from mdfit.observables import MeanSquareDisplacement, TrajectoryObservable
        >>> isinstance(MeanSquareDisplacement(max_lag="1 ps"), TrajectoryObservable)
        True
    """

    @abstractmethod
    def of_trajectory(self, trajectory: Trajectory) -> np.ndarray:
        """The value, averaged over time origins and replicas."""

    @abstractmethod
    def shortest_block(self, trajectory: Trajectory) -> int:
        """Frames that a part of the trajectory must have to give a value with little bias."""

    def grid_of(self, trajectory: Trajectory) -> np.ndarray | None:
        """Where the components of a curve are, in ``grid_unit``; None for scalars."""
        return None


def require_periodic(name: str, trajectory: Trajectory) -> None:
    """Raises ObservableError when the trajectory has no volume."""
    if not np.all(trajectory.periodic):
        raise ObservableError(f"{name} needs a volume, but the structure is not periodic in all three directions.")


def require_stiffness(name: str, snapshot: Snapshot) -> Float[Array, "3 3 3 3"]:
    """The stiffness of a snapshot; raises ObservableError when it has none."""
    if snapshot.stiffness is None:
        raise ObservableError(
            f"{name} needs the second derivative of the energy with respect to strain, which trajectories do not hold; "
            "give the potential of the simulation as well: estimate(observable, trajectory, potential=potential)."
        )
    return snapshot.stiffness
