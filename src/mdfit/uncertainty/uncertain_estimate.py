"""A value with two error bars: the statistical one of the simulation, and the one of the potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mdfit.errors import ObservableError
from mdfit.observables.estimate import with_error
from mdfit.uncertainty.intervals import prediction_factor

#: How the values of members were found.
Method = Literal["simulations", "reweighting", "first order"]


@dataclass(frozen=True, eq=False)
class UncertainEstimate:
    """What the members of a set of potentials say of an observable.

    Attributes:
        name: of the observable.
        value: the weighted mean over the members, in ``unit``; of shape ``()`` for scalars.
        statistical_error: standard error of the value from the lengths of the simulations.
        potential_error: standard deviation of the members, less what statistical errors add to it.
        members: ``(members, *shape)``, of those whose simulations held.
        weights: ``(members,)`` of these, of sum 1.
        method: by simulations of each, by reweighting one trajectory, or by its first-order expansion.
        unit: of the value; empty for plain numbers.
        labels: names of the components, empty for scalars and curves.
        grid: where the components of a curve are, in ``grid_unit``; None for scalars.
        grid_unit: of the grid.
        exploded: members whose simulations exploded; nothing of them is in the numbers.
        warnings: why an error bar may be wrong, in words; empty when all is well.

    Example:
        >>> import numpy as np
        >>> from mdfit.uncertainty import UncertainEstimate
        >>> density = np.array([0.97, 0.99, 1.00, 1.04])
        >>> found = UncertainEstimate.of("density", density, np.full(4, 0.01), unit="g/cm³", independent=True)
        >>> print(found)
        1.0000 ± 0.0050 (simulation) ± 0.028 (potential) g/cm³, by simulations of 4 members
        >>> [float(end.round(2)) for end in found.interval()]
        [0.9, 1.1]
    """

    name: str
    value: np.ndarray
    statistical_error: np.ndarray
    potential_error: np.ndarray
    members: np.ndarray
    weights: np.ndarray
    method: Method
    unit: str = ""
    labels: tuple[str, ...] = ()
    grid: np.ndarray | None = None
    grid_unit: str = ""
    exploded: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        members: np.ndarray,
        errors: np.ndarray,
        *,
        independent: bool,
        weights: np.ndarray | None = None,
        statistical_error: np.ndarray | None = None,
        method: Method = "simulations",
        unit: str = "",
        labels: tuple[str, ...] = (),
        grid: np.ndarray | None = None,
        grid_unit: str = "",
        exploded: tuple[int, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> UncertainEstimate:
        """From the values of members.

        Args:
            name: of the observable.
            members: ``(members, *shape)``.
            errors: statistical errors of ``members``, of their shape: of each value where simulations are independent, of
                its difference from the mean where all come from one trajectory.
            independent: which of the two.
            weights: ``(members,)``, equal when left out.
            statistical_error: of the mean, where members are not independent.
            method: see the attribute, as for all that follows.
            unit: see there.
            labels: see there.
            grid: see there.
            grid_unit: see there.
            exploded: see there.
            warnings: see there.

        Raises:
            ObservableError: for fewer than two members with a weight, or dependent members without an error of their mean.
        """
        members, errors = np.asarray(members, np.float64), np.asarray(errors, np.float64)
        if len(members) < 2:
            raise ObservableError(
                f"{name} is known of {len(members)} member of the set, which says nothing of the potential's error; two or "
                f"more have to hold{f' ({len(exploded)} exploded)' if exploded else ''}."
            )
        share = np.full(len(members), 1 / len(members)) if weights is None else np.asarray(weights) / np.sum(weights)
        value = np.tensordot(share, members, axes=1)
        effective = 1 / np.sum(share**2)
        if not effective > 1 + 1e-9:
            raise ObservableError(
                f"{name}: all weight is on one member of the set, which says nothing of the potential's error"
                f"{f' ({len(exploded)} exploded)' if exploded else ''}."
            )
        scatter = np.tensordot(share, (members - value) ** 2, axes=1) * effective / (effective - 1)
        noise = np.tensordot(share, errors**2, axes=1)
        if independent:
            statistical_error = np.sqrt(np.tensordot(share**2, errors**2, axes=1))
        else:
            # Differences from the mean scatter less than members do, as in the scatter itself.
            noise = noise * effective / (effective - 1)
        if statistical_error is None:
            raise ObservableError(f"{name}: the error of a mean over one trajectory has to be given.")
        varying = np.isfinite(scatter) & (scatter > 0)
        if varying.any() and np.median((noise / np.where(varying, scatter, 1))[varying]) > 1 / 2:
            warnings += (
                "statistical errors are most of what members differ by, so that the potential's error is hardly known; "
                "simulate longer",
            )
        if exploded:
            warnings += (
                f"{len(exploded)} of {len(exploded) + len(members)} members exploded (members "
                f"{', '.join(map(str, exploded))}); the error bars are those of the others, and likely too small",
            )
        return cls(
            name=name,
            value=value,
            statistical_error=np.asarray(statistical_error),
            potential_error=np.sqrt(np.maximum(scatter - noise, 0.0)),
            members=members,
            weights=share,
            method=method,
            unit=unit,
            labels=labels,
            grid=grid,
            grid_unit=grid_unit,
            exploded=exploded,
            warnings=warnings,
        )

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the interval that holds the truth with this probability, as far as the potential can know it.

        Half its width is the root of the squared sum of t √(1 + 1/S) times the potential's error (Student's t for S
        members) and of the normal quantile times the statistical error.
        """
        from scipy import stats

        of_potential = prediction_factor(1 / float(np.sum(self.weights**2)), level) * self.potential_error
        half = np.hypot(of_potential, stats.norm.ppf((1 + level) / 2) * self.statistical_error)
        return self.value - half, self.value + half

    def holds(self, truth: np.ndarray | float, level: float = 0.95) -> np.ndarray:
        """Whether the interval holds the truth, for each number."""
        low, high = self.interval(level)
        return (np.asarray(truth) >= low) & (np.asarray(truth) <= high)

    @property
    def total_error(self) -> np.ndarray:
        """Both errors together, as independent ones."""
        return np.hypot(self.statistical_error, self.potential_error)

    def __str__(self) -> str:
        how = {"simulations": "simulations of", "reweighting": "reweighting to", "first order": "first order in"}
        text = f"{self._text}, by {how[self.method]} {len(self.members)} members"
        return "; ".join([text, *(f"warning: {warning}" for warning in self.warnings)])

    @property
    def _text(self) -> str:
        if self.value.ndim == 0:
            return self._element(())
        if self.grid is not None or self.value.ndim > 1:
            known = np.where(np.isfinite(self.value), self.value, -np.inf)
            place = tuple(int(i) for i in np.unravel_index(np.argmax(known), known.shape))
            return f"{self.name}: {' × '.join(map(str, self.value.shape))} values, largest {self._element(place)}"
        names = self.labels or tuple(str(index) for index in range(self.value.size))
        return ", ".join(f"{name} {self._element((index,))}" for index, name in enumerate(names))

    def _element(self, index: tuple[int, ...]) -> str:
        value, statistical = with_error(float(self.value[index]), float(self.statistical_error[index])).split(" ± ")
        of_potential = with_error(0.0, float(self.potential_error[index])).split(" ± ")[1]
        return f"{value} ± {statistical} (simulation) ± {of_potential} (potential) {self.unit}".rstrip()
