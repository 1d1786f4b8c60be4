"""How far the distributions of many variables, all bonds of a molecule for instance, are from those of a reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdfit.observables.collective_variables import CollectiveVariable
from mdfit.observables.density_comparison import jensen_shannon_divergence
from mdfit.observables.per_frame import variable_per_frame
from mdfit.observables.statistics import bootstrap
from mdfit.simulate import Trajectory


def mean_divergence(
    variables: Sequence[CollectiveVariable],
    trajectory: Trajectory,
    reference: Trajectory,
    *,
    weights: np.ndarray | None = None,
    reference_weights: np.ndarray | None = None,
    bins: int = 40,
    draws: int = 50,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean over the variables of the Jensen–Shannon divergence of their distributions in nat, and its standard error.

    Bins extend over what the reference visits and half as much on either side; what lies outside counts to the outermost
    ones.  The error comes from drawing replicas with replacement; the reference counts as exact.

    Args:
        variables: each of one tuple of atoms.
        trajectory: of several independent replicas.
        reference: of the same atoms.
        weights: of the frames, ``(replicas, frames)``.
        reference_weights: the same for the reference.
        bins: of each distribution.
        draws: of replicas.
        seed: of the draws.

    Raises:
        ObservableError: when a trajectory lacks the atoms, or a value is not finite.
    """
    own, expected = [], []
    for variable in variables:
        known = variable_per_frame(variable, reference)[..., 0]
        low, high = known.min(), known.max()
        edges = np.linspace(low - (high - low) / 2, high + (high - low) / 2, bins + 1)
        expected.append(_histograms(known, edges, reference_weights).sum(axis=0))
        own.append(_histograms(variable_per_frame(variable, trajectory)[..., 0], edges, weights))

    def divergence(chains: np.ndarray) -> float:
        pairs = zip(chains.sum(axis=0), expected, strict=True)
        return float(np.mean([jensen_shannon_divergence(one, other) for one, other in pairs]))

    value, error = bootstrap(divergence, np.stack(own, axis=1), draws, seed)
    return float(value), float(error)


def _histograms(values: np.ndarray, edges: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Of every replica, ``(replicas, bins)``."""
    shares = np.ones(values.shape) if weights is None else weights
    inside = np.clip(values, edges[0], edges[-1])
    return np.array([np.histogram(one, edges, weights=own)[0] for one, own in zip(inside, shares, strict=True)])
