"""A calculator for ASE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator as ASECalculator
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mdfit.errors import NeighborListError
from mdfit.graph import Graph, NeighborTable, neighbor_table
from mdfit.graph.graph import conditions_of
from mdfit.potentials import Potential, Prediction, evaluate, evaluate_with_spread, knows_spread, load
from mdfit.precision import cast
from mdfit.structure import Structure
from mdfit.units import quantity

#: Columns of the neighbour table come in steps of this size, with the head room for denser surroundings to come.
_COLUMNS = 4
_HEAD_ROOM = 1.1


class Calculator(ASECalculator):
    """Energy, forces, stress and energies of atoms of a potential, for ASE.

    Units are ASE's: eV, eV/Å, and eV/Å³ with tension positive; the energy is that of the potential (no entropy, so that
    ``free_energy`` is the same).  Neighbour lists hold pairs up to the cutoff plus a skin, and are made anew when an
    atom has moved by half the skin, or the cell has changed.  Their tables have head room, so that nothing is compiled
    again from step to step.

    With a set of potentials (:class:`~mdfit.potentials.PotentialSet`) the numbers are the means over its members, and
    ``results`` also has their standard deviations: ``energy_spread``, ``forces_spread``, ``energies_spread`` and, where
    there is a stress, ``stress_spread``.

    Args:
        potential: a potential or the path of a saved one.
        skin: of the neighbour list in Å; 0 makes a new list at every call.
        dtype: ``"float32"``, or ``"float64"`` for tight relaxations and numerical derivatives.
        conditions: for potentials that read them, such as ``{"temperature": 300.0}`` (K).

    Raises:
        UnknownSpeciesError: (when calculating) for an element that the potential does not know.
        StructureError: for atoms that are not a valid structure.
        NeighborListError: for a negative skin, or positions that are not finite.

    Example:
        >>> from ase import Atoms
        >>> from mdfit.engines import Calculator
        >>> from mdfit.potentials import LennardJones
        >>> atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]])
        >>> atoms.calc = Calculator(LennardJones(epsilon="0.0104 eV", sigma="3.4 Å", cutoff="8.5 Å"))
        >>> round(atoms.get_potential_energy(), 4)
        -0.0104
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress", "energies"]

    def __init__(
        self,
        potential: Potential | str | Path,
        skin: float | str = "0.5 Å",
        dtype: Literal["float32", "float64"] = "float32",
        conditions: Mapping[str, float] | None = None,
    ):
        super().__init__()
        loaded = load(potential) if isinstance(potential, (str, Path)) else potential
        self.dtype = jnp.dtype(dtype)
        self.potential: Potential = cast(loaded, jnp.float64) if self.dtype == jnp.float64 else loaded
        self.conditions = dict(conditions or {})
        self.skin = quantity(skin, "Å", "skin")
        if self.skin < 0:
            raise NeighborListError(f"The skin must not be negative, but is {self.skin} Å.")
        self._lists: _Lists | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fills ``results``; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        graph = self._graph(self.atoms)
        if knows_spread(self.potential):
            found = _evaluate_with_spread(self.potential, graph)
            spread = self._numbers(found.spread)
            results = self._numbers(found.mean) | {f"{name}_spread": value for name, value in spread.items()}
        else:
            results = self._numbers(_evaluate(self.potential, graph))
        results["free_energy"] = results["energy"]
        if "stress" not in results and properties is not None and "stress" in properties:
            raise PropertyNotImplementedError(
                "Stress needs a structure that is periodic in all three directions; set atoms.pbc = True and a cell."
            )
        self.results = results

    def _numbers(self, prediction: Prediction) -> dict[str, Any]:
        """Of the atoms, in ASE's form."""
        count = len(self.atoms)
        numbers: dict[str, Any] = {
            "energy": float(prediction.energy[0]),
            "forces": np.asarray(prediction.forces, np.float64)[:count],
            "energies": np.asarray(prediction.atomic_energies, np.float64)[:count],
        }
        if self.atoms.pbc.all():
            stress = np.asarray(prediction.strain_derivative[0]) / self.atoms.get_volume()
            numbers["stress"] = full_3x3_to_voigt_6_stress(stress)
        return numbers

    def _graph(self, atoms: Atoms) -> Graph:
        lists = self._lists
        if lists is None or not lists.still_hold(atoms, self.skin):
            self._lists = lists = self._new_lists(atoms)
        vectors = lists.table.vectors(atoms.positions, lists.structure.cell)
        graph = lists.graph.with_vectors(jnp.asarray(vectors, self.dtype))
        return replace(graph, positions=jnp.asarray(atoms.positions, self.dtype))

    def _new_lists(self, atoms: Atoms) -> _Lists:
        structure = Structure.from_ase(atoms)
        self.potential.check_structure(structure)
        columns = 0
        if self._lists is not None and len(self._lists.structure.species) == len(atoms):
            columns = self._lists.table.width
        cutoff = self.potential.cutoff
        reach = cutoff + self.skin if cutoff > 0 else 0.0
        table = neighbor_table(structure.positions, structure.cell, structure.periodic, reach, minimum_width=columns)
        if table.width > columns:
            table = table.widened(-(-int(np.ceil(table.width * _HEAD_ROOM)) // _COLUMNS) * _COLUMNS)
        return _Lists.of(structure, atoms, table, self.dtype, self.conditions)


@dataclass(frozen=True)
class _Lists:
    """Neighbours, and the atoms for which they were found."""

    structure: Structure
    atoms: Atoms
    table: NeighborTable
    graph: Graph

    @classmethod
    def of(
        cls, structure: Structure, atoms: Atoms, table: NeighborTable, dtype: Any, conditions: Mapping[str, float]
    ) -> _Lists:
        count = len(atoms)
        graph = Graph(
            species=jnp.asarray(structure.species),
            structure=jnp.zeros(count, jnp.int32),
            neighbours=jnp.asarray(table.neighbours),
            vectors=jnp.zeros((*table.mask.shape, 3), dtype),
            mask=jnp.asarray(table.mask),
            reverse=jnp.asarray(table.reverse),
            number_of_structures=1,
            cells=jnp.asarray(structure.cell[None], dtype),
            conditions=conditions_of(conditions, 1),
        )
        return cls(structure, atoms.copy(), table, graph)

    def still_hold(self, atoms: Atoms, skin: float) -> bool:
        """True while no pair can have come within the cutoff that is not in the lists."""
        before = self.atoms
        same = (
            len(atoms) == len(before)
            and np.array_equal(atoms.numbers, before.numbers)
            and np.array_equal(atoms.pbc, before.pbc)
            and np.array_equal(atoms.cell.array, before.cell.array)
        )
        if not same:
            return False
        moved = atoms.positions - before.positions
        # A common motion changes no distance.
        moved = moved - moved.mean(axis=0)
        return bool(np.max(np.sum(moved**2, axis=1), initial=0.0) <= (skin / 2) ** 2)


_evaluate = eqx.filter_jit(evaluate)
_evaluate_with_spread = eqx.filter_jit(evaluate_with_spread)
