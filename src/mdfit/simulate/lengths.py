"""How long a simulation runs, in time steps."""

from __future__ import annotations

from dataclasses import dataclass

from mdfit.errors import SimulationError
from mdfit.units import quantity

#: What counters hold.
MOST_STEPS, MOST_STEPS_BETWEEN = 1e15, 1e9


@dataclass(frozen=True)
class Lengths:
    """Numbers of time steps: dropped at the start, between frames, and the number of frames.

    Example:
        >>> from mdfit.simulate import Lengths
        >>> Lengths.of("1 ns", every="1 ps", equilibrate="100 ps", timestep=2.0)
        Lengths(equilibration=50000, between=500, frames=1000)
    """

    equilibration: int
    between: int
    frames: int

    @classmethod
    def of(cls, duration: float | str, every: float | str, equilibrate: float | str, timestep: float) -> Lengths:
        total, interval, dropped = (
            quantity(value, "fs", name)
            for value, name in ((duration, "duration"), (every, "every"), (equilibrate, "equilibrate"))
        )
        if not 0 < interval / timestep < 1e300:
            raise SimulationError(f"The interval between frames must be positive, but is {interval} fs.")
        between = round(interval / timestep)
        if between < 1 or abs(between * timestep - interval) > 1e-6 * interval:
            raise SimulationError(
                f"The interval between frames ({interval} fs) is not a multiple of the time step ({timestep} fs)."
            )
        frames = round(total / interval)
        steps = (total + dropped) / timestep
        if steps > MOST_STEPS or between > MOST_STEPS_BETWEEN:
            raise SimulationError(
                f"{total:g} fs with a frame every {interval:g} fs are {steps:.3g} time steps of {timestep:g} fs, "
                f"{between:.3g} of them between frames; at most {MOST_STEPS:.0e} and {MOST_STEPS_BETWEEN:.0e} are "
                "possible: check the units."
            )
        if frames < 1:
            raise SimulationError(f"A duration of {total} fs holds no frame at one every {interval} fs; lengthen it.")
        if dropped < 0:
            raise SimulationError(f"The equilibration must not be negative, but is {dropped} fs; give 0 or more.")
        return cls(round(dropped / timestep), between, frames)
