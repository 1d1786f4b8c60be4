"""Water with one bead per molecule: where it is simulated, and what was measured there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdfit.measurements import Measurement
from mdfit.observables import ADF, RDF, Pressure
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import StatePoint
from mdfit.structure import Structure, read_structure
from mdfit.units import BAR, quantity

DATA = Path(__file__).parent / "data"
TEMPERATURE = 296.15
MASS = 18.0154
#: 901 beads in a cube of 30 Å: 998.3 g/l.
BEADS_PER_VOLUME = 901 / 30.0**3
OXYGEN = 8
#: Both legs of an angle, in Å.
LEG = 3.18
#: The published weight of the squared pressure, 1e-7 per (kJ/mol/nm³)², in 1/bar².
PUBLISHED_PRESSURE_WEIGHT = 1e-7 * (BAR * 1000 / quantity("1 kJ/mol", "eV")) ** 2
#: Labels of the axes of the curves.
AXES = {"rdf": ("r (Å)", "g(r), O-O"), "adf": ("angle (rad)", "p(angle), O-O-O (1/rad)")}


def configuration() -> StatePoint:
    """The 901 beads of the publication."""
    beads = read_structure(DATA / "beads.xyz")
    return StatePoint(beads.replace(masses=np.full(beads.number_of_atoms, MASS)), TEMPERATURE)


def lattice(beads: int, seed: int) -> StatePoint:
    """Some of the sites of a simple cubic lattice, chosen at random, at the density of water."""
    edge = (beads / BEADS_PER_VOLUME) ** (1 / 3)
    sites = int(np.ceil(beads ** (1 / 3) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = np.random.default_rng(seed).permutation(grid)[:beads] * edge / sites
    structure = Structure(np.full(beads, OXYGEN), places, np.eye(3) * edge, np.ones(3, bool), np.full(beads, MASS))
    return StatePoint(structure, TEMPERATURE)


def radial(structure: Structure, together: int = 1) -> RDF:
    """O-O, in bins of 1/30 Å, or so many of them together, up to 10 Å or to half the cell."""
    half = float(np.diag(structure.cell).min()) / 2
    bins = min(300, int(half * 30)) // together
    return RDF(bins * together / 30, bins)


def angular(together: int = 1) -> ADF:
    """O-O-O, in 200 bins, or so many of them together; angles are smeared by the width of one of the 200."""
    return ADF(LEG, bins=200 // together, smearing=np.pi / 200)


def targets(
    at: StatePoint, pressure_weight: float, angle_weight: float | None = None, together: tuple[int, int] = (1, 1)
) -> list[Measurement]:
    """The measured O-O distribution, the pressure (1 bar; weight in 1/bar²) and, with a weight, the O-O-O distribution.

    ``together`` are the numbers of bins of both distributions that are averaged.
    """
    doi = "10.1103/PhysRevLett.101.065502"
    (distances, angles), measured = together, known("oxygen", at)
    curve = radial(at.structure, distances)
    shells = np.diff(np.arange(curve.bins * distances + 1.0) ** 3).reshape(-1, distances)
    pairs = measured["rdf"][: shells.size].reshape(shells.shape)
    chosen = [
        Measurement(curve, np.average(pairs, axis=1, weights=shells), at, weight=1.0, doi=doi),
        Measurement(Pressure(), 1.0, at, weight=pressure_weight),
    ]
    if angle_weight is not None:
        triplets = measured["adf"].reshape(-1, angles).mean(axis=1)
        chosen.append(Measurement(angular(angles), triplets, at, weight=angle_weight, doi=doi))
    return chosen


def observables(structure: Structure) -> dict[str, RDF | ADF]:
    """Both distributions, on the bins of the measured ones."""
    return {"rdf": radial(structure), "adf": angular()}


def known(which: str, at: StatePoint) -> dict[str, np.ndarray]:
    """Both distributions: ``"oxygen"``, as measured, or ``"published"``, of the published DimeNet++ model in 10 ns."""
    return {
        kind: np.asarray(Measurement(curve, DATA / f"{which}_{kind}.csv", at, weight=1.0).value)
        for kind, curve in observables(at.structure).items()
    }


def published_metrics(at: StatePoint) -> Metrics:
    """How far the published model is from what was measured; its curves have no errors."""
    measured = known("oxygen", at)
    return {
        f"{kind}_rmse/published": Metric(float(np.sqrt(np.mean((curve - measured[kind]) ** 2))), None, unit)
        for (kind, curve), unit in zip(known("published", at).items(), ("", "1/rad"), strict=True)
    }
