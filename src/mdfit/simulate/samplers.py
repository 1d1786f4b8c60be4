"""Samplers: which ensemble, by which equations of motion, with which time step."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mdfit import registry
from mdfit.errors import SimulationError
from mdfit.structure import Structure
from mdfit.structure.conditions import EnsembleName
from mdfit.units import quantity


class Sampler(ABC):
    """A way to sample an ensemble; engines realise it.

    Subclasses are frozen dataclasses.  Quantities with units are checked when a sampler is made, and kept as numbers,
    so that equal samplers are equal.

    Attributes:
        conserves_momentum: of the centre of mass, which then stays at rest.
        timestep: in fs.

    Example:
        >>> from mdfit.simulate import NPT, NVE, Langevin
        >>> [sampler.ensemble for sampler in (NVE("1 fs"), Langevin("1 fs"), NPT("1 fs"))]
        ['NVE', 'NVT', 'NPT']
    """

    conserves_momentum: ClassVar[bool] = True
    timestep: float | str

    @property
    @abstractmethod
    def ensemble(self) -> EnsembleName:
        """``"NVE"``, ``"NVT"`` or ``"NPT"``."""

    def __post_init__(self) -> None:
        for name, unit in self._units().items():
            value = getattr(self, name)
            if value is None:
                continue
            number = quantity(value, unit, name.replace("_", " "))
            if not number > 0:
                raise SimulationError(f"The {name.replace('_', ' ')} must be positive, but is {number} {unit}.")
            object.__setattr__(self, name, number)

    def _units(self) -> dict[str, str]:
        """Of what has one."""
        return {"timestep": "fs"}

    @property
    def timestep_fs(self) -> float:
        """In fs."""
        return float(self.timestep)


class _WithFriction(Sampler):
    # Noise moves the centre of mass, too.
    conserves_momentum = False
    friction: float | str

    def _units(self) -> dict[str, str]:
        return {"timestep": "fs", "friction": "1/ps"}

    @property
    def friction_per_ps(self) -> float:
        """In 1/ps."""
        return float(self.friction)


@dataclass(frozen=True)
class NVE(Sampler):
    """Constant energy, by velocity Verlet.

    Args:
        timestep: in fs.

    Example:
        >>> from mdfit.simulate import NVE
        >>> NVE("0.5 fs").ensemble
        'NVE'
    """

    timestep: float | str = "1 fs"
    ensemble = "NVE"


@dataclass(frozen=True)
class Langevin(_WithFriction):
    """Constant temperature with friction and noise, by the BAOAB splitting or one of the same distribution.

    B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990.  OpenMM moves by the middle
    scheme: Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi:10.1021/acs.jpca.9b02771.

    Args:
        timestep: in fs.
        friction: in 1/ps.

    Example:
        >>> from mdfit.simulate import Langevin
        >>> Langevin("2 fs", friction="0.5 /ps")
        Langevin(timestep=2.0, friction=0.5)
        >>> Langevin("2 fs") == Langevin("0.002 ps", "1 /ps")
        True
    """

    timestep: float | str = "1 fs"
    friction: float | str = "1 /ps"
    ensemble = "NVT"


@dataclass(frozen=True)
class Brownian(_WithFriction):
    """Constant temperature without inertia: overdamped dynamics, by the Euler–Maruyama scheme.

    Δr = F Δt/(m γ) + √(2 k_BT Δt/(m γ)) ξ.  The distribution that it samples has an error of first order in the step.
    Velocities are drawn from their distribution at the start and never used.

    Args:
        timestep: in fs.
        friction: γ in 1/ps.

    Example:
        >>> from mdfit.simulate import Brownian
        >>> Brownian("10 fs", friction="100 /ps").friction
        100.0
    """

    timestep: float | str = "1 fs"
    friction: float | str = "100 /ps"
    ensemble = "NVT"


@dataclass(frozen=True)
class NoseHoover(Sampler):
    """Constant temperature by a Nosé–Hoover chain.

    G. J. Martyna, M. L. Klein, M. Tuckerman, J. Chem. Phys. 97, 2635 (1992), doi:10.1063/1.463940.

    Args:
        timestep: in fs.
        relaxation: period of the thermostat in fs, by default 100 time steps.
        chain_length: thermostats in the chain.

    Example:
        >>> from mdfit.simulate import NoseHoover
        >>> NoseHoover("1 fs", relaxation="0.1 ps")
        NoseHoover(timestep=1.0, relaxation=100.0, chain_length=3)
    """

    timestep: float | str = "1 fs"
    relaxation: float | str | None = None
    chain_length: int = 3
    ensemble = "NVT"

    def _units(self) -> dict[str, str]:
        return {"timestep": "fs", "relaxation": "fs"}


@dataclass(frozen=True)
class NPT(Sampler):
    """Constant temperature and pressure with isotropic cell changes, by two Nosé–Hoover chains.

    G. J. Martyna, D. J. Tobias, M. L. Klein, J. Chem. Phys. 101, 4177 (1994), doi:10.1063/1.467468.

    Args:
        timestep: in fs.
        thermostat_relaxation: in fs, by default 100 time steps.
        barostat_relaxation: in fs, by default 1000 time steps.

    Volumes are those of the isothermal-isobaric ensemble, P(V) ∝ Vᴺ exp(−βPV) Z(V), for any number of atoms.

    Example:
        >>> from mdfit.simulate import NPT
        >>> NPT("2 fs", barostat_relaxation="2 ps")
        NPT(timestep=2.0, thermostat_relaxation=None, barostat_relaxation=2000.0)
    """

    timestep: float | str = "1 fs"
    thermostat_relaxation: float | str | None = None
    barostat_relaxation: float | str | None = None
    ensemble = "NPT"

    def _units(self) -> dict[str, str]:
        return {"timestep": "fs", "thermostat_relaxation": "fs", "barostat_relaxation": "fs"}


@dataclass(frozen=True)
class MonteCarloNPT(_WithFriction):
    """Constant temperature and pressure: Langevin dynamics, and changes of the cell that are accepted or not.

    J. Åqvist et al., Chem. Phys. Lett. 384, 288 (2004), doi:10.1016/j.cplett.2003.12.039.  Needs an engine that has it,
    such as OpenMM.

    Args:
        timestep: in fs.
        friction: in 1/ps.
        attempt_every: time steps between changes of the cell.
        anisotropic: whether the three edges of a cell with right angles change independently.

    Example:
        >>> from mdfit.simulate import MonteCarloNPT
        >>> sampler = MonteCarloNPT("2 fs", attempt_every=50)
        >>> sampler.ensemble, sampler.attempt_every
        ('NPT', 50)
    """

    timestep: float | str = "1 fs"
    friction: float | str = "1 /ps"
    attempt_every: int = 25
    anisotropic: bool = False
    ensemble = "NPT"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attempt_every < 1:
            raise SimulationError(f"attempt_every must be at least 1 time step, but is {self.attempt_every}.")


def degrees_of_freedom(structure: Structure, sampler: Sampler, constraints: int = 0) -> int:
    """Quadratic terms of the kinetic energy of a structure.

    Args:
        structure: with its frozen atoms.
        sampler: whose noise may move the centre of mass.
        constraints: of other degrees of freedom, rigid bonds for instance.
    """
    free = structure.number_of_atoms - structure.number_frozen
    return 3 * free - constraints - (3 if _stays_at_rest(structure, sampler) else 0)


def without_drift(structure: Structure, sampler: Sampler) -> Structure:
    """A structure whose centre of mass is at rest, where the dynamics would keep the velocity that it has.

    Args:
        structure: with or without velocities.
        sampler: whose noise may move the centre of mass.
    """
    if structure.velocities is None or not _stays_at_rest(structure, sampler):
        return structure
    drift = np.average(structure.velocities, axis=0, weights=structure.masses)
    return structure.replace(velocities=structure.velocities - drift)


def _stays_at_rest(structure: Structure, sampler: Sampler) -> bool:
    """Whether the motion of the centre of mass is none of the degrees of freedom."""
    # Frozen atoms take up momentum, so that the centre of mass moves.
    return sampler.conserves_momentum and not structure.number_frozen and structure.number_of_atoms > 1


def sampler_of(name: str, timestep: float | str, friction: float | str = 1.0) -> Sampler:
    """The sampler of a name, with its defaults but for the time step (fs) and, where it has one, the friction (1/ps).

    Raises:
        SimulationError: for an unknown name.
    """
    kind: Any = registry.find(name, Sampler, "sampler", SimulationError)
    friction_of_it = {"friction": friction} if "friction" in inspect.signature(kind).parameters else {}
    sampler: Sampler = kind(timestep, **friction_of_it)
    return sampler
