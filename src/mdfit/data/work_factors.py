"""By what factors the works of forces and stresses differ from energy differences: 1 when units and signs agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.data.work_of_forces import FEWEST_PAIRS, Works

#: Least correlation between works and energy differences.
_EXPLAINED = 0.8
#: A factor is known when it is so many times its standard error.
_SIGNIFICANT = 4.0
# Anharmonic energies make a factor differ from 1 by up to the first; units that are mixed up differ by at least ten.
_RIGHT, _OFF = 1.5, 3.0


@dataclass(frozen=True)
class Factor:
    """By what the work of a label must be multiplied to become the energy differences: 1 when units and signs agree.

    Attributes:
        value: the factor, NaN when not known.
        error: its standard error.
    """

    value: float = float("nan")
    error: float = float("nan")

    @property
    def _known(self) -> bool:
        return bool(abs(self.value) > _SIGNIFICANT * self.error)

    @property
    def right(self) -> bool:
        """Whether it is known to be near 1."""
        return self._known and 1 / _RIGHT < self.value < _RIGHT

    @property
    def off(self) -> bool:
        """Whether it is known to be positive and as far from 1 as wrong units make it."""
        return self._known and self.value > 0 and not 1 / _OFF < self.value < _OFF

    @property
    def negative(self) -> bool:
        """Whether it is known to be negative."""
        return self._known and self.value < 0


@dataclass(frozen=True)
class WorkFit:
    """Factors of the works of forces and stresses."""

    forces: Factor = Factor()
    stress: Factor = Factor()

    @property
    def both_off(self) -> bool:
        """Whether both are off by one factor, so that the energies are."""
        return self.forces.off and self.stress.off and 0.5 < self.forces.value / self.stress.value < 2.0


def fit_works(pairs: Works) -> WorkFit:
    """Energy differences fitted by the works of forces and stresses together.

    Where stresses are not known, the strain takes their place in the fit. Pairs have no order, so that no mean is
    subtracted. Errors count the frames, not the pairs. Nothing is concluded when the works do not explain the energies
    (correlation below 0.8), or frames are few.
    """
    with_energy = np.isfinite(pairs.energy)
    with_stress = with_energy & np.isfinite(pairs.stress)
    if np.count_nonzero(with_stress) >= max(FEWEST_PAIRS, 0.5 * np.count_nonzero(with_energy)):
        known, works_of = with_stress, [pairs.forces, np.where(pairs.strained, np.nan_to_num(pairs.stress), 0.0)]
    else:
        known, works_of = with_energy, [pairs.forces, *pairs.strain.T]
    if np.count_nonzero(known) < FEWEST_PAIRS:
        return WorkFit()
    values, errors = _fit(np.stack([work[known] for work in works_of], axis=1), pairs.energy[known], pairs.frames)
    factors = [Factor(float(value), float(error)) for value, error in zip(values, errors, strict=True)]
    return WorkFit(factors[0], factors[1] if len(factors) == 2 else Factor())


def _fit(works_of: np.ndarray, energy: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and standard errors; NaN of works that do nothing, and of all when the fit is poor."""
    values, errors = np.full(works_of.shape[1], np.nan), np.full(works_of.shape[1], np.nan)
    sizes = np.linalg.norm(works_of, axis=0)
    active = sizes > 1e-6 * np.sqrt(len(energy))
    total = float(energy @ energy)
    if not active.any() or total == 0 or frames - np.count_nonzero(active) < 2:
        return values, errors
    scaled = works_of[:, active] / sizes[active]
    solution = np.linalg.lstsq(scaled, energy, rcond=1e-8)[0]
    left = float(np.sum((energy - scaled @ solution) ** 2))
    if 1 - left / total < _EXPLAINED**2:
        return values, errors
    spread = np.diag(np.linalg.pinv(scaled.T @ scaled, rcond=1e-8)) * left / (frames - np.count_nonzero(active))
    values[active], errors[active] = solution / sizes[active], np.sqrt(spread) / sizes[active]
    return values, errors
