"""Free energies: quantities of a pair of ensembles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mdfit.observables.base import Described
from mdfit.potentials import Potential
from mdfit.structure.conditions import EnsembleName


@dataclass(frozen=True, eq=False)
class FreeEnergy(Described):
    """Helmholtz free energy of a potential minus that of another one, at the same temperature and volume.

    A = −k_BT ln ∫ exp(−U/k_BT); kinetic parts are the same on both sides.  It is no average over one ensemble:
    :class:`~mdfit.objectives.DiffTRe` trains on it, by Bennett's acceptance ratio from the other potential to the first
    one of the training, and from there on from simulation to simulation.

    Args:
        relative_to: the other potential, of the same atoms.

    Example:
        >>> from mdfit.observables import FreeEnergy
        >>> from mdfit.potentials import LennardJones
        >>> FreeEnergy(relative_to=LennardJones(cutoff=2.0)).unit
        'eV'
    """

    relative_to: Potential
    unit: ClassVar[str] = "eV"
    ensembles: ClassVar[tuple[EnsembleName, ...]] = ("NVT",)
    shape: ClassVar[tuple[int, ...]] = ()
    grid: ClassVar[None] = None
