"""Trajectories as text."""

from __future__ import annotations

from mdfit.observables import PotentialEnergy, Pressure, Temperature, equilibration_warnings, estimate
from mdfit.observables.estimate import FEWEST_FRAMES
from mdfit.simulate import Trajectory
from mdfit.simulate.spread_watch import SPREAD_UNITS
from mdfit.simulate.trajectory import SPREADS


def trajectory_lines(trajectory: Trajectory) -> list[str]:
    """Averages over a trajectory with error bars, as far as it allows them, and what speaks against equilibrium."""
    if len(trajectory) * trajectory.replicas < FEWEST_FRAMES:
        return [f"Fewer than {FEWEST_FRAMES} frames: no averages with error bars."]
    observables = [Temperature(), PotentialEnergy(), *([Pressure()] if trajectory.periodic.all() else [])]
    lines = [f"{observable.name}: {estimate(observable, trajectory)}" for observable in observables]
    for kind, name in SPREADS.items():
        spreads = getattr(trajectory, name)
        if spreads is not None:
            unit = SPREAD_UNITS[kind]
            lines.append(f"spread of the {kind}: {spreads.mean():.3g} {unit}, at most {spreads.max():.3g} {unit}")
    return lines + [
        f"warning: {name}: {warning}"
        for name, warnings in equilibration_warnings(trajectory).items()
        for warning in warnings
    ]
