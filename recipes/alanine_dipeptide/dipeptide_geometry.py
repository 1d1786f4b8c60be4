"""Lengths of bonds and angles between them, which a time step that is too long disturbs first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dipeptide_distributions import RESAMPLES, Angles
from dipeptide_model import topology

from mdfit.observables import Angle, Distance, jensen_shannon_divergence, variable_per_frame
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import Trajectory

#: Of each distribution, over what the reference visits and half as much on either side.
BINS = 40


@dataclass(frozen=True)
class Geometry:
    """Bonds in Å and angles in rad of several chains with the bias, ``(chains, frames, bonds or angles)``.

    Attributes:
        weights: of the frames in the ensemble without bias, up to a factor.
    """

    bonds: np.ndarray
    angles: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, trajectory: Trajectory) -> Geometry:
        shape = topology()
        bonds = [variable_per_frame(Distance(*atoms), trajectory)[..., 0] for atoms in shape.bonds]
        angles = [variable_per_frame(Angle(*atoms), trajectory)[..., 0] for atoms in shape.angles]
        return cls(np.stack(bonds, axis=-1), np.stack(angles, axis=-1), Angles.of(trajectory).weights)

    def divergences(self, name: str, reference: Geometry, seed: int) -> Metrics:
        """Jensen–Shannon divergences from the reference, means over all bonds and over all angles.

        Errors by drawing chains with replacement.
        """
        draws = np.random.default_rng(seed).integers(len(self.weights), size=(RESAMPLES, len(self.weights)))
        metrics: Metrics = {}
        for kind in ("bonds", "angles"):
            edges = [_edges(values) for values in np.moveaxis(getattr(reference, kind), -1, 0)]
            expected = reference._histograms(kind, edges).sum(axis=0)
            own = self._histograms(kind, edges)
            value, *resampled = (_divergence(own[chosen].sum(axis=0), expected) for chosen in (slice(None), *draws))
            metrics[f"jensen_shannon_{kind}/{name}"] = Metric(value, float(np.std(resampled)), "nat")
        return metrics

    def _histograms(self, kind: str, edges: list[np.ndarray]) -> np.ndarray:
        """``(chains, bonds or angles, bins)``; what lies outside counts to the outermost bins."""
        values = getattr(self, kind)

        def histogram(one: np.ndarray, limits: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return np.histogram(np.clip(one, limits[0], limits[-1]), limits, weights=weights)[0]

        return np.array(
            [
                [histogram(one, limits, weights) for one, limits in zip(chain.T, edges, strict=True)]
                for chain, weights in zip(values, self.weights, strict=True)
            ]
        )


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.linspace(low - (high - low) / 2, high + (high - low) / 2, BINS + 1)


def _divergence(histograms: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([jensen_shannon_divergence(a, b) for a, b in zip(histograms, expected, strict=True)]))
