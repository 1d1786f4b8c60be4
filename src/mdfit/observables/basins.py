"""Populations of basins, regions of one or several collective variables."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.collective_variables import CollectiveVariable
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import quantity


@dataclass(frozen=True)
class Interval:
    """Values of a collective variable from ``minimum``, included, to ``maximum``.

    Dihedral angles are counted on a ring: from 120° to −120° goes through 180°.

    Args:
        collective_variable: such as ``Dihedral(1, 3, 4, 6)``.
        minimum, maximum: in the unit of the variable, or strings such as ``"-120 deg"``.

    Raises:
        ObservableError: for an interval that holds no value.
        UnitError: for a quantity of another dimension.

    Example:
        >>> from mdfit.observables import Dihedral, Interval
        >>> trans = Interval(Dihedral(1, 3, 4, 6), "120 deg", "-120 deg")
        >>> round(trans.minimum, 3), round(trans.maximum, 3)
        (2.094, -2.094)
    """

    collective_variable: CollectiveVariable
    minimum: float | str
    maximum: float | str

    def __post_init__(self) -> None:
        variable = self.collective_variable
        if not isinstance(variable, CollectiveVariable):
            raise ObservableError(
                f"An interval is of a collective variable, such as Coordinate(0), not of {variable!r}."
            )
        for name in ("minimum", "maximum"):
            object.__setattr__(self, name, quantity(getattr(self, name), variable.unit, name))
        # The edges of a ring may be given in any turn.
        wraps = variable.period is not None and abs(self.maximum - self.minimum) <= variable.period * (1 + 1e-9)  # type: ignore[operator]
        if self.minimum == self.maximum or (self.minimum > self.maximum and not wraps):  # type: ignore[operator]
            raise ObservableError(
                f"The interval of {variable.name} from {self.minimum} to {self.maximum} {variable.unit} holds no value; "
                "give a minimum below the maximum."
            )
        if variable.period is not None and not wraps:
            raise ObservableError(
                f"The interval of {variable.name} from {self.minimum} to {self.maximum} {variable.unit} is longer than the "
                f"period of {variable.period:.6g}; shorten it."
            )

    def contains(self, snapshot: Snapshot) -> Bool[Array, " tuples"]:
        """Whether the variable of each tuple of atoms lies in the interval."""
        low, high, period = float(self.minimum), float(self.maximum), self.collective_variable.period
        values = self.collective_variable.values(snapshot).astype(jnp.float64)
        if period is None:
            return (values >= low) & (values < high)
        length = high - low if high > low else high - low + period
        return jnp.mod(values - low, period) < length


@dataclass(frozen=True)
class Basin:
    """A region where all of several collective variables lie in their intervals, with a name.

    Args:
        name: for tables.
        intervals: one or several; all of as many tuples of atoms.

    Raises:
        ObservableError: for a basin without intervals.

    Example:
        >>> from mdfit.observables import Basin, Dihedral, Interval
        >>> phi, psi = Dihedral(4, 6, 8, 14), Dihedral(6, 8, 14, 16)
        >>> helix = Basin("helix", (Interval(phi, "-160 deg", "-20 deg"), Interval(psi, "-120 deg", "50 deg")))
        >>> helix.name, len(helix.intervals)
        ('helix', 2)
    """

    name: str
    intervals: tuple[Interval, ...]

    def __post_init__(self) -> None:
        listed = (self.intervals,) if isinstance(self.intervals, Interval) else tuple(self.intervals)
        if not listed or not all(isinstance(one, Interval) for one in listed):
            raise ObservableError(f"The basin {self.name!r} needs at least one Interval.")
        object.__setattr__(self, "intervals", listed)

    def contains(self, snapshot: Snapshot) -> Bool[Array, " tuples"]:
        """Whether each tuple of atoms is in the basin."""
        inside = [interval.contains(snapshot) for interval in self.intervals]
        if len({len(one) for one in inside}) > 1:
            raise ObservableError(
                f"The basin {self.name!r} joins variables of different numbers of tuples of atoms; give as many for each."
            )
        return jnp.all(jnp.stack(inside), axis=0)


@dataclass(frozen=True)
class BasinPopulations(Observable):
    """The probability of each of several basins, averaged over the tuples of atoms of its variables.

    Basins may overlap and need not cover all values.  A basin that no frame has visited is given as 0 without error, and
    one that no frame has left as 1, with a warning: the population is then nearer to it than about three over the number
    of independent samples of the others.

    Args:
        basins: with different names.

    Raises:
        ObservableError: without basins, or for two of one name.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import Basin, BasinPopulations, Coordinate, Interval, per_frame
        >>> from mdfit.simulate import Trajectory
        >>> frames = Frames([1], [1.0], [[[x, 0, 0]] for x in (-1, 1, 2, 1)], np.zeros((3, 3)), [False] * 3)
        >>> left, right = (Interval(Coordinate(0), -3.0, 0.0), Interval(Coordinate(0), 0.0, 3.0))
        >>> populations = BasinPopulations((Basin("left", (left,)), Basin("right", (right,))))
        >>> per_frame(populations, Trajectory.of_frames(frames, temperature=300.0)).mean((0, 1)).tolist()
        [0.25, 0.75]
    """

    basins: tuple[Basin, ...]

    def __post_init__(self) -> None:
        listed = (self.basins,) if isinstance(self.basins, Basin) else tuple(self.basins)
        if not listed or not all(isinstance(one, Basin) for one in listed):
            raise ObservableError(
                "Populations are of basins: BasinPopulations((Basin('alpha', (Interval(...),)), ...))."
            )
        if len({basin.name for basin in listed}) < len(listed):
            raise ObservableError("Two basins have the same name; rename one.")
        object.__setattr__(self, "basins", listed)

    @property
    def labels(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(basin.name for basin in self.basins)

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        for basin in self.basins:
            for interval in basin.intervals:
                interval.collective_variable.check(trajectory, interval.maximum)  # type: ignore[arg-type]

    def warnings(self, averages: np.ndarray) -> tuple[str, ...]:
        never = [basin.name for basin, average in zip(self.basins, averages, strict=True) if average == 0]
        always = [basin.name for basin, average in zip(self.basins, averages, strict=True) if average == 1]
        return tuple(
            f"no frame has {what} {', '.join(names)}, so that this population has no error bar; simulate longer"
            for what, names in (("visited", never), ("left", always))
            if names
        )

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " basins"]:
        return jnp.stack([jnp.mean(basin.contains(snapshot), dtype=jnp.float64) for basin in self.basins])
