"""Several potentials of one architecture as one: an ensemble, or samples of a posterior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph, Reads
from mdfit.models import Constant, ModelSet
from mdfit.models.files import build
from mdfit.potentials.base import Potential
from mdfit.potentials.evaluation import Prediction, evaluate
from mdfit.potentials.gradient import Gradient
from mdfit.potentials.spread import KnownSpread, Scales, UncertainPotential, WithSpread, safe_root
from mdfit.structure import Structure


class PotentialSet(ModelSet, UncertainPotential):
    """The weighted mean of several potentials, which knows how far they differ.

    It is used like one potential, whose energies, forces and stresses are the means over the members; :meth:`members` tells
    those of each, and :func:`evaluate_set` their spread.  Members are evaluated in one compiled call.

    Attributes:
        number: of members.
        stacked: a potential whose arrays have one leading axis more, that of the members.
        weights: ``(members,)``, with a sum of 1.
        known_spread: see :class:`UncertainPotential`.
        scales: ``(3,)``, see :class:`Scales`; 1 unless the set is calibrated (:func:`mdfit.uncertainty.rescaled`).

    Raises:
        PotentialError: for members that differ in more than their parameters, and weights that are none.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones, PotentialSet, evaluate, evaluate_set
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=both.cutoff)
        >>> round(float(evaluate(both, dimer).energy[0]), 4), round(float(evaluate_set(both, dimer).spread.energy[0]), 4)
        (-0.891, 0.126)
    """

    kind: ClassVar[str] = "potential"
    nested: ClassVar[str] = "member"
    later_settings: ClassVar[tuple[str, ...]] = ("known_spread",)
    number: int = eqx.field(static=True)
    stacked: Potential
    weights: Constant
    scales: Constant
    known_spread: KnownSpread | None = eqx.field(static=True)

    def __init__(
        self,
        number: int,
        stacked: Potential,
        weights: Any = None,
        known_spread: Sequence[float | None] | None = None,
        scales: Scales | None = None,
    ):
        self.number, self.stacked, self.known_spread = number, stacked, KnownSpread.of(known_spread)
        given = jnp.full(number, 1 / number) if weights is None else weights
        self.weights = Constant(jnp.asarray(given, jnp.float64))
        self.scales = Constant(jnp.asarray(Scales(1.0, 1.0, 1.0) if scales is None else scales, jnp.float64))

    @classmethod
    def of(cls, members: Sequence[Any], weights: Sequence[float] | np.ndarray | None = None) -> PotentialSet:
        """A set of these potentials, of equal weights unless given.

        Raises:
            PotentialError: when they are none or one, differ in more than their parameters, or weights do not fit.
        """
        if len(members) < 2:
            raise PotentialError(
                f"A set of potentials has at least two members, not {len(members)}: one says nothing of its own error."
            )
        for index, member in enumerate(members):
            if not isinstance(member, Potential):
                raise PotentialError(f"Member {index} is a {type(member).__name__}, not a potential.")
        stacked: Any = ModelSet.of(members).stacked
        return cls(len(members), stacked, _normalised(weights, len(members)))

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        return self.stacked.cutoff

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.stacked.species

    @property
    def many_body(self) -> bool:  # type: ignore[override]
        return self.stacked.many_body

    @property
    def reads(self) -> Reads:  # type: ignore[override]
        return self.stacked.reads

    @property
    def fixed_in_space(self) -> bool:  # type: ignore[override]
        return self.stacked.fixed_in_space

    def describe(self) -> dict[str, Any]:
        return {"class": type(self).__name__, "settings": self.settings(), "member": self.stacked.describe()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> PotentialSet:
        settings = architecture["settings"]
        made = cls.of([build(architecture["member"], path)] * settings["number"])
        return made.knowing(KnownSpread.of(settings.get("known_spread")))

    def knowing(self, spread: KnownSpread | None) -> PotentialSet:
        return PotentialSet(self.number, self.stacked, self.weights.value, spread, Scales(*self.scales.value))

    def scaled(self, scales: Scales) -> PotentialSet:
        """The same set, whose spreads are multiplied by these numbers; what data know of them has to be found anew."""
        return PotentialSet(self.number, self.stacked, self.weights.value, None, scales)

    def check_structure(self, structure: Structure) -> None:
        self[0].check_structure(structure)

    def members(self, graph: Graph) -> Prediction:
        """What each member says; arrays have a leading axis of members."""
        return self._each(evaluate, graph)

    def mean(self, values: Float[Array, "members *shape"]) -> Float[Array, "*shape"]:
        """Weighted mean over the members."""
        return jnp.tensordot(self.weights.value.astype(values.dtype), values, axes=1)

    def deviation(self, values: Float[Array, "members *shape"]) -> Float[Array, "*shape"]:
        """Standard deviation over the members, for the effective number of them."""
        share = self.weights.value.astype(values.dtype)
        effective = 1 / jnp.sum(share**2)
        squares = jnp.tensordot(share, (values - self.mean(values)) ** 2, axes=1)
        return safe_root(squares * effective / (effective - 1))

    def with_spread(self, graph: Graph) -> SetPrediction:
        return evaluate_set(self, graph)

    def _each(self, function: Callable[[Any, Graph], Any], graph: Graph) -> Any:
        """Of all members: one after the other on a CPU, whose products of batches are slower than that."""
        if jax.default_backend() != "cpu":
            return self.map(function, graph)
        arrays, rest = eqx.partition(self.stacked, eqx.is_array)
        return jax.lax.map(lambda own: function(eqx.combine(own, rest), graph), arrays)

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.mean(self._each(_atomic_energies, graph))

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        # Members keep their own, faster forms.
        return jax.tree.map(self.mean, self._each(_differentiate, graph))


class SetPrediction(WithSpread):
    """What a set of potentials says of the structures of a graph.

    Attributes:
        mean: over the members.
        spread: standard deviation over the members, number by number: of the energy in eV, of forces in eV/Å, and so on.
        members: each of them, with a leading axis.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LennardJones, PotentialSet, evaluate_set
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]]), cutoff=both.cutoff)
        >>> found = evaluate_set(both, dimer)
        >>> found.members.forces.shape, found.spread.forces.shape
        ((2, 2, 3), (2, 3))
    """

    members: Prediction


def evaluate_set(potentials: PotentialSet, graph: Graph) -> SetPrediction:
    """Mean, spread and members of energies, forces and stresses, in one evaluation of each member."""
    members = potentials.members(graph)
    spread = jax.tree.map(potentials.deviation, members)
    energy, forces, stress = potentials.scales.value
    scaled = Prediction(
        energy=energy * spread.energy,
        forces=(forces * spread.forces).astype(spread.forces.dtype),
        strain_derivative=(stress * spread.strain_derivative).astype(spread.strain_derivative.dtype),
        atomic_energies=energy * spread.atomic_energies,
    )
    return SetPrediction(jax.tree.map(potentials.mean, members), scaled, members)


def _atomic_energies(potential: Potential, graph: Graph) -> Float[Array, " atoms"]:
    return potential.atomic_energies(graph)


def _differentiate(potential: Potential, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
    return potential.differentiate(graph)


def _normalised(weights: Sequence[float] | np.ndarray | None, number: int) -> np.ndarray | None:
    if weights is None:
        return None
    given = np.asarray(weights, np.float64)
    fits = given.shape == (number,) and (given >= 0).all() and np.isfinite(given).all()
    if not fits or np.count_nonzero(given) < 2:
        raise PotentialError(
            f"The weights of {number} members are as many finite numbers, none negative and two of them above 0."
        )
    return given / given.sum()
