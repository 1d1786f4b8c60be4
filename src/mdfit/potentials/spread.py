"""Potentials that know how sure they are: a mean and a spread of everything they say."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.potentials.base import Potential, Sum, seen_by, terms_of
from mdfit.potentials.evaluation import Prediction, evaluate


class WithSpread(eqx.Module):
    """What an uncertain potential says of the structures of a graph.

    Attributes:
        mean: what :func:`~mdfit.potentials.evaluate` gives.
        spread: a standard deviation for each number of it: of the energy in eV, of forces in eV/Å, and so on.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones, PotentialSet, evaluate_with_spread
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=both.cutoff)
        >>> evaluate_with_spread(both, dimer).spread.energy.round(3)
        Array([0.126], dtype=float64)
    """

    mean: Prediction
    spread: Prediction


class StructureSpread(NamedTuple):
    """How unsure a potential is of structures: three numbers for each.

    Forces vanish by symmetry in a perfect crystal, however strained it is, and with them their spread; energies of strained
    crystals can be sure where stresses are not.

    What a potential does not tell is NaN: energies and virials that it was not trained on, or scaled by.

    Attributes:
        forces: the largest length, over its atoms, of the spread of a force, in eV/Å.
        energy: the spread of the energy per atom, in eV.
        virial: the largest component of the spread of ∂E/∂ε, the stress times the volume, per atom in eV.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones, PotentialSet, evaluate_set, structure_spread
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=both.cutoff)
        >>> round(float(structure_spread(evaluate_set(both, dimer).spread, dimer).energy[0]), 3)
        0.063
    """

    forces: Float[Array | np.ndarray, " structures"]
    energy: Float[Array | np.ndarray, " structures"]
    virial: Float[Array | np.ndarray, " structures"]

    def told(self) -> dict[str, np.ndarray]:
        """Those that the potential tells, by name: of some structures at least."""
        return {kind: np.asarray(one) for kind, one in self._asdict().items() if not np.isnan(one).all()}


class KnownSpread(NamedTuple):
    """The spreads up to which the data know a structure; see :class:`StructureSpread`.

    None stands for what the potential does not tell.

    Attributes:
        forces: in eV/Å.
        energy: per atom, in eV.
        virial: per atom, in eV.

    Example:
        >>> from mdfit.potentials import KnownSpread
        >>> KnownSpread.of([0.2, 0.005, 0.02])
        KnownSpread(forces=0.2, energy=0.005, virial=0.02)
    """

    forces: float | None = None
    energy: float | None = None
    virial: float | None = None

    @classmethod
    def of(cls, numbers: Sequence[float | None] | None) -> KnownSpread | None:
        """From numbers as files have them: two in those of earlier versions, NaN where one was not told."""
        if numbers is None:
            return None
        return cls(*(None if number is None or math.isnan(number) else float(number) for number in numbers))


class Scales(NamedTuple):
    """What spreads are multiplied by to have the size of errors; NaN where it is not known.

    Attributes:
        energy: of energies of structures and of atoms.
        forces: of forces; of a last layer in 1/Å where their spread is the cheap one.
        stress: of stresses.

    Example:
        >>> from mdfit.potentials import Scales
        >>> Scales(energy=2.0, forces=1.5)
        Scales(energy=2.0, forces=1.5, stress=nan)
    """

    energy: Float[ArrayLike, ""] = float("nan")
    forces: Float[ArrayLike, ""] = float("nan")
    stress: Float[ArrayLike, ""] = float("nan")


class UncertainPotential(Potential):
    """A potential that gives a spread beside its energies, forces and stresses; used like any other one where not asked.

    Attributes:
        known_spread: up to which the data know a structure; None when it was not found yet
            (:func:`mdfit.uncertainty.with_known_spread`).

    Example:
        >>> from mdfit.potentials import PotentialSet, UncertainPotential
        >>> issubclass(PotentialSet, UncertainPotential)
        True
    """

    if TYPE_CHECKING:
        # A static field of the subclass.
        known_spread: KnownSpread | None

    @abc.abstractmethod
    def with_spread(self, graph: Graph) -> WithSpread:
        """Mean and spread for the structures of a graph; what a potential cannot say a spread of is NaN."""
        raise NotImplementedError

    @abc.abstractmethod
    def knowing(self, spread: KnownSpread | None) -> Self:
        """The same potential with this :attr:`known_spread`."""
        raise NotImplementedError


def knows_spread(potential: Potential) -> bool:
    """True for uncertain potentials, and for sums that hold one.

    Example:
        >>> from mdfit.potentials import ZBL, LennardJones, PotentialSet, knows_spread
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> knows_spread(both + ZBL()), knows_spread(ZBL())
        (True, False)
    """
    return any(isinstance(term, UncertainPotential) for term in terms_of(potential))


def known_spread(potential: Potential) -> KnownSpread | None:
    """The :attr:`UncertainPotential.known_spread` of a potential, or of the one uncertain term of a sum."""
    known = [term.known_spread for term in terms_of(potential) if isinstance(term, UncertainPotential)]
    return known[0] if len(known) == 1 else None


def structure_spread(spread: Prediction, graph: Graph) -> StructureSpread:
    """How unsure a potential is of each structure of a graph."""
    lengths = jnp.linalg.norm(spread.forces, axis=-1)
    lengths = jnp.where(graph.atom_mask, lengths, jnp.zeros((), lengths.dtype))
    if graph.number_of_structures == 1:
        largest = jnp.max(lengths, keepdims=True)
    else:
        largest = jax.ops.segment_max(lengths, graph.structure, graph.number_of_structures)
    atoms = jnp.maximum(graph.sum_structures(jnp.ones_like(lengths)), 1)
    virial = jnp.max(spread.strain_derivative, axis=(-2, -1))
    return StructureSpread(largest, spread.energy / atoms, virial / atoms)


def evaluate_with_spread(potential: Potential, graph: Graph) -> WithSpread:
    """Mean and spread of an uncertain potential; the uncertain terms of a sum are independent, so that squares add.

    Raises:
        PotentialError: for a potential that knows no spread.
    """
    if not knows_spread(potential):
        raise PotentialError(
            f"{type(potential).__name__} is one potential, which says nothing of its own error; give a set of potentials, "
            "or one with an uncertain last layer."
        )
    if isinstance(potential, UncertainPotential):
        return potential.with_spread(graph)
    parts, spreads = [], []
    for term in terms_of(potential):
        seen = seen_by(term, graph) if isinstance(potential, Sum) else graph
        if isinstance(term, UncertainPotential):
            found = term.with_spread(seen)
            parts.append(found.mean)
            spreads.append(found.spread)
        else:
            parts.append(evaluate(term, seen))
    return WithSpread(
        jax.tree.map(lambda *terms: sum(terms[1:], start=terms[0]), *parts),
        jax.tree.map(lambda *terms: jnp.sqrt(sum(term**2 for term in terms)), *spreads),
    )


def safe_root(squares: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """√x, whose derivative is 0 where x is 0, as in padding, in place of infinite."""
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0).astype(squares.dtype)
