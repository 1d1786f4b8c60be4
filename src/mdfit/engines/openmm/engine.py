"""OpenMM as an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mdfit.engines.openmm.simulation import OpenMMSimulation, Settings
from mdfit.engines.openmm.system import ReferenceSystem
from mdfit.errors import SimulationError
from mdfit.simulate import Engine, Langevin, MonteCarloNPT, Sampler, StatePoint
from mdfit.simulate.state_point import check_same_atoms
from mdfit.storage import digest
from mdfit.structure import Structure

_SAMPLERS = (Langevin, MonteCarloNPT)


@dataclass(frozen=True)
class OpenMM(Engine):
    """Systems of OpenMM, such as molecules with their force fields.

    Records positions, forces without those of rigid bonds (a :class:`~mdfit.data.Mapping` takes care of them), cells and
    energies; no velocities and stresses.  Positions are never wrapped, so that molecules stay whole.  Frames of a system
    with a bias (:meth:`ReferenceSystem.with_bias`) do not tell that it was there: keep its terms.

    A run that goes on takes up the same random numbers on the same machine: bit by bit on the platform Reference, up to the
    rounding of sums on the others.  Elsewhere it goes on from the same positions and velocities with new ones.

    Args:
        platform: ``"CPU"``, ``"CUDA"`` ...; by default the fastest, ``"Reference"`` for a few atoms without a cell.
        threads: of the platform CPU; by default OpenMM's choice.
        atoms: which atoms are recorded, such as those of the solute; by default all but virtual sites.  A rigid bond must
            not be cut.
        relax: whether starts without velocities are relaxed first.
        dtype: of recorded positions and forces.
    """

    platform: str | None = None
    threads: int | None = None
    atoms: Sequence[int] | None = None
    relax: bool = True
    dtype: Literal["float32", "float64"] = "float32"
    name: ClassVar[str] = "OpenMM"

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise SimulationError(f"threads must be at least 1, but is {self.threads}.")
        if self.dtype not in ("float32", "float64"):
            raise SimulationError(f"The number format is float32 or float64, not {self.dtype}.")

    @property
    def number_format(self) -> str:
        return self.dtype

    def simulation(
        self, system: ReferenceSystem, state_points: Sequence[StatePoint], sampler: Sampler, starts: Sequence[Structure]
    ) -> OpenMMSimulation:
        """See :meth:`mdfit.simulate.Engine.simulation`.

        Args:
            system: of OpenMM.
            state_points: of its atoms, :meth:`ReferenceSystem.structure` for instance.
            sampler: :class:`Langevin` or :class:`MonteCarloNPT`.
            starts: of every replica.

        Raises:
            SimulationError: OpenMM is not installed, or settings that make no sense.
            DataError: atoms that cannot be chosen.
        """
        check_same_atoms(state_points)
        if not isinstance(sampler, _SAMPLERS):
            raise self.cannot(sampler, _SAMPLERS)
        if not isinstance(system, ReferenceSystem):
            raise SimulationError(
                f"OpenMM simulates a ReferenceSystem, not a {type(system).__name__}: choose another engine."
            )
        own = system.structure()
        if not np.array_equal(starts[0].species, own.species):
            raise SimulationError(
                "The state point has other atoms than the system: make it of the structure of the system, "
                "StatePoint(system.structure(), ...)."
            )
        if not np.allclose(starts[0].masses, own.masses):
            raise SimulationError(
                "The state point has other masses than the system, which move the atoms; change them in the system, or "
                "take system.structure()."
            )
        if any(start.number_frozen for start in starts):
            raise SimulationError(
                "The state point has frozen atoms, but OpenMM moves all those of its system: give them a mass of zero "
                "there, or free them with structure.replace(frozen=None)."
            )
        for point in state_points:
            if not point.temperature > 0:
                raise SimulationError(f"The temperature must be positive, but is {point.temperature} K.")
            if sampler.ensemble == "NPT" and (point.pressure is None or not own.periodic.all()):
                raise SimulationError(
                    "Constant pressure needs a periodic system, and a pressure of every state point, for instance "
                    'pressure="1 bar".'
                )
        settings = Settings(sampler, self.platform, self.threads, self.relax, np.dtype(self.dtype))
        chosen = np.arange(own.number_of_atoms) if self.atoms is None else np.asarray(self.atoms, np.int64)
        return OpenMMSimulation(system, state_points, starts, chosen, settings)

    def fingerprint(self, system: ReferenceSystem) -> str:
        whole = system.fingerprint()
        # Other atoms of the same elements are another recording.
        return whole if self.atoms is None else f"{whole} atoms {digest(np.asarray(self.atoms, np.int64))}"
