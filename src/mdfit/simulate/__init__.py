"""Molecular dynamics: state points, samplers, engines, runs and trajectories."""

from mdfit.simulate.each_member import EachMember
from mdfit.simulate.engine import Engine, Frame, Simulation
from mdfit.simulate.jax_md import JaxMD
from mdfit.simulate.lengths import Lengths
from mdfit.simulate.restart import can_resume
from mdfit.simulate.running import SimulationInterrupted, run
from mdfit.simulate.samplers import NPT, NVE, Brownian, Langevin, MonteCarloNPT, NoseHoover, Sampler, sampler_of
from mdfit.simulate.start_temperature import start_temperature
from mdfit.simulate.state_point import StatePoint
from mdfit.simulate.trajectory import Particles, Trajectory

__all__ = [
    "NPT",
    "NVE",
    "Brownian",
    "EachMember",
    "Engine",
    "Frame",
    "JaxMD",
    "Langevin",
    "Lengths",
    "MonteCarloNPT",
    "NoseHoover",
    "Particles",
    "Sampler",
    "Simulation",
    "SimulationInterrupted",
    "StatePoint",
    "Trajectory",
    "can_resume",
    "run",
    "sampler_of",
    "start_temperature",
]
