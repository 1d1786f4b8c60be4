"""How far the forces of an uncertain potential spread where data know it, and which structures lie beyond."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from mdfit.data import Dataset
from mdfit.errors import DataError, PotentialError
from mdfit.graph.batches import Batches
from mdfit.potentials import (
    Potential,
    Sum,
    UncertainPotential,
    check_dataset,
    evaluate_with_spread,
    largest_force_spread,
)
from mdfit.potentials.base import terms_of

#: Fewer structures do not tell a quantile of so few of them.
FEWEST_STRUCTURES = 10


def force_spreads(potential: Potential, dataset: Dataset, batch_size: int = 8) -> np.ndarray:
    """How unsure a potential is of each structure: the largest spread of a force of its atoms, ``(structures,)`` in eV/Å.

    Args:
        potential: one that knows its spread.
        dataset: its labels are not used.
        batch_size: structures evaluated together.

    Raises:
        PotentialError: for a potential that knows no spread.
        UnknownSpeciesError, StructureError: as :func:`mdfit.potentials.check_dataset`.
    """
    check_dataset(potential, dataset)
    found: list[np.ndarray] = []
    for batch in Batches(dataset, potential.cutoff, batch_size).in_order():
        found.append(np.asarray(_largest(potential, batch.graph), np.float64))
    return np.concatenate(found)[: len(dataset)]


def with_known_spread(potential: Potential, validation: Dataset, flagged: float = 0.01) -> Potential:
    """The potential, which knows how far its forces spread on data that it was not trained on.

    Simulations with it warn, or stop, where they spread further.

    Args:
        potential: one that knows its spread; in a sum, one term.
        validation: structures that were not trained on, as large as those to come: the largest spread of more atoms is
            larger.
        flagged: the part of these structures that is let to lie beyond.

    Raises:
        DataError: for a part that is no probability, or too few structures to tell it.
        PotentialError: for a potential that knows no spread, or a sum with several uncertain terms.
    """
    if not 0 <= flagged < 1:
        raise DataError(
            f"The part of the validation structures that is flagged is 0 or more and below 1, not {flagged}."
        )
    needed = max(FEWEST_STRUCTURES, int(np.ceil(1 / flagged)) if flagged else FEWEST_STRUCTURES)
    if len(validation) < FEWEST_STRUCTURES:
        raise DataError(
            f"{len(validation)} validation structures do not tell which spread is usual; give at least {FEWEST_STRUCTURES} "
            f"({needed} for a part of {flagged})."
        )
    if sum(isinstance(term, UncertainPotential) for term in terms_of(potential)) > 1:
        raise PotentialError(
            "Several terms of the sum are uncertain, so that one number does not tell how far each spreads; make a set of "
            "sums instead of a sum of sets."
        )
    limit = float(np.quantile(force_spreads(potential, validation), 1 - flagged, method="higher"))
    terms = tuple(term.knowing(limit) if isinstance(term, UncertainPotential) else term for term in terms_of(potential))
    return Sum(terms) if isinstance(potential, Sum) else terms[0]


_largest = eqx.filter_jit(
    lambda potential, graph: largest_force_spread(evaluate_with_spread(potential, graph).spread, graph)
)
