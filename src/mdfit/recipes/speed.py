"""How fast a potential is simulated."""

from __future__ import annotations

import time

from mdfit.potentials import Potential
from mdfit.precision import key
from mdfit.progress import Bar
from mdfit.recipes.metrics import Metric
from mdfit.simulate import JaxMD, StatePoint
from mdfit.simulate.samplers import Sampler


def nanoseconds_per_day(
    potential: Potential, at: StatePoint, sampler: Sampler, steps: int, skin: str | float = "0.5 Å"
) -> Metric:
    """Of a simulation that is compiled and under way, in ns/day; ``steps`` are timed after a fifth of them."""
    simulation = JaxMD(skin).simulation(potential, [at], sampler, [at.structure])
    simulation.begin(key(0))
    simulation.advance(max(20, steps // 5), Bar())
    simulation.frame()
    began = time.perf_counter()
    simulation.advance(steps, Bar())
    simulation.frame()
    return Metric(86400e-6 * steps * sampler.timestep_fs / (time.perf_counter() - began), None, "ns/day")
