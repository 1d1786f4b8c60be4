"""Several last layers on one trunk: an ensemble whose features are computed once.

M. Kellner, M. Ceriotti, Mach. Learn.: Sci. Technol. 5, 035006 (2024), doi:10.1088/2632-2153/ad594a.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.models import build
from mdfit.potentials.around import Around
from mdfit.potentials.base import Potential
from mdfit.potentials.evaluation import Prediction
from mdfit.potentials.gradient import Gradient
from mdfit.potentials.neural import network_of, with_each_last_layer, with_last_layer
from mdfit.potentials.potential_set import PotentialSet, SetPrediction
from mdfit.potentials.spread import KnownSpread, UncertainPotential, safe_root


class ShallowEnsemble(Around, UncertainPotential):
    """A potential whose network has several last layers; its mean is that of their mean, and one evaluation.

    All of them are trained together with the trunk, by :class:`mdfit.uncertainty.SpreadLikelihood`.  The energies of all
    members come out of one pass through the trunk, their forces take one derivative for each member.

    Attributes:
        potential: the trunk, and what a sum adds to it; its own last layer is not used, and zero.
        weights: ``(members, features)``.
        known_spread: see :class:`UncertainPotential`.

    Raises:
        PotentialError: when the potential has no last layer, or the weights do not fit.

    Example:
        >>> import jax
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import PaiNN, ShallowEnsemble, evaluate_with_spread
        >>> network = PaiNN([14], cutoff=4.0, channels=8, layers=1, key=jax.random.key(0))
        >>> ensemble = ShallowEnsemble.of(network, members=4, key=jax.random.key(1))
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 2.3]], species=14), cutoff=4.0)
        >>> found = evaluate_with_spread(ensemble, dimer)
        >>> found.members.forces.shape, found.spread.forces.shape, len(ensemble)
        ((4, 2, 3), (2, 3), 4)
    """

    kind: ClassVar[str] = "potential"
    nested: ClassVar[str] = "potential"
    later_settings: ClassVar[tuple[str, ...]] = ("known_spread",)
    potential: Potential
    weights: Float[Array, "members features"]
    known_spread: KnownSpread | None = eqx.field(static=True)

    def __init__(
        self,
        potential: Potential,
        weights: Float[ArrayLike, "members features"],
        known_spread: Sequence[float | None] | None = None,
    ):
        features = network_of(potential).last_layer
        given = jnp.asarray(weights, features.dtype)
        if given.ndim != 2 or given.shape[1] != len(features) or len(given) < 2:
            raise PotentialError(
                f"Weights of shape {given.shape} are not those of at least two last layers with {len(features)} features."
            )
        self.potential = with_last_layer(potential, jnp.zeros_like(features))
        self.weights = given
        self.known_spread = KnownSpread.of(known_spread)

    @classmethod
    def of(cls, potential: Potential, members: int = 16, key: jax.Array | None = None) -> ShallowEnsemble:
        """An ensemble to be trained, on the trunk of a new or of a trained potential.

        Args:
            potential: a network, or a sum with one network in it; the mean over the members is this potential.
            members: how many last layers.
            key: of the random numbers by which they differ, as large as the weights are (root mean square).

        Raises:
            PotentialError: for fewer than two members, or a potential without a last layer.
        """
        layer = network_of(potential).last_layer
        if members < 2:
            raise PotentialError(
                f"An ensemble has at least two members, not {members}: one says nothing of its own error."
            )
        random = jax.random.normal(jax.random.key(0) if key is None else key, (members, len(layer)), layer.dtype)
        size = jnp.sqrt(jnp.mean(layer**2))
        return cls(potential, layer + size * (random - jnp.mean(random, axis=0)))

    def __len__(self) -> int:
        return len(self.weights)

    def member(self, index: int) -> Potential:
        """One of the members, as a potential by itself."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"There is no member {index} in an ensemble of {len(self)}.")
        return with_last_layer(self.potential, self.weights[index])

    @property
    def mean(self) -> Potential:
        """The potential of the mean last layer, whose energies, forces and stresses are the means over the members."""
        return with_last_layer(self.potential, jnp.mean(self.weights, axis=0))

    def settings(self) -> dict[str, Any]:
        return {"members": len(self), "known_spread": self.known_spread}

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "potential": self.potential.describe()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> ShallowEnsemble:
        potential = build(architecture["potential"], path)
        features = network_of(potential).last_layer.shape[0]
        settings = architecture["settings"]
        return cls(potential, jnp.zeros((settings["members"], features)), settings.get("known_spread"))

    def knowing(self, spread: KnownSpread | None) -> ShallowEnsemble:
        return ShallowEnsemble(self.potential, self.weights, spread)

    def as_set(self) -> PotentialSet:
        """The members as potentials with trunks of their own, for simulations of each."""
        return PotentialSet.of([self.member(index) for index in range(len(self))])

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.mean.atomic_energies(graph)

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        return self.mean.differentiate(graph)

    def members(self, graph: Graph) -> Prediction:
        """What each member says; arrays have a leading axis of members."""
        return with_each_last_layer(self.potential, graph, self.weights)

    def with_spread(self, graph: Graph) -> SetPrediction:
        """Means, standard deviations (with M − 1) and members, in one pass and one derivative for each member."""
        each = self.members(graph)
        mean = jax.tree.map(lambda values: jnp.mean(values, axis=0), each)

        def deviation(values: Float[Array, "members *shape"]) -> Float[Array, "*shape"]:
            return safe_root(jnp.var(values, axis=0, ddof=1))

        return SetPrediction(mean, jax.tree.map(deviation, each), each)
