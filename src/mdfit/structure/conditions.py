"""The conditions under which frames were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mdfit.errors import StructureError

EnsembleName = Literal["NVE", "NVT", "NPT"]


@dataclass(frozen=True)
class Conditions:
    """State point and ensemble of a simulation; what is not known is None.

    Attributes:
        ensemble: ``"NVE"``, ``"NVT"`` or ``"NPT"``.
        temperature: of the thermostat (of the start in NVE) in K.
        pressure: in bar: of the barostat, or one that was only stated.
        energy_depends_on: the conditions that the potential looked at, such as ``"temperature"``; empty when unknown.

    Raises:
        StructureError: another ensemble, or a negative temperature.

    Example:
        >>> from mdfit.structure import Conditions
        >>> print(Conditions("NPT", temperature=300.0, pressure=1.0))
        NPT at 300 K, 1 bar
        >>> Conditions("NVT", 300.0).other_than(Conditions("NVT", 320.0))
        'temperature'
    """

    ensemble: EnsembleName | None = None
    temperature: float | None = None
    pressure: float | None = None
    energy_depends_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ensemble is not None and self.ensemble not in get_args(EnsembleName):
            raise StructureError(
                f"The ensemble is {self.ensemble!r}: give {', '.join(get_args(EnsembleName))} or None."
            )
        if self.temperature is not None and not self.temperature >= 0:
            raise StructureError(f"The temperature must not be negative, but is {self.temperature} K.")

    def __str__(self) -> str:
        ensemble = self.ensemble or "unknown ensemble"
        temperature = "" if self.temperature is None else f" at {self.temperature:g} K"
        return ensemble + temperature + ("" if self.pressure is None else f", {self.pressure:g} bar")

    def other_than(self, reference: Conditions) -> str | None:
        """The first condition in which it differs from a reference, where both know it."""
        for name in ("ensemble", "temperature", "pressure"):
            pair = (getattr(self, name), getattr(reference, name))
            if None not in pair and pair[0] != pair[1]:
                return name
        return None


#: Nothing is known.
UNKNOWN = Conditions()
