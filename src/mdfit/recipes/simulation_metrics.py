"""What is measured on the simulations of a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdfit.observables.low_frequencies import student_factor
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.schema import SimulationChoice
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN

if TYPE_CHECKING:
    from mdfit.observables import Observable


def simulation_metrics(name: str, simulation: SimulationChoice, trajectory: Trajectory, directory: Path) -> Metrics:
    """Temperature, energy, pressure, drift or density of a trajectory; its traces and RDF go into ``<name>.npz``.

    Metrics of a series that is too short, or not equilibrated, carry a warning.
    """
    from mdfit.observables import (
        RDF,
        Density,
        PotentialEnergy,
        Pressure,
        Temperature,
        equilibration_warnings,
        estimate,
        per_frame,
    )

    atoms = trajectory.positions.shape[2]
    metrics: Metrics = {}
    unsettled = equilibration_warnings(trajectory)

    def add(observable: Observable, label: str, factor: float, unit: str) -> None:
        result = estimate(observable, trajectory)
        warnings = unsettled.get(observable.name, ()) + result.warnings
        metrics[f"{name}/{label}"] = Metric.of(replace(result, warnings=warnings), factor, unit)

    add(Temperature(), "temperature", 1.0, "K")
    add(PotentialEnergy(), "potential_energy", 1.0 / atoms, "eV/atom")
    periodic = bool(np.all(trajectory.periodic))
    if periodic:
        add(Pressure(), "pressure", 1e-4, "GPa")
    if trajectory.ensemble == "NPT":
        add(Density(), "density", 1.0, "g/cm³")
    arrays = {
        "times": trajectory.times,
        "potential_energy": trajectory.potential_energies / atoms,
        "total_energy": (trajectory.potential_energies + trajectory.kinetic_energies) / atoms,
        "temperature": 2 * trajectory.kinetic_energies / (trajectory.degrees_of_freedom * BOLTZMANN),
    }
    if periodic:
        arrays["pressure"] = 1e-4 * np.asarray(per_frame(Pressure(), trajectory))
    if trajectory.ensemble == "NVE":
        drift, error = energy_drift(trajectory)
        metrics[f"{name}/energy_drift"] = Metric(drift, error, "meV/atom/ps")
    if simulation.rdf_maximum is not None:
        rdf = RDF(r_max=simulation.rdf_maximum)
        result = estimate(rdf, trajectory)
        arrays |= {"rdf_r": np.asarray(rdf.grid), "rdf": result.value, "rdf_error": result.standard_error}
    save_arrays(directory / f"{name}.npz", arrays)
    return metrics


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
