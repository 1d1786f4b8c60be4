"""Potentials that hold another one, which decides what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdfit.graph import Reads
from mdfit.potentials.base import Potential
from mdfit.structure import Structure


class Around(Potential):
    """A potential around another one: species, cutoff and what is read are those of ``potential``.

    Example:
        >>> from mdfit.potentials import Excluding, LennardJones
        >>> Excluding(LennardJones(cutoff=3.0), 2, [(0, 1)]).cutoff
        3.0
    """

    if TYPE_CHECKING:
        # A field or a property of the subclass.
        potential: Potential

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        return self.potential.cutoff

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.potential.species

    @property
    def many_body(self) -> bool:  # type: ignore[override]
        return self.potential.many_body

    @property
    def reads(self) -> Reads:  # type: ignore[override]
        return self.potential.reads

    @property
    def fixed_in_space(self) -> bool:  # type: ignore[override]
        return self.potential.fixed_in_space

    def check_structure(self, structure: Structure) -> None:
        self.potential.check_structure(structure)
