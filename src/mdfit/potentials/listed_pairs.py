"""Non-bonded interactions of listed pairs of atoms of a molecule, each with parameters of its own."""

from __future__ import annotations

import abc
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.potentials.bonded import BondedPotential, parameters
from mdfit.potentials.inverse_power import check_inverse_power, inverse_power
from mdfit.potentials.lennard_jones import check_truncation, lennard_jones
from mdfit.units import quantity


class ListedPairs(BondedPotential):
    """E = Σ φ(r) over pairs of atoms of a molecule, such as ``topology.nonbonded_pairs()``; zero beyond the cutoff.

    A subclass implements :meth:`pair_energies`.  Atoms interact with the nearest image only, and with those of their own
    molecule only: interactions between molecules are those of a pair potential (:class:`mdfit.potentials.Excluding`).
    """

    order = 2
    may_be_far = True

    switch_start: float = eqx.field(static=True)
    epsilon: Float[Array, " pairs"]
    sigma: Float[Array, " pairs"]

    def __init__(
        self,
        number_of_atoms: int,
        atoms: Any,
        epsilon: Any,
        sigma: Any,
        cutoff: float | str,
        switch_start: float | str | None,
    ):
        super().__init__(number_of_atoms, atoms, cutoff)
        self.epsilon = parameters("epsilon", epsilon, "eV", len(self.atoms))
        self.sigma = parameters("sigma", sigma, "Å", len(self.atoms))
        self.switch_start = 0.9 * self.cutoff if switch_start is None else quantity(switch_start, "Å", "switch_start")

    @abc.abstractmethod
    def pair_energies(
        self,
        squared_distance: Float[Array, "molecules pairs"],
        epsilon: Float[Array, " pairs"],
        sigma: Float[Array, " pairs"],
    ) -> Float[Array, "molecules pairs"]:
        """φ in eV for squared distances in Å²."""
        raise NotImplementedError

    def tuple_energies(self, vectors: Float[Array, "molecules pairs steps 3"]) -> Float[Array, "molecules pairs"]:
        dtype = vectors.dtype
        squared = jnp.sum(vectors[:, :, 0] ** 2, axis=-1)
        return self.pair_energies(squared, self.epsilon.astype(dtype), self.sigma.astype(dtype))


class ListedInversePower(ListedPairs):
    """φ(r) = ε(σ/r)ⁿ between listed pairs of atoms, switched off as :class:`InversePower`.

    Args:
        number_of_atoms: of a molecule.
        atoms: pairs of atoms, such as ``topology.nonbonded_pairs()``.
        epsilon: energies at σ in eV, one or a list.
        sigma: in Å, one or a list.
        cutoff: in Å.
        power: n.
        switch_start: in Å, by default nine tenths of the cutoff.

    Raises:
        StructureError: for atoms that are out of range.
        PotentialError: for lists that do not fit the pairs, or parameters out of range.
        UnitError: for quantities of another dimension.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import ListedInversePower, energies
        >>> chain = build_graph(Structure.in_open_space([[x, 0, 0] for x in (0, 1, 2, 3)]), cutoff=5.0)
        >>> round(float(energies(ListedInversePower(4, [(0, 3)], epsilon=0.1, sigma=3.0), chain)[0]), 4)
        0.1
    """

    power: int = eqx.field(static=True)

    def __init__(
        self,
        number_of_atoms: int,
        atoms: Any,
        epsilon: Any = 1.0,
        sigma: Any = 1.0,
        cutoff: float | str = 5.0,
        power: int = 12,
        switch_start: float | str | None = None,
    ):
        super().__init__(number_of_atoms, atoms, epsilon, sigma, cutoff, switch_start)
        self.power = power
        check_inverse_power(power, self.switch_start, self.cutoff)

    def pair_energies(
        self,
        squared_distance: Float[Array, "molecules pairs"],
        epsilon: Float[Array, " pairs"],
        sigma: Float[Array, " pairs"],
    ) -> Float[Array, "molecules pairs"]:
        return inverse_power(squared_distance, epsilon, sigma, self.cutoff, self.power, self.switch_start)


class ListedLennardJones(ListedPairs):
    """φ(r) = 4ε[(σ/r)¹² − (σ/r)⁶] between listed pairs of atoms, truncated as :class:`LennardJones`.

    Args:
        number_of_atoms: of a molecule.
        atoms: pairs of atoms, such as ``topology.nonbonded_pairs()``.
        epsilon: depths in eV, one or a list.
        sigma: in Å, one or a list.
        cutoff: in Å.
        truncation: ``"switch"``, ``"shift"`` or ``"cut"``.
        switch_start: in Å, by default nine tenths of the cutoff.

    Raises:
        StructureError, PotentialError, UnitError: as :class:`ListedInversePower`.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import ListedLennardJones, energies
        >>> chain = build_graph(Structure.in_open_space([[x, 0, 0] for x in (0, 1, 2, 3)]), cutoff=5.0)
        >>> round(float(energies(ListedLennardJones(4, [(0, 3)], epsilon=0.1, sigma=2.5), chain)[0]), 4)
        -0.0891
    """

    truncation: Literal["switch", "shift", "cut"] = eqx.field(static=True)

    def __init__(
        self,
        number_of_atoms: int,
        atoms: Any,
        epsilon: Any = 1.0,
        sigma: Any = 1.0,
        cutoff: float | str = 5.0,
        truncation: Literal["switch", "shift", "cut"] = "switch",
        switch_start: float | str | None = None,
    ):
        super().__init__(number_of_atoms, atoms, epsilon, sigma, cutoff, switch_start)
        self.truncation = truncation
        check_truncation(truncation, self.switch_start, self.cutoff)

    def pair_energies(
        self,
        squared_distance: Float[Array, "molecules pairs"],
        epsilon: Float[Array, " pairs"],
        sigma: Float[Array, " pairs"],
    ) -> Float[Array, "molecules pairs"]:
        return lennard_jones(squared_distance, epsilon, sigma, self.cutoff, self.truncation, self.switch_start)[0]
