"""Measurements from files that name their observable."""

from __future__ import annotations

from pathlib import Path

from mdfit.errors import MeasurementError
from mdfit.measurements.measurement import Measurement
from mdfit.measurements.records import observable_in
from mdfit.measurements.values import Values
from mdfit.simulate import StatePoint


def read(path: str | Path, at: StatePoint, sigma: Values | None = None, weight: Values | None = None) -> Measurement:
    """A measurement from a YAML file that names its observable.

    For example::

        observable: {ElasticConstants: {symmetry: cubic}}
        values: {C11: 1079, C12: 124, C44: 578}
        standard_uncertainty: 5
        unit: GPa
        temperature: 298 K
        pressure: 1 bar
        doi: 10.1063/1.1661636

    ``values`` may also be a list, one value, or the name of a CSV file beside it (``grid,value,standard_uncertainty``);
    single values may have units of their own (``1079 GPa``).  ``note`` takes any text.

    Args:
        path: of the file.
        at: the state point of the simulation.
        sigma: standard uncertainty in place of that of the file.
        weight: in place of an uncertainty.

    Raises:
        MeasurementError: for a file that cannot be read or names an observable that does not exist, and as
            :class:`Measurement` does.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        raise MeasurementError(
            f"{path} does not say of what it is; use Measurement(observable, {str(path)!r}, at=...)."
        )
    return Measurement(observable_in(path), path, at, sigma, weight)
