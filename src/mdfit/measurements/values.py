"""Measured values in the unit and the shape of their observable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mdfit.errors import MeasurementError, UnitError, nearest
from mdfit.observables import FreeEnergy, Observable
from mdfit.units import quantity

#: A number in the unit of the observable, a string with a unit, one of these per component, or by label.
Values: TypeAlias = float | str | Sequence[Any] | np.ndarray | Mapping[str, float | str]


def in_unit(given: Any, unit: str, name: str) -> np.ndarray:
    """Numbers and strings with units, nested as deep as they like, as an array in ``unit``.

    Raises:
        UnitError: for a string that is not of the dimension of ``unit``.
        MeasurementError: for values that are not finite, or are no table.
    """
    if isinstance(given, (str, int, float)):
        return np.asarray(quantity(given, unit, name))
    if not isinstance(given, np.ndarray) and isinstance(given, Sequence):
        parts = [in_unit(one, unit, name) for one in given]
        if len({part.shape for part in parts}) > 1:
            raise MeasurementError(f"{name} has rows of different lengths; give as many values in each.")
        return np.stack(parts) if parts else np.zeros(0)
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise UnitError(f"{name} is {given!r}, which is not a quantity: give numbers in {unit or 'no unit'}.") from None
    if not np.isfinite(array).all():
        raise MeasurementError(f"{name} holds values that are not finite; leave them out.")
    return array


def components(given: Values, observable: Observable | FreeEnergy, name: str, broadcast: bool) -> np.ndarray:
    """An array of the observable's shape, in its unit.

    Args:
        given: in any of the forms of :data:`Values`.
        observable: whose unit, labels and shape count.
        name: how the user knows the values.
        broadcast: whether one number may stand for all components of a curve, too.
    """
    if isinstance(given, Mapping):
        given = _in_order(given, observable, name)
    array = in_unit(given, observable.unit, name)
    if array.shape == () and (broadcast or observable.labels):
        array = np.broadcast_to(array, observable.shape)
    if array.shape != observable.shape:
        raise MeasurementError(
            f"{name} has the shape {array.shape}, but {observable.name} has {_described(observable)}; "
            "give one value for each."
        )
    return np.array(array)


def _in_order(given: Mapping[str, float | str], observable: Observable | FreeEnergy, name: str) -> list[float | str]:
    if not observable.labels:
        raise MeasurementError(f"{name} has labels, but {observable.name} has none; give {_described(observable)}.")
    for label in given:
        if label not in observable.labels:
            raise MeasurementError(
                f"{name}: {observable.name} has no {label!r}: {nearest(str(label), observable.labels)}"
            )
    missing = [label for label in observable.labels if label not in given]
    if missing:
        raise MeasurementError(f"{name} lacks {', '.join(missing)}; give all components of {observable.name}.")
    return [given[label] for label in observable.labels]


def _described(observable: Observable | FreeEnergy) -> str:
    if observable.grid is not None:
        return f"{len(observable.grid)} values on its grid"
    if observable.labels:
        return f"the {len(observable.labels)} components {', '.join(observable.labels)}"
    return f"the shape {observable.shape}" if observable.shape else "one value"
