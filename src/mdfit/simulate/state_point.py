"""Where in the phase diagram a simulation runs, and from which structure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mdfit.errors import SimulationError
from mdfit.structure import Structure, read_structure
from mdfit.units import quantity


@dataclass(frozen=True, init=False)
class StatePoint:
    """A structure, a temperature and, for simulations at constant pressure, a pressure.

    Attributes:
        structure: the first configuration; its cell is kept unless the sampler changes it.
        temperature: in K.
        pressure: in bar, or None.
    """

    structure: Structure
    temperature: float
    pressure: float | None

    def __init__(
        self, structure: Structure | str | Path, temperature: float | str, pressure: float | str | None = None
    ):
        if isinstance(structure, (str, Path)):
            structure = read_structure(structure)
        kelvin = quantity(temperature, "K", "temperature")
        if kelvin < 0:
            raise SimulationError(f"The temperature must not be negative, but is {kelvin} K.")
        object.__setattr__(self, "structure", structure)
        object.__setattr__(self, "temperature", kelvin)
        object.__setattr__(self, "pressure", None if pressure is None else quantity(pressure, "bar", "pressure"))
