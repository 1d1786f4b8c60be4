"""Dihedral angles φ and ψ: their densities, the basins, and how far models are from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from dipeptide_reference import BIAS, DATA, PHI_ATOMS
from dipeptide_scales import TEMPERATURE

from mdfit.observables import (
    Basin,
    BasinPopulations,
    Dihedral,
    Interval,
    free_energy_error,
    jackknife,
    jensen_shannon_divergence,
    mean_squared_density_error,
    per_frame,
    variable_per_frame,
)
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.reweighting import kish_effective_size, systematic_resampling
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN

PHI, PSI = Dihedral(*PHI_ATOMS), Dihedral(3, 4, 6, 8)
#: Of the α carbon: of one sign in L-alanine, of the other in its mirror image.
HANDEDNESS = Dihedral(3, 5, 4, 6)
#: Its sign in L-alanine.
L_HANDED = -1.0
BINS = 60
#: Samples of chains for error bars.
RESAMPLES = 50


def _basin(name: str, phi: tuple[str, str], psi: tuple[str, str]) -> Basin:
    return Basin(name, (Interval(PHI, *phi), Interval(PSI, *psi)))


_NEGATIVE, _POSITIVE = ("120 deg", "-30 deg"), ("30 deg", "120 deg")
_COILED, _EXTENDED = ("-120 deg", "60 deg"), ("60 deg", "-120 deg")
#: They cover all values once.
BASINS = (
    _basin("C5", ("120 deg", "-110 deg"), _EXTENDED),
    _basin("PPII", ("-110 deg", "-30 deg"), _EXTENDED),
    _basin("alpha_R", _NEGATIVE, _COILED),
    _basin("alpha_L", _POSITIVE, _COILED),
    _basin("left_extended", _POSITIVE, _EXTENDED),
    # Beads overlap there.
    Basin("eclipsed", (Interval(PHI, "-30 deg", "30 deg"),)),
)


@dataclass(frozen=True)
class Angles:
    """φ and ψ in rad of several chains with the bias, ``(chains, frames)``.

    Attributes:
        weights: of the frames in the ensemble without bias, up to a factor.
    """

    phi: np.ndarray
    psi: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, trajectory: Trajectory) -> Angles:
        phi, psi = (variable_per_frame(one, trajectory)[..., 0] for one in (PHI, PSI))
        bias = sum(k * (1 + np.cos(n * phi - phase)) for n, k, phase in BIAS)
        return cls(phi, psi, np.exp(bias / (BOLTZMANN * TEMPERATURE)))

    def select(self, chains: np.ndarray | slice, frames: slice = slice(None)) -> Angles:
        return Angles(*(a[chains][:, frames] for a in (self.phi, self.psi, self.weights)))

    def blocks(self, number: int) -> Angles:
        """One chain cut into so many, as if they were independent."""
        length = self.phi.shape[1] // number
        one_chain = self.select(slice(1), slice(number * length))
        return Angles(*(a.reshape(number, length) for a in (one_chain.phi, one_chain.psi, one_chain.weights)))

    def density(self) -> np.ndarray:
        """Per rad² on 60 × 60 bins of the whole ring, φ first."""
        edges = np.linspace(-np.pi, np.pi, BINS + 1)
        columns = (self.phi.ravel(), self.psi.ravel())
        return np.histogram2d(*columns, bins=(edges, edges), density=True, weights=self.weights.ravel())[0]

    def unbiased(self, seed: int) -> np.ndarray:
        """Numbers of frames of one chain, drawn by their weights: as many as the weighted ones are worth."""
        logarithms = np.log(self.weights[0] / self.weights[0].sum())
        number = int(kish_effective_size(jnp.asarray(logarithms)))
        return systematic_resampling(logarithms, number, np.random.default_rng(seed))


def published_density(column: str) -> np.ndarray:
    """A column of the published table: ``rho_AA``, ``rho_FM``, ``rho_RE`` or ``rho_FM+RE``."""
    table = np.genfromtxt(DATA / "published_ramachandran.csv", delimiter=",", names=True, deletechars="")
    order = np.lexsort((table["psi_deg"], table["phi_deg"]))
    return table[column][order].reshape(BINS, BINS)


def populations(name: str, trajectory: Trajectory, blocks: int | None = None) -> Metrics:
    """``population/<basin>/<name>``; errors by leaving out one chain, or block of one chain, after the other."""
    angles = Angles.of(trajectory)
    inside = per_frame(BasinPopulations(BASINS), trajectory)
    if blocks is not None:
        angles = angles.blocks(blocks)
        inside = inside[0, : angles.weights.size].reshape(*angles.weights.shape, -1)
    parts = np.einsum("cfb,cf->cb", inside, angles.weights)
    sums = np.concatenate([parts, angles.weights.sum(axis=1, keepdims=True)], axis=1)
    values, errors = jackknife(lambda mean: mean[:-1] / mean[-1], sums)
    return {
        f"population/{basin.name}/{name}": Metric(float(value), float(error), "")
        for basin, value, error in zip(BASINS, values, errors, strict=True)
    }


def motion(name: str, trajectory: Trajectory, angles: Angles) -> Metrics:
    """Whether the populations can be trusted: passages, drift, and frames of the mirror image.

    ``crossings``: how often a chain, with the bias, enters or leaves 30° < φ < 120°.  ``drift``: what the second half of
    the chains has more of its population than the first half.
    """
    inside = (angles.phi >= np.radians(30)) & (angles.phi < np.radians(120))
    middle = inside.shape[1] // 2
    parts = (slice(middle), slice(middle, None))
    sums = [(angles.weights * factor)[:, part].sum(axis=1) for part in parts for factor in (inside, 1.0)]
    change, error = jackknife(lambda mean: mean[2] / mean[3] - mean[0] / mean[1], np.stack(sums, axis=1))
    hands = np.sign(variable_per_frame(HANDEDNESS, trajectory))
    return {
        f"crossings/{name}": Metric(float(np.count_nonzero(np.diff(inside, axis=1))), None, ""),
        f"drift/{name}": Metric(float(change), float(error), ""),
        f"mirror_image/{name}": Metric(float(np.mean(hands != L_HANDED)), None, ""),
    }


def distances(name: str, angles: Angles, reference: np.ndarray, seed: int) -> Metrics:
    """Mean squared density error, Jensen–Shannon divergence and free-energy error against a density.

    Errors by drawing chains with replacement; the density itself counts as exact.
    """
    draws = np.random.default_rng(seed).integers(len(angles.phi), size=(RESAMPLES, len(angles.phi)))
    resampled = [angles.select(chosen).density() for chosen in draws]

    def free_energy(density: np.ndarray, other: np.ndarray) -> float:
        return 1000 * free_energy_error(density, other, TEMPERATURE, empty=0.5)

    kinds = {
        "dihedral_density_mse": (mean_squared_density_error, "rad^-4"),
        "jensen_shannon": (jensen_shannon_divergence, "nat"),
        "free_energy_error": (free_energy, "meV"),
    }
    own = angles.density()
    return {
        f"{kind}/{name}": Metric(
            float(measure(own, reference)), float(np.std([measure(one, reference) for one in resampled])), unit
        )
        for kind, (measure, unit) in kinds.items()
    }


def halves(angles: Angles) -> Metrics:
    """The same distances between the two halves of the reference: what its length leaves open."""
    middle = angles.phi.shape[1] // 2
    first, second = (angles.select(slice(None), part) for part in (slice(middle), slice(middle, None)))
    metrics = distances("reference", first, second.density(), seed=0)
    return {name: Metric(metric.value, None, metric.unit) for name, metric in metrics.items()}
