"""Dihedral angles φ and ψ: their densities, the basins, and how far models are from the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from dipeptide_model import BIAS, DATA, PHI_ATOMS, TOPOLOGY
from dipeptide_scales import TEMPERATURE

from mdfit.data import Frames
from mdfit.observables import (
    Angle,
    Basin,
    BasinPopulations,
    BlockAverages,
    Dihedral,
    Distance,
    Distribution,
    Interval,
    JointDistribution,
    drift,
    jensen_shannon_divergence,
    mean_divergence,
    mean_squared_density_error,
    variable_per_frame,
)
from mdfit.recipes.comparison import density_deviations
from mdfit.recipes.metrics import Metric, Metrics, components
from mdfit.recipes.script import Request
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN

PHI, PSI = Dihedral(*PHI_ATOMS), Dihedral(3, 4, 6, 8)
#: Of the α carbon, and its sign in L-alanine: the mirror image has the other one.
HANDEDNESS, L_HANDED = Dihedral(3, 5, 4, 6), -1.0
BINS = 60
DENSITY = JointDistribution(Distribution(PHI, bins=BINS), Distribution(PSI, bins=BINS))
#: A time step that is too long disturbs them first.
GEOMETRY = {
    "bonds": [Distance(*atoms) for atoms in TOPOLOGY.bonds],
    "angles": [Angle(*atoms) for atoms in TOPOLOGY.angles],
}
#: Parts of the reference that count as independent for error bars.
BLOCKS = 10
_NEGATIVE, _POSITIVE = ("120 deg", "-30 deg"), ("30 deg", "120 deg")
_COILED, _EXTENDED = ("-120 deg", "60 deg"), ("60 deg", "-120 deg")
_ANGLES = {
    "C5": (("120 deg", "-110 deg"), _EXTENDED),
    "PPII": (("-110 deg", "-30 deg"), _EXTENDED),
    "alpha_R": (_NEGATIVE, _COILED),
    "alpha_L": (_POSITIVE, _COILED),
    "left_extended": (_POSITIVE, _EXTENDED),
}
#: They cover all values once; where φ is eclipsed beads overlap.
BASINS = (
    *(Basin(name, (Interval(PHI, *phi), Interval(PSI, *psi))) for name, (phi, psi) in _ANGLES.items()),
    Basin("eclipsed", (Interval(PHI, "-30 deg", "30 deg"),)),
)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A simulation with the bias, weighted as if there were none.

    Attributes:
        name: in the metrics.
        trajectory: of independent chains.
        weights: of the frames, ``(chains, frames)``, up to a factor.
        density: of φ and ψ, per rad².
        populations: ``population/<basin>/<name>``.
    """

    name: str
    trajectory: Trajectory
    weights: np.ndarray
    density: BlockAverages
    populations: Metrics

    @classmethod
    def of(cls, request: Request, name: str, trajectory: Trajectory) -> Ensemble:
        file, weights = name.replace("/", "_"), unbiasing_weights(trajectory)
        density = request.average(f"density_{file}", DENSITY, trajectory, 1, weights)
        populations = request.average(f"basins_{file}", BasinPopulations(BASINS), trajectory, 1, weights)
        return cls(name, trajectory, weights, density, components(f"population/{{}}/{name}", populations))

    @classmethod
    def of_frames(cls, request: Request, name: str, beads: Frames) -> Ensemble:
        """Of one chain, whose tenths count as independent; frames spread over it need not be at equal intervals."""
        runs = [replace(part, times=None) for part in beads.parts(BLOCKS)]
        return cls.of(request, name, Trajectory.of_frames(*runs, temperature=TEMPERATURE))

    def motion(self) -> Metrics:
        """Whether the populations can be trusted: passages, drift, and frames of the mirror image.

        ``crossings``: how often a chain, with the bias, enters or leaves 30° < φ < 120°.  ``drift``: what the second half
        of the chains has more of its population than the first half.
        """
        phi = np.degrees(variable_per_frame(PHI, self.trajectory)[..., 0])
        inside = (phi >= 30) & (phi < 120)
        hands = np.sign(variable_per_frame(HANDEDNESS, self.trajectory))
        return {
            f"crossings/{self.name}": Metric(float(np.count_nonzero(np.diff(inside, axis=1))), None, ""),
            f"drift/{self.name}": Metric(*drift(inside, self.weights), ""),
            f"mirror_image/{self.name}": Metric(float(np.mean(hands != L_HANDED)), None, ""),
        }

    def judged(self, reference: Ensemble) -> Metrics:
        """Distances from the reference, populations, and whether they can be trusted."""
        return self.distances(reference) | self.populations | self.motion()

    def distances(self, reference: Ensemble) -> Metrics:
        """Of the density from that of the reference, which counts as exact."""
        return density_deviations(self.name, self.density, reference.density.value, TEMPERATURE, "dihedral")

    def geometry(self, reference: Ensemble) -> Metrics:
        """Jensen–Shannon divergences from the reference, means over all bonds and over all angles."""
        weights = {"weights": self.weights, "reference_weights": reference.weights}
        return {
            f"jensen_shannon_{kind}/{self.name}": Metric(
                *mean_divergence(variables, self.trajectory, reference.trajectory, **weights), "nat"
            )
            for kind, variables in GEOMETRY.items()
        }


def unbiasing_weights(trajectory: Trajectory) -> np.ndarray:
    """Of the frames in the ensemble without bias, ``(chains, frames)``, up to a factor."""
    phi = variable_per_frame(PHI, trajectory)[..., 0]
    return np.exp(sum(k * (1 + np.cos(n * phi - phase)) for n, k, phase in BIAS) / (BOLTZMANN * TEMPERATURE))


def halves(density: BlockAverages) -> Metrics:
    """The distances between the two halves of the reference: what its length leaves open."""
    first, second = density.halves()
    metrics = density_deviations("reference", first, second.value, TEMPERATURE, "dihedral")
    return {name: replace(metric, standard_error=None) for name, metric in metrics.items()}


def published_density(column: str) -> np.ndarray:
    """A column of the published table: ``rho_AA``, ``rho_FM``, ``rho_RE`` or ``rho_FM+RE``."""
    table = np.genfromtxt(DATA / "published_ramachandran.csv", delimiter=",", names=True, deletechars="")
    order = np.lexsort((table["psi_deg"], table["phi_deg"]))
    return table[column][order].reshape(BINS, BINS)


def published_metrics(reference: np.ndarray) -> Metrics:
    """The published densities, whose errors are not known, against each other, and their reference against ours."""
    atoms, columns = published_density("rho_AA"), {"force_matching": "FM", "relative_entropy": "RE", "both": "FM+RE"}
    pairs = {name: (published_density(f"rho_{column}"), atoms) for name, column in columns.items()}
    pairs["tip3p_against_reference"] = (atoms, reference)
    metrics: Metrics = {}
    for name, (density, other) in pairs.items():
        error, divergence = mean_squared_density_error(density, other), jensen_shannon_divergence(density, other)
        metrics[f"dihedral_density_mse/published_{name}"] = Metric(error, None, "rad^-4")
        metrics[f"jensen_shannon/published_{name}"] = Metric(divergence, None, "nat")
    return metrics
