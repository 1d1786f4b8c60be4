"""Densities of collective variables."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.collective_variables import CollectiveVariable
from mdfit.observables.pairs import histogram
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory
from mdfit.units import quantity


@dataclass(frozen=True)
class Distribution(Observable):
    """Probability density of a collective variable, averaged over its tuples of atoms, at the centres of equal bins.

    Its integral over all values is 1; what lies outside the range is missing from the integral over the range.

    Args:
        collective_variable: such as ``Dihedral(4, 6, 8, 14)`` or ``Coordinate(0)``.
        minimum, maximum: edges of the range in the unit of the variable, or strings such as ``"-180 deg"``; by default
            the natural range of angles.  For values on a grid from a to b, both included, take half a bin more on
            either side.
        bins: of equal width.
        smearing: standard deviation of a Gaussian instead of a plain histogram, evaluated at the centres of the bins
            and cut at five standard deviations, which makes the density differentiable with respect to positions.
        periodic: whether the range repeats; by default for dihedral angles over their full range.

    Raises:
        ObservableError: for parameters out of range.
        UnitError: for a quantity of another dimension.

    Example:
        >>> from mdfit.observables import Dihedral, Distribution
        >>> phi = Distribution(Dihedral(4, 6, 8, 14), bins=4)
        >>> phi.unit, phi.periodic, phi.grid.round(3).tolist()
        ('1/rad', True, [-2.356, -0.785, 0.785, 2.356])
    """

    collective_variable: CollectiveVariable
    minimum: float | str | None = None
    maximum: float | str | None = None
    bins: int = 100
    smearing: float | str | None = None
    periodic: bool | None = None

    def __post_init__(self) -> None:
        variable = self.collective_variable
        if not isinstance(variable, CollectiveVariable):
            raise ObservableError(
                f"A distribution is of a collective variable, such as Coordinate(0), not of {variable!r}."
            )
        low, high = (self._edge(index) for index in (0, 1))
        object.__setattr__(self, "minimum", low)
        object.__setattr__(self, "maximum", high)
        if self.smearing is not None:
            object.__setattr__(self, "smearing", quantity(self.smearing, variable.unit, "smearing"))
        if not (low < high and self.bins >= 1 and (self.smearing is None or self.smearing > 0)):  # type: ignore[operator]
            raise ObservableError(
                "A distribution needs maximum > minimum, at least one bin and a positive smearing (or None)."
            )
        full = variable.period is not None and np.isclose(high - low, variable.period, rtol=1e-6)
        if self.periodic is None:
            object.__setattr__(self, "periodic", bool(full))
        if self.periodic and variable.period is not None and not full:
            raise ObservableError(
                f"A periodic distribution of {variable.name} must span its period of {variable.period:.6g} "
                f"{variable.unit}, but spans {high - low:.6g}; change the range."
            )

    def _edge(self, index: int) -> float:
        name = ("minimum", "maximum")[index]
        given, variable = getattr(self, name), self.collective_variable
        if given is None and variable.natural_range is None:
            raise ObservableError(
                f"A distribution of {variable.name} needs a {name}, since any value is possible; give one."
            )
        return variable.natural_range[index] if given is None else quantity(given, variable.unit, name)  # type: ignore[index]

    @property
    def name(self) -> str:
        return f"{type(self).__name__} {self.collective_variable.name}"

    @property
    def unit(self) -> str:  # type: ignore[override]
        return f"1/{self.collective_variable.unit}"

    @property
    def grid_unit(self) -> str:  # type: ignore[override]
        return self.collective_variable.unit

    @property
    def grid(self) -> np.ndarray:
        """Centres of the bins."""
        return self.minimum + (np.arange(self.bins) + 0.5) * self.bin_width  # type: ignore[operator]

    @property
    def bin_width(self) -> float:
        """In the unit of the variable."""
        return (self.maximum - self.minimum) / self.bins  # type: ignore[operator]

    def check(self, trajectory: Trajectory) -> None:
        super().check(trajectory)
        self.collective_variable.check(trajectory, self.maximum)  # type: ignore[arg-type]

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, " bins"]:
        values = self.values(snapshot)
        weights = jnp.full(values.shape, 1 / (values.size * self.bin_width), values.dtype)
        return histogram(values, weights, self.bins, self.bin_width, self.smearing, bool(self.periodic))  # type: ignore[arg-type]

    def kernels(self, snapshot: Snapshot) -> Float[Array, "tuples bins"]:
        """What every tuple alone adds to the density: one histogram each."""
        weight = jnp.full(1, 1 / self.bin_width)

        def alone(value: Float[Array, ""]) -> Float[Array, " bins"]:
            return histogram(value[None], weight, self.bins, self.bin_width, self.smearing, bool(self.periodic))  # type: ignore[arg-type]

        return jax.vmap(alone)(self.values(snapshot))

    def values(self, snapshot: Snapshot) -> Float[Array, " tuples"]:
        """The variable of every tuple above ``minimum``; within one period where the variable repeats."""
        values = self.collective_variable.values(snapshot).astype(jnp.float64) - self.minimum  # type: ignore[operator]
        period = self.collective_variable.period
        if self.periodic:
            period = self.maximum - self.minimum  # type: ignore[operator]
        return values if period is None else jnp.mod(values, period)


@dataclass(frozen=True)
class JointDistribution(Observable):
    """Probability density of two collective variables, such as the dihedral angles of a Ramachandran plot.

    The value is of shape ``(first.bins, second.bins)``.

    Args:
        first, second: the distribution of each variable, for as many tuples of atoms.

    Raises:
        ObservableError: when the arguments are no distributions.

    Example:
        >>> from mdfit.observables import Dihedral, Distribution, JointDistribution
        >>> phi, psi = (Distribution(Dihedral(*atoms), bins=60) for atoms in ((4, 6, 8, 14), (6, 8, 14, 16)))
        >>> ramachandran = JointDistribution(phi, psi)
        >>> ramachandran.shape, ramachandran.unit
        ((60, 60), '1/rad^2')
    """

    first: Distribution
    second: Distribution

    def __post_init__(self) -> None:
        if not (isinstance(self.first, Distribution) and isinstance(self.second, Distribution)):
            raise ObservableError(
                "A joint distribution is of two distributions: JointDistribution(Distribution(...), ...)."
            )

    @property
    def name(self) -> str:
        return f"Distribution {self.first.collective_variable.name} × {self.second.collective_variable.name}"

    @property
    def unit(self) -> str:  # type: ignore[override]
        one, other = self.first.grid_unit, self.second.grid_unit
        return f"1/{one}^2" if one == other else f"1/{one}/{other}"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first.bins, self.second.bins

    def check(self, trajectory: Trajectory) -> None:
        self.first.check(trajectory)
        self.second.check(trajectory)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "first_bins second_bins"]:
        one, other = self.first.kernels(snapshot), self.second.kernels(snapshot)
        if len(one) != len(other):
            raise ObservableError(
                f"{self.name} pairs {len(one)} values with {len(other)}; give as many tuples of atoms for both."
            )
        return one.T @ other / len(one)
