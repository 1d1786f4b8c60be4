"""Trajectories as text."""

from __future__ import annotations

from mdfit.observables import PotentialEnergy, Pressure, Temperature, equilibration_warnings, estimate
from mdfit.observables.estimate import FEWEST_FRAMES
from mdfit.simulate import Trajectory


def trajectory_lines(trajectory: Trajectory) -> list[str]:
    """Averages over a trajectory with error bars, as far as it allows them, and what speaks against equilibrium."""
    if len(trajectory) * trajectory.replicas < FEWEST_FRAMES:
        return [f"Fewer than {FEWEST_FRAMES} frames: no averages with error bars."]
    observables = [Temperature(), PotentialEnergy(), *([Pressure()] if trajectory.periodic.all() else [])]
    lines = [f"{observable.name}: {estimate(observable, trajectory)}" for observable in observables]
    if trajectory.force_spreads is not None:
        spreads = trajectory.force_spreads
        lines.append(f"spread of the forces: {spreads.mean():.3g} eV/Å, at most {spreads.max():.3g} eV/Å")
    return lines + [
        f"warning: {name}: {warning}"
        for name, warnings in equilibration_warnings(trajectory).items()
        for warning in warnings
    ]
