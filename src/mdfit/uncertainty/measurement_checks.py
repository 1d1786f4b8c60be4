"""Which measurements have a likelihood, and how many independent numbers each is worth."""

from __future__ import annotations

from collections.abc import Sequence

from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.observables import Observable
from mdfit.reweighting import thermal_energy
from mdfit.simulate import Sampler


def check_measurements(measurements: Sequence[Measurement], sampler: Sampler) -> None:
    """Raises TrainingError for measurements that have no likelihood, or none in the ensemble of the sampler."""
    if not measurements:
        raise TrainingError("MeasurementLikelihood needs at least one measurement.")
    if sampler.ensemble == "NVE":
        raise TrainingError(
            "MeasurementLikelihood weighs frames by their probability at a temperature, which those of NVE do not have; "
            "use Langevin, Brownian, NoseHoover or NPT."
        )
    for measurement in measurements:
        name = measurement.observable.name
        if not isinstance(measurement.observable, Observable):
            raise TrainingError(f"{name} is no average over frames, which this likelihood needs; leave it out.")
        if measurement.sigma is None:
            raise TrainingError(
                f"{name} has a weight, which says nothing of how probable a deviation is; give its standard uncertainty, "
                "sigma=..."
            )
        if measurement.observable.ensembles and sampler.ensemble not in measurement.observable.ensembles:
            raise TrainingError(
                f"{name} is of the ensemble {' or '.join(measurement.observable.ensembles)}, but the sampler is "
                f"{sampler.ensemble}; choose another sampler."
            )
        if sampler.ensemble == "NPT" and measurement.at.pressure is None:
            raise TrainingError(
                f"{name} was measured at a state point without pressure, but the sampler is NPT; give "
                "StatePoint(..., pressure=...)."
            )
        # Not meaningful at zero temperature.
        thermal_energy(measurement.at.temperature)


def shares_of(measurements: Sequence[Measurement], independent: Sequence[float | None] | None) -> list[float]:
    """Which part of each measurement's sum over components counts."""
    numbers = [None] * len(measurements) if independent is None else list(independent)
    if len(numbers) != len(measurements):
        raise TrainingError(
            f"independent has {len(numbers)} entries for {len(measurements)} measurements; give one for each, None for the "
            "default."
        )
    shares = []
    for measurement, number in zip(measurements, numbers, strict=True):
        components = max(measurement.value.size, 1)
        is_curve = measurement.observable.grid is not None
        worth = (1.0 if is_curve else components) if number is None else number
        if not 0 < worth <= components:
            raise TrainingError(
                f"{measurement.observable.name} has {components} components, so that it is worth more than 0 and at most "
                f"{components} independent numbers, not {number}."
            )
        shares.append(worth / components)
    return shares
