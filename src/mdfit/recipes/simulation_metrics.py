"""What is measured on the simulations of a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mdfit.observables.low_frequencies import student_factor
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.schema import SimulationChoice
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN

if TYPE_CHECKING:
    from mdfit.observables import Observable
    from mdfit.recipes.potential_errors import PotentialErrors
    from mdfit.uncertainty import UncertainEstimate


def simulation_metrics(
    name: str,
    simulation: SimulationChoice,
    trajectory: Trajectory,
    directory: Path,
    potential_errors: PotentialErrors | None = None,
) -> Metrics:
    """Temperature, energy, pressure, drift or density of a trajectory; its traces and RDF go into ``<name>.npz``.

    Metrics of a series that is too short, or not equilibrated, carry a warning.

    Args:
        name: of the simulation.
        simulation: as the recipe has it.
        trajectory: of it.
        directory: for the arrays.
        potential_errors: what tells the potential's error; None where it is not asked for.
    """
    from mdfit.observables import RDF, Pressure, equilibration_warnings, estimate, per_frame

    atoms = trajectory.positions.shape[2]
    quantities = _quantities(trajectory)
    rdf = None if simulation.rdf_maximum is None else RDF(r_max=simulation.rdf_maximum)
    uncertain: dict[str, UncertainEstimate] = {}
    unknown = ""
    metrics: Metrics = {}
    if potential_errors is not None:
        metrics |= potential_errors.beyond_known(name, trajectory)
        asked = [own.observable for own in quantities.values() if own.of_potential]
        uncertain, unknown = potential_errors.of_simulation([*asked, *(() if rdf is None else (rdf,))], trajectory)
    unsettled = equilibration_warnings(trajectory)
    for label, own in quantities.items():
        result, error = estimate(own.observable, trajectory), uncertain.get(own.observable.name)
        warnings = unsettled.get(own.observable.name, ()) + result.warnings
        warnings += () if error is None else error.warnings
        warnings += (unknown,) if unknown and own.of_potential else ()
        metric = Metric.of(replace(result, warnings=warnings), own.factor, own.unit)
        of_potential = None if error is None else own.factor * float(error.potential_error)
        metrics[f"{name}/{label}"] = replace(metric, potential_error=of_potential)
    arrays = {
        "times": trajectory.times,
        "potential_energy": trajectory.potential_energies / atoms,
        "total_energy": (trajectory.potential_energies + trajectory.kinetic_energies) / atoms,
        "temperature": 2 * trajectory.kinetic_energies / (trajectory.degrees_of_freedom * BOLTZMANN),
    }
    if "pressure" in quantities:
        arrays["pressure"] = 1e-4 * np.asarray(per_frame(Pressure(), trajectory))
    if trajectory.ensemble == "NVE":
        drift, drift_error = energy_drift(trajectory)
        metrics[f"{name}/energy_drift"] = Metric(drift, drift_error, "meV/atom/ps")
    if rdf is not None:
        curve = estimate(rdf, trajectory)
        arrays |= {"rdf_r": np.asarray(rdf.grid), "rdf": curve.value, "rdf_error": curve.standard_error}
        if rdf.name in uncertain:
            arrays["rdf_potential_error"] = uncertain[rdf.name].potential_error
    save_arrays(directory / f"{name}.npz", arrays)
    return metrics


class _Quantity(NamedTuple):
    """An observable in the unit of a report, and whether the potential's error is asked for."""

    observable: Observable
    factor: float
    unit: str
    of_potential: bool = True


def _quantities(trajectory: Trajectory) -> dict[str, _Quantity]:
    """Those that have a meaning for the trajectory, by the label of their metric."""
    from mdfit.observables import Density, PotentialEnergy, Pressure, Temperature

    found = {
        # The thermostat's, whatever the potential.
        "temperature": _Quantity(Temperature(), 1.0, "K", of_potential=False),
        "potential_energy": _Quantity(PotentialEnergy(), 1.0 / trajectory.positions.shape[2], "eV/atom"),
    }
    if np.all(trajectory.periodic):
        found["pressure"] = _Quantity(Pressure(), 1e-4, "GPa")
    if trajectory.ensemble == "NPT":
        found["density"] = _Quantity(Density(), 1.0, "g/cm³")
    return found


def energy_drift(trajectory: Trajectory, blocks: int = 10) -> tuple[float, float]:
    """Slope of the total energy in meV/atom/ps, and its standard error from the residuals of block means.

    The error has Student's factor for the degrees of freedom that the line leaves.
    """
    atoms = trajectory.positions.shape[2]
    total = 1e3 * (trajectory.potential_energies + trajectory.kinetic_energies).mean(axis=0) / atoms
    count = len(total) // blocks
    if count < 1:
        blocks, count = len(total), 1
    means = total[: blocks * count].reshape(blocks, count).mean(axis=1)
    times = trajectory.times[: blocks * count].reshape(blocks, count).mean(axis=1) / 1e3
    slope, offset = np.polyfit(times, means, 1)
    residual = means - (slope * times + offset)
    freedom = max(blocks - 2, 1)
    spread = student_factor(freedom) * np.sqrt(np.sum(residual**2) / freedom)
    return float(slope), float(spread / np.sqrt(np.sum((times - times.mean()) ** 2)))
