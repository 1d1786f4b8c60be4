"""A measured value of an observable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import MeasurementError
from mdfit.measurements.conditions import check_conditions, check_observable
from mdfit.measurements.records import Record, is_file, record_of
from mdfit.measurements.values import Values, components
from mdfit.observables import FreeEnergy, Observable
from mdfit.simulate import StatePoint


@dataclass(frozen=True, init=False, eq=False)
class Measurement:
    """A measured value, where in the phase diagram it was measured, and how far a prediction may be from it.

    Attributes:
        observable: what was measured; a function of averages.
        value: in ``observable.unit``, of its shape.
        at: the state point of the simulation that predicts it.
        sigma: standard uncertainty, of the same shape; None when a weight is given instead.
        weight: of the squared deviation in 1/unit², of the same shape; None when an uncertainty is given.
        doi: where the value was published.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Measurement, StatePoint, Structure
        >>> from mdfit.observables import Density
        >>> at = StatePoint(Structure.from_ase(bulk("Si", cubic=True)), "300 K", "1 bar")
        >>> measured = Measurement(Density(), "2.33 g/cm^3", at, sigma="0.01 g/cm^3")
        >>> round(float(measured.chi_square(2.35)), 3)
        4.0
    """

    observable: Observable | FreeEnergy
    value: np.ndarray
    at: StatePoint
    sigma: np.ndarray | None
    weight: np.ndarray | None
    doi: str

    def __init__(
        self,
        observable: Observable | FreeEnergy,
        value: Values | Path,
        at: StatePoint,
        sigma: Values | None = None,
        weight: Values | None = None,
        doi: str = "",
    ):
        """Describes a measurement.

        Args:
            observable: any of :mod:`mdfit.observables` that is a function of averages, or a free energy.
            value: a number in the unit of the observable, a string such as ``"1 bar"``, a list of one of these for each
                component, a dictionary by label (``{"C11": "1079 GPa", ...}``), or the path of a file: CSV for a curve,
                YAML for anything (see :func:`mdfit.measurements.read`).  Curves in files are interpolated onto the grid
                of the observable.  One number stands for all components of an observable with labels.
            at: the state point of the simulation.
            sigma: standard uncertainty, in the same forms; that of the file by default.
            weight: instead of an uncertainty; one number for all components, or one for each, in 1/unit².
            doi: where the value was published.

        Raises:
            MeasurementError: without uncertainty and weight, with both, for values that do not fit the observable, for
                a file that cannot be read or was measured at another temperature, or an observable that a simulation at
                ``at`` cannot give.
            UnitError: for a quantity of another dimension.
        """
        if not isinstance(observable, (Observable, FreeEnergy)):
            raise MeasurementError(
                f"{getattr(observable, 'name', observable)} is not a function of averages, which a measurement needs; "
                "dynamical quantities can be predicted (mdfit.estimate), but not trained on."
            )
        record = record_of(Path(value), observable) if is_file(value) else Record(values=value)  # type: ignore[arg-type]
        check_conditions(record.source, record.temperature, record.pressure, at)
        check_observable(observable, at)
        if weight is not None and sigma is not None:
            raise MeasurementError(f"{observable.name} has both an uncertainty and a weight; give only one of them.")
        if weight is None and sigma is None:
            sigma = record.uncertainties
        if weight is None and sigma is None:
            raise MeasurementError(
                f"{observable.name} has neither an uncertainty nor a weight, so that its part in a loss is not defined; "
                "give sigma=... or weight=..."
            )
        name = f"The value of {observable.name}" + (f" in {record.source}" if record.source else "")
        self._set("observable", observable)
        self._set("value", components(record.values, observable, name, broadcast=False))
        self._set("at", at)
        self._set("sigma", None if sigma is None else _positive(sigma, observable))
        self._set("weight", None if weight is None else _weights(weight, observable))
        self._set("doi", doi or record.doi)

    def chi_square(self, predicted: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Mean over the components of ((predicted − value)/sigma)², or of weight · (predicted − value)².

        The mean makes it independent of the number of bins.  Pure and differentiable.

        Args:
            predicted: in ``observable.unit``, of the shape of ``value``.
        """
        return jnp.sum(self.deviations(predicted) ** 2)

    def deviations(self, predicted: Float[Array, "*shape"]) -> Float[Array, " components"]:
        """The numbers whose squares add to :meth:`chi_square`: (predicted − value)/(sigma √components)."""
        predicted = jnp.asarray(predicted, jnp.float64)
        if predicted.shape != self.value.shape:
            raise MeasurementError(
                f"The prediction of {self.observable.name} has the shape {predicted.shape}, but the measured value has "
                f"{self.value.shape}; predict it with the observable of the measurement."
            )
        scale = np.sqrt(self.weight) if self.weight is not None else 1 / np.asarray(self.sigma)
        return (jnp.asarray(scale / np.sqrt(max(self.value.size, 1))) * (predicted - self.value)).ravel()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _positive(sigma: Values, observable: Observable | FreeEnergy) -> np.ndarray:
    array = components(sigma, observable, f"The uncertainty of {observable.name}", broadcast=True)
    if not (array > 0).all():
        raise MeasurementError(
            f"The uncertainty of {observable.name} must be positive, but is {array.min():g} at its smallest; "
            "give a sigma with a lower bound, or a weight instead."
        )
    return array


def _weights(weight: Values, observable: Observable | FreeEnergy) -> np.ndarray:
    array = np.asarray(weight, np.float64) if not isinstance(weight, str) else np.array(np.nan)
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any() and array.shape in ((), observable.shape)):
        raise MeasurementError(
            f"The weight of {observable.name} must be one number or an array of the shape {observable.shape}, not negative "
            f"and not all zero, but is {weight!r}."
        )
    return np.broadcast_to(array, observable.shape).copy()
