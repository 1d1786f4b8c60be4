"""A network that knows how sure it is, from the features of its last layer.

F. Bigi, S. Chong, M. Ceriotti, F. Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024), doi:10.1088/2632-2153/ad805f;
for energies of atoms S. Chong et al., J. Chem. Theory Comput. 19, 8020 (2023), doi:10.1021/acs.jctc.3c00704.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.models import Constant, build
from mdfit.potentials.around import Around
from mdfit.potentials.base import Potential, Sum, seen_by
from mdfit.potentials.evaluation import Prediction, prediction_of
from mdfit.potentials.gradient import Gradient
from mdfit.potentials.layers import polynomial_envelope
from mdfit.potentials.neural import (
    differentiate_with_features,
    network_of,
    with_each_last_layer,
    with_last_layer,
)
from mdfit.potentials.potential_set import PotentialSet
from mdfit.potentials.spread import KnownSpread, Scales, UncertainPotential, WithSpread, safe_root

ForceSpread = Literal["cheap", "exact"]


class LastLayer(Around, UncertainPotential):
    """A potential with the uncertainty of the last layer of its network; made by :func:`mdfit.uncertainty.last_layer`.

    With the features φ_i of the atoms and the covariance C = A Aᵀ of the weights of the last layer, the standard deviations
    are α_E |Aᵀ Σ_i φ_i| of an energy, α_E |Aᵀ φ_i| of the energy of an atom, and of a force α_F |Aᵀ ∂/∂r Σ_i φ_i| where it
    is ``"exact"``, which takes as many derivatives as there are features.  The ``"cheap"`` one is, for all components of
    the force on atom i, α_F times the root mean square of |Aᵀ φ_j| over the atom and its neighbours (:func:`around`): it
    needs no more than the features, which are there already, but does not see that forces vanish by symmetry.  Stresses
    have no cheap one: theirs is NaN.  Means are those of the potential, which cannot be trained any more, since the
    covariance is that of its features.

    Attributes:
        force_spread: ``"cheap"`` or ``"exact"``.
        known_spread: see :class:`UncertainPotential`.
        inner: the potential.
        factor: ``(features, features)``, A.
        multipliers: ``(3,)``, the :attr:`scales`, 0 where one is not known, since files hold finite numbers only.

    Raises:
        PotentialError: when the potential has no last layer, or the factor does not fit.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import LastLayer, PaiNN, Scales, evaluate_with_spread
        >>> network = PaiNN([14], cutoff=4.0, channels=8, layers=1, key=jax.random.key(0))
        >>> uncertain = LastLayer(network, 0.1 * jnp.eye(5), Scales(energy=1.0, forces=2.0))
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 2.3]], species=14), cutoff=4.0)
        >>> spread = evaluate_with_spread(uncertain, dimer).spread
        >>> spread.energy.shape, bool(abs(spread.forces[0] - 2 * spread.atomic_energies[0]).max() < 1e-6)
        ((1,), True)
    """

    kind: ClassVar[str] = "potential"
    nested: ClassVar[str] = "potential"
    later_settings: ClassVar[tuple[str, ...]] = ("known_spread",)
    force_spread: ForceSpread = eqx.field(static=True)
    known_spread: KnownSpread | None = eqx.field(static=True)
    inner: Constant
    factor: Constant
    multipliers: Constant

    def __init__(
        self,
        potential: Potential,
        factor: Float[ArrayLike, "features features"],
        scales: Scales,
        force_spread: ForceSpread = "cheap",
        known_spread: Sequence[float | None] | None = None,
    ):
        if force_spread not in ("cheap", "exact"):
            raise PotentialError(f"The spread of forces is 'cheap' or 'exact', not {force_spread!r}.")
        features = network_of(potential).last_layer.shape[0]
        given = jnp.asarray(factor, jnp.float64)
        if given.shape != (features, features):
            raise PotentialError(
                f"A factor of shape {given.shape} does not belong to the {features} weights of the last layer."
            )
        self.force_spread, self.known_spread = force_spread, KnownSpread.of(known_spread)
        # Not trained: the covariance would belong to features of other parameters.
        self.inner: Any = Constant(potential)  # type: ignore[arg-type]
        self.factor = Constant(given)
        self.multipliers = Constant(jnp.nan_to_num(jnp.asarray(scales, jnp.float64)))

    @property
    def potential(self) -> Potential:  # type: ignore[override]
        """The potential whose energies, forces and stresses are the means."""
        return cast(Potential, self.inner.value)

    @property
    def scales(self) -> Scales:
        """What deviations are multiplied by to have the size of errors."""
        known = self.multipliers.value
        return Scales(*jnp.where(known > 0, known, jnp.nan))

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "potential": self.potential.describe()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> LastLayer:
        potential = build(architecture["potential"], path)
        features = network_of(potential).last_layer.shape[0]
        settings = architecture["settings"]
        return cls(
            potential,
            jnp.zeros((features, features)),
            Scales(),
            settings["force_spread"],
            settings.get("known_spread"),
        )

    def knowing(self, spread: KnownSpread | None) -> LastLayer:
        return LastLayer(self.potential, self.factor.value, self.scales, self.force_spread, spread)

    def sample(self, number: int, seed: int, scale: float | None = None) -> PotentialSet:
        """Potentials whose last layers are drawn from the covariance: a set for simulations.

        Args:
            number: of members.
            seed: of the draws.
            scale: by which deviations are multiplied; by default that of energies.  1 leaves those of the posterior, which
                is right where errors are noise of the labels above all, as of forces on beads: scales that were found
                on such labels hold the noise.

        Raises:
            PotentialError: for fewer than two, or when no energies were there to calibrate by.
        """
        scale = float(np.asarray(self.scales.energy)) if scale is None else scale
        if not np.isfinite(scale):
            raise PotentialError(
                "The scale of energies is not known, by which draws of the last layer are calibrated; give scale=1 for "
                "those of the posterior, or calibrate with energies."
            )
        draws = np.random.default_rng(seed).standard_normal((number, len(self.factor.value)))
        layer = np.asarray(network_of(self.potential).last_layer, np.float64)
        weights = layer + scale * draws @ np.asarray(self.factor.value).T
        return PotentialSet.of([with_last_layer(self.potential, jnp.asarray(own)) for own in weights])

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.potential.atomic_energies(graph)

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        return self.potential.differentiate(graph)

    def with_spread(self, graph: Graph) -> WithSpread:
        local, gradient, features = differentiate_with_features(self.potential, graph)
        mean = prediction_of(local, gradient, graph)
        energy_scale, force_scale, stress_scale = jnp.asarray(self.scales)
        weighted = features.astype(jnp.float64) @ self.factor.value
        squares = jnp.where(graph.atom_mask, jnp.sum(weighted**2, axis=-1), 0)
        if self.force_spread == "exact":
            slopes = slopes_of_features(self.potential, graph, self.factor.value.T)
            forces = force_scale * safe_root(jnp.sum(slopes.forces.astype(jnp.float64) ** 2, axis=0))
            strain = stress_scale * safe_root(jnp.sum(slopes.strain_derivative**2, axis=0))
        else:
            near = around(squares[:, None], graph, network_of(self.potential).cutoff)
            forces = jnp.broadcast_to(force_scale * safe_root(near), mean.forces.shape)
            strain = jnp.full_like(mean.strain_derivative, jnp.nan)
        spread = Prediction(
            energy=energy_scale * safe_root(jnp.sum(graph.sum_structures(weighted) ** 2, axis=-1)),
            forces=forces.astype(mean.forces.dtype),
            strain_derivative=strain,
            atomic_energies=energy_scale * safe_root(squares),
        )
        return WithSpread(mean, spread)


def around(squares: Float[Array, "atoms columns"], graph: Graph, cutoff: float) -> Float[Array, "atoms columns"]:
    """The mean over each atom and its neighbours, which count less and less towards the cutoff (Å).

    A force depends on the energies of the neighbours as much as on that of its atom.
    """
    weights = jnp.where(graph.mask, polynomial_envelope(graph.distances() / cutoff), 0).astype(squares.dtype)
    of_neighbours = jnp.einsum("an,anc->ac", weights, graph.from_neighbours(squares))
    return (squares + of_neighbours) / (1 + jnp.sum(weights, axis=1, keepdims=True))


def slopes_of_features(
    potential: Potential, graph: Graph, directions: Float[Array, "directions features"]
) -> Prediction:
    """−∂/∂r and ∂/∂ε of u · Σ_i φ_i for each direction u, as the forces and strain derivatives of a prediction.

    They are those of the network with u for its last layer; its energies hold the references of the atoms as well.
    """
    network = network_of(potential)
    seen = seen_by(network, graph) if isinstance(potential, Sum) else graph
    return with_each_last_layer(network, seen, directions)
