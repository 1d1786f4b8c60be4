"""Whether a measured value can be compared with a simulation at a state point."""

from __future__ import annotations

from mdfit.data import Frames
from mdfit.errors import MeasurementError, ObservableError
from mdfit.observables import FreeEnergy, Observable
from mdfit.simulate import StatePoint, Trajectory
from mdfit.structure.conditions import EnsembleName

#: In K: 298 and 298.15 K are the same temperature.
LARGEST_TEMPERATURE_DIFFERENCE = 1.0
#: In bar: 1 atm and 1 bar are the same pressure.  At high pressures one per cent.
LARGEST_PRESSURE_DIFFERENCE = 1.0


def check_conditions(source: str, temperature: float | None, pressure: float | None, at: StatePoint) -> None:
    """Raises MeasurementError when a value was measured elsewhere in the phase diagram.

    Args:
        source: where the value comes from.
        temperature: of the measurement in K, when it is known.
        pressure: in bar, when it is known; compared only with state points that have one.
        at: of the simulation.
    """
    if temperature is not None and abs(temperature - at.temperature) > LARGEST_TEMPERATURE_DIFFERENCE:
        raise MeasurementError(
            f"{source} was measured at {temperature:g} K, but the state point is at {at.temperature:g} K; "
            "change the temperature of one of them."
        )
    if pressure is None or at.pressure is None:
        return
    if abs(pressure - at.pressure) > max(LARGEST_PRESSURE_DIFFERENCE, 0.01 * abs(pressure)):
        raise MeasurementError(
            f"{source} was measured at {pressure:g} bar, but the state point is at {at.pressure:g} bar; "
            "change the pressure of one of them."
        )


def check_observable(observable: Observable | FreeEnergy, at: StatePoint) -> None:
    """Raises MeasurementError when a simulation at the state point cannot give the observable."""
    allowed = observable.ensembles or ("NVT", "NPT")
    if allowed == ("NPT",) and at.pressure is None:
        raise MeasurementError(
            f"{observable.name} comes from a simulation at constant pressure, but its state point has no pressure; "
            "give StatePoint(..., pressure=...)."
        )
    ensemble: EnsembleName = "NPT" if at.pressure is not None and "NPT" in allowed else allowed[0]
    # What is not known before a simulation is NaN.
    first_frame = Trajectory.of_frames(Frames.of_structures([at.structure], at.conditions(ensemble)))
    try:
        observable.check(first_frame)
    except ObservableError as error:
        raise MeasurementError(f"At the state point of the measurement: {error}") from error
