"""Molecular dynamics: state points, samplers, runs and trajectories."""

from mdfit.simulate.restart import can_resume
from mdfit.simulate.running import SimulationInterrupted, run, run_together
from mdfit.simulate.samplers import NPT, NVE, Brownian, Langevin, NoseHoover, sampler_of
from mdfit.simulate.start_temperature import start_temperature
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import Trajectory

__all__ = [
    "NPT",
    "NVE",
    "Brownian",
    "Langevin",
    "NoseHoover",
    "SimulationInterrupted",
    "StatePoint",
    "Trajectory",
    "can_resume",
    "run",
    "run_together",
    "sampler_of",
    "start_temperature",
]
