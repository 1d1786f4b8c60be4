"""How far two densities on the same bins are from each other."""

from __future__ import annotations

import numpy as np

from mdfit.errors import ObservableError
from mdfit.units import BOLTZMANN, quantity


def mean_squared_density_error(density: np.ndarray, reference: np.ndarray) -> float:
    """Mean over bins of the squared difference of two densities, in the square of their unit.

    Densities are compared as they are: give both in the same unit (those per rad² and per degree² differ by 1.08·10⁷).

    Args:
        density: on bins of any number of dimensions.
        reference: on the same bins.

    Raises:
        ObservableError: for densities of different shapes, or values that are negative or not finite.
    """
    one, other = _checked(density, reference)
    return float(np.mean((one - other) ** 2))


def jensen_shannon_divergence(density: np.ndarray, reference: np.ndarray) -> float:
    """½ Σ p ln(p/m) + ½ Σ q ln(q/m) with m = (p + q)/2 in nat: 0 for equal densities, ln 2 for those without overlap.

    Both are normalised to 1 over the bins first, so that their unit does not matter.  J. Lin, IEEE Trans. Inf. Theory 37,
    145 (1991), doi:10.1109/18.61115.

    Arguments and errors are those of :func:`mean_squared_density_error`.
    """
    one, other = _normalised(density, reference)
    middle = (one + other) / 2
    return float((_relative_entropy(one, middle) + _relative_entropy(other, middle)) / 2)


def total_variation(density: np.ndarray, reference: np.ndarray) -> float:
    """½ Σ ‖p − q‖ of densities that are normalised to 1 over the bins: the probability that has to be moved.

    Arguments and errors are those of :func:`mean_squared_density_error`.
    """
    one, other = _normalised(density, reference)
    return float(np.abs(one - other).sum() / 2)


def free_energy_error(
    density: np.ndarray, reference: np.ndarray, temperature: float | str, empty: float | None = None
) -> float:
    """Root mean square of the difference of F = −k_B T ln p in eV, weighted by the reference's population.

    Free energies are known up to a constant: that of least error is taken out, the weighted mean difference.

    Args:
        density: on bins of any number of dimensions.
        reference: on the same bins.
        temperature: in K.
        empty: what bins that the reference has visited but ``density`` has not count as: a count such as 1/2 of the
            smallest positive value of ``density``.  None leaves them out, which flatters a density that lacks a basin.

    Raises:
        ObservableError: as :func:`mean_squared_density_error`; when no bin is in both.
    """
    one, other = _normalised(density, reference)
    if empty is not None:
        one = np.where(one > 0, one, empty * one[one > 0].min())
    both = (one > 0) & (other > 0)
    if not both.any():
        raise ObservableError("The two densities have no bin in common; their free energies cannot be compared.")
    weights = other[both] / other[both].sum()
    difference = np.log(one[both]) - np.log(other[both])
    difference -= np.sum(weights * difference)
    thermal = BOLTZMANN * quantity(temperature, "K", "temperature")
    return float(thermal * np.sqrt(np.sum(weights * difference**2)))


def _checked(density: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(density, np.float64), np.asarray(reference, np.float64)
    if one.shape != other.shape or one.size == 0:
        raise ObservableError(
            f"Densities of shapes {one.shape} and {other.shape} cannot be compared; use the same bins for both."
        )
    for name, values in (("density", one), ("reference", other)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise ObservableError(f"The {name} has values that are negative or not finite, so that it is no density.")
    return one, other


def _normalised(density: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, other = _checked(density, reference)
    for name, values in (("density", one), ("reference", other)):
        if values.sum() == 0:
            raise ObservableError(f"The {name} is zero in all bins; no sample lies in their range.")
    return one / one.sum(), other / other.sum()


def _relative_entropy(one: np.ndarray, other: np.ndarray) -> float:
    """Σ p ln(p/q), q being positive where p is."""
    present = one > 0
    return float(np.sum(one[present] * np.log(one[present] / other[present])))
