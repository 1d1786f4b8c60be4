"""Periodic potentials of dihedral angles, proper and improper."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.graph.angles import dihedral_angle
from mdfit.potentials.bonded import BondedPotential, parameters


class PeriodicDihedrals(BondedPotential):
    """E = Σ k [1 + cos(nφ − φ₀)] over terms, of which a dihedral angle φ may have several.

    φ is that of :class:`mdfit.observables.Dihedral`: 0 is cis, ±π trans (IUPAC).  Improper dihedrals are the same
    function of any four atoms: n = 2 and φ₀ = π keep them in a plane.  Where three of the atoms lie exactly on a line φ is
    not defined; its force is given as zero there.

    Args:
        number_of_atoms: of a molecule.
        atoms: quadruples i–j–k–l, such as ``topology.dihedrals`` or ``topology.impropers``.
        dihedral: for each term the row of ``atoms`` that it belongs to; by default every row has one term.
        multiplicity: n of each term.
        amplitude: k in eV, one or a list.
        phase: φ₀ in rad, one or a list; ``"180 deg"`` is understood.
        cutoff: in Å, within which consecutive atoms are looked for.

    Raises:
        StructureError: for atoms that are out of range.
        PotentialError: for lists that do not fit each other.
        UnitError: for quantities of another dimension.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import PeriodicDihedrals, energies
        >>> cis = build_graph(Structure.in_open_space([[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]]), cutoff=5.0)
        >>> potential = PeriodicDihedrals(4, [(0, 1, 2, 3)], multiplicity=3, amplitude=0.1)
        >>> round(float(energies(potential, cis)[0]), 4)
        0.2
    """

    order = 4

    dihedral: tuple[int, ...] = eqx.field(static=True)
    multiplicity: tuple[int, ...] = eqx.field(static=True)
    amplitude: Float[Array, " terms"]
    phase: Float[Array, " terms"]

    def __init__(
        self,
        number_of_atoms: int,
        atoms: Any,
        dihedral: Any = None,
        multiplicity: Any = 1,
        amplitude: Any = 0.0,
        phase: Any = 0.0,
        cutoff: float | str = 5.0,
    ):
        super().__init__(number_of_atoms, atoms, cutoff)
        rows = np.arange(len(self.atoms)) if dihedral is None else np.asarray(dihedral, np.int64).reshape(-1)
        self.dihedral = tuple(rows.tolist())
        orders = np.broadcast_to(np.asarray(multiplicity), rows.shape) if np.ndim(multiplicity) == 0 else multiplicity
        self.multiplicity = tuple(int(n) for n in orders)
        if len(self.multiplicity) != len(rows) or any(n < 1 for n in self.multiplicity):
            raise PotentialError(f"PeriodicDihedrals needs a multiplicity of at least 1 for each of {len(rows)} terms.")
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self.atoms)):
            raise PotentialError(f"dihedral names rows of atoms, 0 to {len(self.atoms) - 1}, not {rows.tolist()}.")
        self.amplitude = parameters("amplitude", amplitude, "eV", len(rows))
        self.phase = parameters("phase", phase, "rad", len(rows))

    def tuple_energies(self, vectors: Float[Array, "molecules tuples steps 3"]) -> Float[Array, "molecules tuples"]:
        dtype = vectors.dtype
        angle = dihedral_angle(vectors[:, :, 0], vectors[:, :, 1], vectors[:, :, 2])
        rows, orders = np.array(self.dihedral, np.int32), jnp.asarray(self.multiplicity, dtype)
        terms = self.amplitude.astype(dtype) * (1 + jnp.cos(orders * angle[:, rows] - self.phase.astype(dtype)))
        return jnp.zeros_like(angle).at[:, rows].add(terms)
