"""Errors on validation data against the variances of the last layer, for several regularisers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import TrainingError
from mdfit.graph.batches import Batch
from mdfit.potentials import Potential, evaluate
from mdfit.potentials.evaluation import VOIGT
from mdfit.potentials.last_layer import ForceSpread, around
from mdfit.potentials.neural import network_of
from mdfit.uncertainty.calibration import fixed_by_symmetry
from mdfit.uncertainty.last_layer_rows import features_of, label_rows

#: Of each kind of label: errors ``(labels,)``, and variances ``(labels, regularisers)``.
Pair = tuple[np.ndarray, np.ndarray]


class Errors(NamedTuple):
    """Errors and uncalibrated variances by label: of energies (eV), forces (eV/Å) and stresses (eV/Å³).

    Attributes:
        pairs: errors ``(labels,)`` and variances ``(labels, regularisers)``, of labels that are there.
    """

    pairs: dict[str, Pair]

    @classmethod
    def together(cls, parts: Sequence[Errors]) -> Errors:
        """Those of several batches, without labels whose variance is zero (isolated atoms) or that vanish by symmetry."""
        pairs = {}
        for name in parts[0].pairs:
            errors, variances = (np.concatenate(column) for column in zip(*(p.pairs[name] for p in parts), strict=True))
            sure = np.asarray((variances > 0).all(axis=1))
            if sure.any():
                sure[sure] = ~fixed_by_symmetry(errors[sure], np.sqrt(variances[sure]))
                pairs[name] = errors[sure], variances[sure]
        if not pairs:
            raise TrainingError(
                "No validation label depends on the last layer of the potential; give other structures."
            )
        return cls(pairs)

    def squared_scales(self) -> dict[str, np.ndarray]:
        """α² = ⟨error²/variance⟩ by label, for each regulariser."""
        return {
            name: np.mean(errors[:, None] ** 2 / variances, axis=0) for name, (errors, variances) in self.pairs.items()
        }

    def log_likelihood(self) -> np.ndarray:
        """Σ log N(error; 0, α² variance) with the best α, for each regulariser, up to a constant."""
        squares = self.squared_scales()
        return sum(
            -0.5 * len(errors) * np.log(squares[name]) - 0.5 * np.log(variances).sum(axis=0)
            for name, (errors, variances) in self.pairs.items()
        )

    def scales(self, regulariser: int) -> dict[str, float]:
        """α by label."""
        return {name: float(np.sqrt(square[regulariser])) for name, square in self.squared_scales().items()}


def errors_of(
    potential: Potential,
    batch: Batch,
    vectors: Float[ArrayLike, "features features"],
    weights: Float[ArrayLike, "features regularisers"],
    force_spread: ForceSpread,
) -> Errors:
    """Errors of a batch, and their variances: Σ_k (row · vector_k)² weight_k, with the rows of label or atom."""
    found = _errors_and_variances(potential, batch, jnp.asarray(vectors), jnp.asarray(weights), force_spread)
    pairs = {}
    for name, (errors, variances, mask) in found.items():
        kept = np.asarray(mask)
        pairs[name] = np.asarray(errors, np.float64)[kept], np.asarray(variances)[kept]
    return Errors(pairs)


@eqx.filter_jit
def _errors_and_variances(
    potential: Potential, batch: Batch, vectors: Array, weights: Array, force_spread: ForceSpread
) -> dict[str, tuple[Array, Array, Array]]:
    def variances(rows: Array) -> Array:
        return (rows.astype(jnp.float64) @ vectors) ** 2 @ weights

    prediction = evaluate(potential, batch.graph)
    features = features_of(potential, batch.graph)
    of_structures = variances(batch.graph.sum_structures(features))
    found = {"energy": (prediction.energy - batch.energy, of_structures, batch.energy_mask)}
    forces = (prediction.forces - batch.forces).reshape(-1)
    forces_mask = jnp.repeat(batch.forces_mask, 3)
    if force_spread == "cheap":
        near = around(variances(features), batch.graph, network_of(potential).cutoff)
        found["forces"] = forces, jnp.repeat(near, 3, axis=0), forces_mask
        return found
    rows = label_rows(potential, batch, {"forces": 1.0, "stress": 1.0})
    stress = (prediction.stress(batch.volumes) - batch.stress)[:, *VOIGT].reshape(-1)
    found["forces"] = forces, variances(rows["forces"]), forces_mask
    found["stress"] = stress, variances(rows["stress"]), jnp.repeat(batch.stress_mask, 6)
    return found
