"""Where in the phase diagram a simulation runs, and from which structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.errors import SimulationError
from mdfit.structure import Conditions, Structure, read_structure
from mdfit.structure.conditions import EnsembleName
from mdfit.units import quantity


@dataclass(frozen=True, init=False)
class StatePoint:
    """A structure, a temperature and, for simulations at constant pressure, a pressure.

    Attributes:
        structure: the first configuration; its cell is kept unless the sampler changes it.
        temperature: in K.
        pressure: in bar, or None.

    Example:
        >>> from mdfit import StatePoint, Structure
        >>> argon = Structure.in_open_space([[0, 0, 0], [0, 0, 3.8]], species=18, masses=39.95)
        >>> at = StatePoint(argon, "-189 degC", "1 atm")
        >>> round(at.temperature, 2), round(at.pressure, 3)
        (84.15, 1.013)
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

    def conditions(self, ensemble: EnsembleName, energy_depends_on: tuple[str, ...] = ()) -> Conditions:
        """Of frames that are simulated here."""
        return Conditions(ensemble, self.temperature, self.pressure, tuple(sorted(energy_depends_on)))


def check_same_atoms(state_points: Sequence[StatePoint]) -> None:
    """Whether state points can be simulated side by side.

    Raises:
        SimulationError: without any, or for other atoms, periodic directions, frozen atoms, or velocities of some only.
    """
    if not state_points:
        raise SimulationError("A simulation needs a state point.")
    first = state_points[0].structure
    for number, point in enumerate(state_points):
        other = point.structure
        pairs = [(getattr(first, n), getattr(other, n)) for n in ("species", "masses", "periodic")]
        frozen = [np.zeros(len(s.species), bool) if s.frozen is None else s.frozen for s in (first, other)]
        same = all(np.array_equal(a, b) for a, b in (*pairs, (frozen[0], frozen[1])))
        if not same or (first.velocities is None) != (other.velocities is None):
            raise SimulationError(
                f"State point {number} has other atoms than state point 0 (or velocities, and the other none): only those "
                "of the same atoms, masses, periodic directions and frozen atoms are simulated side by side."
            )
