"""Tensors of edges that are products of matrices of their atom, and so are never formed."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.potentials.couplings import coupling, paths

#: For some orders, ``(2 l + 1, atoms, channels)`` each.
Rows = dict[int, Float[Array, "components atoms channels"]]
#: For orders of the result and of what is multiplied, ``(2 l + 1, 2 l' + 1, atoms, channels)`` each.
Blocks = dict[tuple[int, int], Float[Array, "out components atoms channels"]]


class Tensors(eqx.Module):
    """The tensors of all edges, which are never formed: T_ij = P_i (w_ij ∘ Y_ij), channel by channel.

    As a product multiplies the tensors of all edges of an atom by the same surroundings, it is a matrix of the atom, and
    P_i the product of these; there are far fewer atoms than edges.

    Attributes:
        shares: w of each order, ``(atoms, neighbours, channels)``.
        harmonics: Y of each order, ``(atoms, neighbours, 2 l + 1)``.
        factors: of P, the last one first.
    """

    shares: list[Float[Array, "atoms neighbours channels"]]
    harmonics: list[Float[Array, "atoms neighbours components"]]
    factors: tuple[Blocks, ...] = ()

    def multiplied(self, matrix: Blocks) -> Tensors:
        """From the left."""
        return Tensors(self.shares, self.harmonics, (matrix, *self.factors))

    def inner(self, rows: Rows) -> Float[Array, "atoms neighbours channels"]:
        """Inner products with rows for each atom, which reach the edges only after all factors."""
        for factor in self.factors:
            rows = _times(rows, factor)
        terms = []
        for order, own in rows.items():
            parts = [self.harmonics[order][:, :, m, None] * own[m][:, None] for m in range(2 * order + 1)]
            terms.append(self.shares[order] * _sum(parts))
        return _sum(terms)

    def scalars(self) -> Float[Array, "atoms neighbours channels"]:
        """The tensors of order 0."""
        first, *rest = self.factors
        rows = {right: block[0] for (out, right), block in first.items() if out == 0}
        return Tensors(self.shares, self.harmonics, tuple(rest)).inner(rows)


def _times(rows: Rows, factor: Blocks) -> Rows:
    """Rows times a matrix."""
    found: dict[int, list[Array]] = {}
    for (out, right), block in factor.items():
        if out in rows:
            found.setdefault(right, []).append(jnp.sum(rows[out][:, None] * block, axis=0))
    return {right: _sum(terms) for right, terms in found.items()}


def _sum(terms: Sequence[Array]) -> Array:
    return sum(terms[1:], start=terms[0])


def surroundings_of(share: Array, harmonics: Array) -> Float[Array, "components atoms channels"]:
    """The weighted sum over neighbours, one component after the other, which keeps arrays at the size of the scalars."""
    return jnp.stack([jnp.sum(share * harmonics[..., m, None], axis=1) for m in range(harmonics.shape[-1])])


def matrix_of(around: Rows, path_weights: Float[Array, "paths channels"], order: int) -> Blocks:
    """What the surroundings do to the tensors of the edges."""
    blocks: dict[tuple[int, int], list[Array]] = {}
    for path, weights in zip(paths(order), path_weights, strict=True):
        left = around[path.left] * weights
        table = jnp.asarray(coupling(path, order), left.dtype)
        product = table.reshape(-1, len(left)) @ left.reshape(len(left), -1)
        block = product.reshape(*table.shape[:2], *left.shape[1:])
        blocks.setdefault((path.out, path.right), []).append(block)
    return {place: _sum(parts) for place, parts in blocks.items()}
