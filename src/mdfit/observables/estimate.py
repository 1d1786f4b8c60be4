"""A value with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with its standard error; ``str()`` is ready for a table.

    Value ± one error holds the true value with a probability of 68 %, ± two errors with at least 90 %, unless there is a
    warning.

    Attributes:
        name: of the observable.
        value: in ``unit``; of shape ``()`` for scalars.
        standard_error: of the same shape.
        effective_samples: independent samples that the frames are worth (for several components the median), or blocks.
        unit: of the value; empty for plain numbers.
        labels: names of the components, empty for scalars and curves.
        grid: where the components of a curve are, in ``grid_unit``; None for scalars.
        grid_unit: of the grid.
        warnings: why the error bar may be too small, or the value off, in words; empty when all is well.
    """

    name: str
    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: float
    unit: str
    labels: tuple[str, ...] = ()
    grid: np.ndarray | None = None
    grid_unit: str = ""
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return "; ".join([self._text, *(f"warning: {warning}" for warning in self.warnings)])

    @property
    def _text(self) -> str:
        samples = f"(effective samples: {self.effective_samples:.0f})"
        if self.value.ndim == 0:
            return f"{self._element(())} {samples}"
        if self.grid is not None or self.value.ndim > 1:
            known = np.where(np.isfinite(self.value), self.value, -np.inf)
            largest = self._element(tuple(int(i) for i in np.unravel_index(np.argmax(known), known.shape)))
            return f"{self.name}: {self._extent}, largest {largest} {samples}"
        names = self.labels or tuple(str(index) for index in range(self.value.size))
        parts = [f"{name} {self._element((index,))}" for index, name in enumerate(names)]
        return f"{', '.join(parts)} {samples}"

    @property
    def _extent(self) -> str:
        if self.grid is None:
            return f"{' × '.join(map(str, self.value.shape))} values"
        return f"{len(self.grid)} values from {self.grid[0]:.4g} to {self.grid[-1]:.4g} {self.grid_unit}"

    def _element(self, index: tuple[int, ...]) -> str:
        text = with_error(float(self.value[index]), float(self.standard_error[index]))
        return f"{text} {self.unit}".rstrip()


def with_error(value: float, error: float) -> str:
    """``12 ± 25``: the error with two significant digits, the value as precise as the error."""
    if not (error > 0 and math.isfinite(error)):
        return f"{value:.6g} ± {error:.2g}"
    digits = 1 - math.floor(math.log10(error))
    if digits >= 7 or digits < -4:
        return f"{value:.{max(1, digits + math.floor(math.log10(max(abs(value), error))) + 1)}g} ± {error:.2g}"
    rounded_error, rounded = round(error, digits), round(value, digits)
    places = max(digits, 0)
    return f"{rounded:.{places}f} ± {rounded_error:.{places}f}"
