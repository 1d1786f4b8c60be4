"""The Stillinger–Weber potential for tetrahedral elements.

F. H. Stillinger, T. A. Weber, Phys. Rev. B 31, 5262 (1985), doi:10.1103/PhysRevB.31.5262.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential


class StillingerWeber(Potential):
    """Pairs plus a penalty for angles that are not tetrahedral, for one element.

    E = ½ Σ_ij Aε [B(σ/r)ᵖ − 1] e^{σ/(r−aσ)} + Σ_i Σ_{j<k} λε (cos θ_jik + 1/3)² e^{γσ/(r_ij−aσ) + γσ/(r_ik−aσ)}

    The triplet sum factorises into sums over neighbours of scalars, vectors and second-rank tensors, so that the cost
    grows with the number of neighbours, not with its square.

    Args:
        species: atomic number.
        epsilon: in eV.
        sigma: in Å.
        a: cutoff over sigma.
        strength: λ.
        gamma, big_a, big_b: γ, A, B.
        power: p.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import StillingerWeber, energies
        >>> silicon = build_graph(Structure.from_ase(bulk("Si", cubic=True)), cutoff=3.8)
        >>> round(float(energies(StillingerWeber.silicon(), silicon)[0]) / 8, 3)
        -4.337
    """

    species: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    sigma: float = eqx.field(static=True)
    a: float = eqx.field(static=True)
    power: int = eqx.field(static=True)
    epsilon: Float[Array, ""]
    strength: Float[Array, ""]
    gamma: Float[Array, ""]
    big_a: Float[Array, ""]
    big_b: Float[Array, ""]

    def __init__(
        self,
        species: int | tuple[int, ...] = (14,),
        epsilon: float = 2.1683,
        sigma: float = 2.0951,
        a: float = 1.8,
        strength: float = 21.0,
        gamma: float = 1.2,
        big_a: float = 7.049556277,
        big_b: float = 0.6022245584,
        power: int = 4,
    ):
        self.species = (species,) if isinstance(species, int) else tuple(species)
        self.sigma, self.a, self.power = sigma, a, power
        self.epsilon, self.strength, self.gamma = (jnp.asarray(x, jnp.float64) for x in (epsilon, strength, gamma))
        self.big_a, self.big_b = jnp.asarray(big_a, jnp.float64), jnp.asarray(big_b, jnp.float64)

    @classmethod
    def silicon(cls) -> StillingerWeber:
        """The parameters of the original work."""
        return cls()

    @classmethod
    def germanium(cls) -> StillingerWeber:
        """K. Ding, H. C. Andersen, Phys. Rev. B 34, 6987 (1986), doi:10.1103/PhysRevB.34.6987."""
        return cls(species=(32,), epsilon=1.93, sigma=2.181, strength=31.0)

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        return self.a * self.sigma

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        dtype = graph.dtype
        epsilon, strength, gamma, big_a, big_b = (
            parameter.astype(dtype) for parameter in (self.epsilon, self.strength, self.gamma, self.big_a, self.big_b)
        )
        distances = graph.distances()
        inside = graph.mask & (distances < self.cutoff)
        # Outside the cutoff the exponent is replaced before it is evaluated, so that gradients stay finite.
        inverse_gap = self.sigma / jnp.where(inside, distances - self.cutoff, -self.sigma)
        ratio = self.sigma / jnp.where(inside, distances, self.sigma)
        pairs = big_a * (big_b * ratio**self.power - 1) * jnp.exp(inverse_gap)
        two_body = 0.5 * jnp.sum(jnp.where(inside, pairs, 0), axis=1)
        weights = jnp.where(inside, jnp.exp(gamma * inverse_gap), 0)
        three_body = strength * self._angular(graph.vectors / distances[..., None], weights)
        return (epsilon * (two_body + three_body)).astype(jnp.float64)

    @staticmethod
    def _angular(
        directions: Float[Array, "atoms neighbours 3"], weights: Float[Array, "atoms neighbours"]
    ) -> Float[Array, " atoms"]:
        """Σ_{j<k} h_j h_k (cos θ + 1/3)², with (cos θ + 1/3)² = cos²θ + ⅔ cos θ + 1/9 and cos θ = u_j · u_k."""
        weighted = weights[..., None] * directions
        vector = jnp.sum(weighted, axis=1)
        tensor = jnp.einsum("aki,akj->aij", weighted, directions)
        everything = (
            jnp.sum(tensor**2, axis=(1, 2)) + 2 / 3 * jnp.sum(vector**2, axis=1) + jnp.sum(weights, axis=1) ** 2 / 9
        )
        # Each neighbour with itself contributes (1 + 1/3)².
        return 0.5 * (everything - 16 / 9 * jnp.sum(weights**2, axis=1))
