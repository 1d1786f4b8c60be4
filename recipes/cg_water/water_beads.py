"""Water with one bead per molecule: state points, targets and potentials.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.measurements import Measurement
from mdfit.observables import ADF, RDF, Pressure
from mdfit.potentials import DimeNetPP, InversePower, PairSpline, Potential, Scaling, Sum, trainable_except
from mdfit.simulate import StatePoint
from mdfit.structure import Structure, read_structure
from mdfit.units import BAR, BOLTZMANN, quantity

DATA = Path(__file__).parent / "data"
TEMPERATURE = 296.15
PRESSURE = 1.0  # bar
MASS = 18.0154
#: 901 beads in a cube of 30 Å: 998.3 g/l.
BEADS_PER_VOLUME = 901 / 30.0**3
OXYGEN = 8
#: Both legs of an angle, in Å.
LEG = 3.18
#: The published weight of the squared pressure, 1e-7 per (kJ/mol/nm³)², in 1/bar².
PUBLISHED_PRESSURE_WEIGHT = 1e-7 * (BAR * 1000 / quantity("1 kJ/mol", "eV")) ** 2


def configuration() -> StatePoint:
    """The 901 beads of the publication."""
    beads = read_structure(DATA / "beads.xyz")
    return StatePoint(dataclasses.replace(beads, masses=np.full(beads.number_of_atoms, MASS)), TEMPERATURE)


def lattice(beads: int, seed: int) -> StatePoint:
    """Some of the sites of a simple cubic lattice, chosen at random, at the density of water."""
    edge = (beads / BEADS_PER_VOLUME) ** (1 / 3)
    sites = int(np.ceil(beads ** (1 / 3) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = np.random.default_rng(seed).permutation(len(grid))[:beads]
    structure = Structure(
        species=np.full(beads, OXYGEN, np.int32),
        positions=grid[chosen] * edge / sites,
        cell=np.eye(3) * edge,
        periodic=np.ones(3, bool),
        masses=np.full(beads, MASS),
    )
    return StatePoint(structure, TEMPERATURE)


def radial(at: StatePoint, together: int = 1) -> RDF:
    """O-O, in bins of 1/30 Å, or so many of them together, up to 10 Å or to half the cell."""
    half = float(np.diag(at.structure.cell).min()) / 2
    bins = min(300, int(half * 30)) // together
    return RDF(bins * together / 30, bins)


def angular(together: int = 1) -> ADF:
    """O-O-O, in 200 bins, or so many of them together; angles are smeared by the width of one of the 200."""
    return ADF(LEG, bins=200 // together, smearing=np.pi / 200)


def targets(
    at: StatePoint, pressure_weight: float, angle_weight: float | None = None, together: tuple[int, int] = (1, 1)
) -> list[Measurement]:
    """The measured O-O distribution, the pressure in 1/bar² and, with a weight, the O-O-O distribution.

    ``together`` are the numbers of bins of both distributions that are averaged.
    """
    doi = "10.1103/PhysRevLett.101.065502"
    distances, angles = together
    curve = radial(at, distances)
    shells = np.diff(np.arange(curve.bins * distances + 1.0) ** 3)
    measured = _averaged(RDF(curve.r_max, curve.bins * distances), "oxygen_rdf.csv", at, shells, distances)
    chosen = [
        Measurement(curve, measured, at, weight=1.0, doi=doi),
        Measurement(Pressure(), PRESSURE, at, weight=pressure_weight),
    ]
    if angle_weight is not None:
        measured = _averaged(angular(), "oxygen_adf.csv", at, np.ones(200), angles)
        chosen.append(Measurement(angular(angles), measured, at, weight=angle_weight, doi=doi))
    return chosen


def _averaged(curve: RDF | ADF, file: str, at: StatePoint, weights: np.ndarray, together: int) -> np.ndarray:
    """A measured curve in wider bins."""
    fine = np.asarray(Measurement(curve, DATA / file, at, weight=1.0).value)
    products, weights = (array.reshape(-1, together).sum(axis=1) for array in (fine * weights, weights))
    return products / weights


def published(at: StatePoint) -> tuple[Measurement, Measurement]:
    """The O-O and O-O-O distributions of the published DimeNet++ model in 10 ns, in the place of measurements."""
    return (
        Measurement(radial(at), DATA / "published_rdf.csv", at, weight=1.0),
        Measurement(angular(), DATA / "published_adf.csv", at, weight=1.0),
    )


def prior() -> InversePower:
    """ε(σ/r)¹² with ε = 1 kJ/mol and σ = 3.165 Å, switched off between 4.5 and 5 Å; it is never trained."""
    return InversePower("1 kJ/mol", "3.165 Å", cutoff="5 Å", power=12, switch_start="4.5 Å")


def zero_spline(cutoff: float, intervals: int) -> PairSpline:
    """A spline from 2.2 Å to the cutoff (Å) that is zero."""
    return PairSpline("2.2 Å", cutoff, intervals)


def flat_spline() -> Sum:
    """A spline of 38 intervals up to 7.5 Å, and the prior."""
    return zero_spline(7.5, 38) + prior()


def small_network(seed: int) -> Sum:
    """DimeNet++ of one interaction block with a cutoff of 4.5 Å, whose energies are of the order of kT, and the prior."""
    network = DimeNetPP(
        (OXYGEN,),
        4.5,
        edge_channels=16,
        triplet_channels=8,
        output_channels=16,
        blocks=1,
        radial_functions=6,
        angular_functions=4,
        residuals_after=1,
        output_layers=2,
        scaling=Scaling({OXYGEN: 0.0}, scale=BOLTZMANN * TEMPERATURE),
        key=jax.random.key(seed),
    )
    return network + prior()


def published_network(seed: int) -> Sum:
    """DimeNet++ of the published size with a cutoff of 5 Å, and the prior."""
    scaling = Scaling({OXYGEN: 0.0}, scale=BOLTZMANN * TEMPERATURE)
    return DimeNetPP((OXYGEN,), 5.0, scaling=scaling, key=jax.random.key(seed)) + prior()


def all_but_the_prior(potential: Potential) -> Any:
    """Flags for training: all terms but the last."""
    return trainable_except(potential, [-1])


def sizes(trained: Any, spline: float) -> Any:
    """Sizes of the trained parameters: that of the spline in eV, and 1 for those of a network."""
    terms = []
    for term in trained.terms:
        size = spline if isinstance(term, PairSpline) else 1.0
        terms.append(jax.tree.map(partial(jnp.full_like, fill_value=size), term))
    return eqx.tree_at(lambda tree: tree.terms, trained, tuple(terms))
