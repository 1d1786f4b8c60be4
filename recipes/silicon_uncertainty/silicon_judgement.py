"""Errors against what was predicted of them, structures that are far, and properties of the crystal with intervals."""

from __future__ import annotations

import numpy as np
from ase.build import bulk
from scipy.stats import spearmanr
from silicon_kinds import Kinds

from mdfit.data import Dataset
from mdfit.potentials import LastLayer, PotentialSet, UncertainPotential, known_spread
from mdfit.properties import elastic_constants, relax_cell
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.structure import Structure
from mdfit.uncertainty import Coverage, LabelSpread, credible_interval, label_spread, structure_spreads, times_known

#: Of the data: the cell without stress in Å, elastic constants at ±2 % strain in GPa.
DFT_VALUES = {"lattice_constant": 5.4687, "C11": 153.0, "C12": 57.0}
UNITS = {"lattice_constant": "Å", "C11": "GPa", "C12": "GPa"}


def judged(name: str, potential: UncertainPotential, kinds: Kinds) -> tuple[Metrics, LabelSpread]:
    """Metrics of one method, and its errors on the test set."""
    spread = label_spread(potential, kinds.test)
    metrics = errors_and_spreads(name, "test", spread)
    z_scores = {kind: one.z_score_deviation for kind, one in spread.reliability().items()}
    metrics[f"z_score_deviation/{name}"] = Metric(z_scores["forces"], None, "")
    metrics[f"z_score_deviation_energy/{name}"] = Metric(z_scores["energy"], None, "")
    metrics[f"spearman/{name}"] = Metric(rank_correlation(spread), None, "")
    metrics |= flagged(name, "test", potential, kinds.test)
    for kind, structures in kinds.far.items():
        metrics |= errors_and_spreads(name, kind, label_spread(potential, structures))
        metrics |= flagged(name, kind, potential, structures)
    return metrics, spread


def errors_and_spreads(name: str, kind: str, spread: LabelSpread) -> Metrics:
    """Root mean squares of the errors of forces, and of what was predicted of them."""
    errors, predicted = lengths(spread)
    return {
        f"force_error/{kind}/{name}": Metric(float(np.sqrt(np.mean(errors**2) / 3)), None, "eV/Å"),
        f"force_spread/{kind}/{name}": Metric(float(np.sqrt(np.mean(predicted**2) / 3)), None, "eV/Å"),
    }


def lengths(spread: LabelSpread) -> tuple[np.ndarray, np.ndarray]:
    """For each atom the length of the error of its force, and that of the spread."""
    pairs = spread.accuracy.forces
    errors = (pairs[:, 1] - pairs[:, 0]).reshape(-1, 3)
    return np.linalg.norm(errors, axis=1), np.linalg.norm(spread.forces.reshape(-1, 3), axis=1)


def rank_correlation(spread: LabelSpread) -> float:
    """Spearman's, of the lengths of errors and of spreads over all atoms."""
    return float(spearmanr(*lengths(spread)).statistic)


def flagged(name: str, kind: str, potential: UncertainPotential, structures: Dataset) -> Metrics:
    """The part of the structures that spread further than what the data know."""
    known = known_spread(potential)
    assert known is not None
    beyond = times_known(structure_spreads(potential, structures), known) > 1
    found = Coverage(int(beyond.sum()), len(beyond))
    low, high = found.interval(0.68)
    return {f"flagged/{kind}/{name}": Metric(found.value, (high - low) / 2, "")}


def crystal(name: str, potential: UncertainPotential, members: int, seed: int) -> Metrics:
    """Lattice constant and elastic constants at 0 K, of each member: mean, spread, and whether 95 % intervals hold DFT."""
    if isinstance(potential, LastLayer):
        potential = potential.sample(members, seed)
    assert isinstance(potential, PotentialSet)
    values = np.array([_crystal(member) for member in potential])
    metrics: Metrics = {}
    for column, (quantity, reference) in enumerate(DFT_VALUES.items()):
        interval = credible_interval(values[:, column])
        own = Metric(float(interval.mean), float(interval.spread), UNITS[quantity], reference=reference)
        metrics[f"{quantity}/{name}"] = own
        metrics[f"covered/{quantity}/{name}"] = Metric(float(interval.holds(reference)), None, "")
    return metrics


def _crystal(potential: object) -> tuple[float, float, float]:
    start = Structure.from_ase(bulk("Si", "diamond", a=DFT_VALUES["lattice_constant"], cubic=True))
    cell = relax_cell(potential, start)  # type: ignore[arg-type]
    constants = elastic_constants(potential, cell)  # type: ignore[arg-type]
    return float(cell.cell[0, 0]), constants.c11, constants.c12
