"""How far an uncertain potential spreads where data know it, and which structures lie beyond."""

from __future__ import annotations

import equinox as eqx
import numpy as np

from mdfit.data import Dataset
from mdfit.errors import DataError, PotentialError
from mdfit.graph.batches import Batches
from mdfit.potentials import (
    KnownSpread,
    Potential,
    StructureSpread,
    Sum,
    UncertainPotential,
    check_dataset,
    evaluate_with_spread,
    structure_spread,
)
from mdfit.potentials.base import terms_of

#: Fewer structures do not tell a quantile of so few of them.
FEWEST_STRUCTURES = 10


def structure_spreads(potential: Potential, dataset: Dataset, batch_size: int = 8) -> StructureSpread:
    """How unsure a potential is of each structure: spreads ``(structures,)`` of forces, energy and virial per atom.

    Args:
        potential: one that knows its spread.
        dataset: its labels are not used.
        batch_size: structures evaluated together.

    Raises:
        DataError: for a structure of which the potential gives no finite spread.
        PotentialError: for a potential that knows no spread.
        UnknownSpeciesError, StructureError: as :func:`mdfit.potentials.check_dataset`.
    """
    check_dataset(potential, dataset)
    found = [
        [np.asarray(one, np.float64) for one in _spread(potential, batch.graph)]
        for batch in Batches(dataset, potential.cutoff, batch_size).in_order()
    ]
    spreads = StructureSpread(*(np.concatenate(parts)[: len(dataset)] for parts in zip(*found, strict=True)))
    told = spreads.told()
    finite = np.all([np.isfinite(one) for one in told.values()], axis=0)
    if not told or not finite.all():
        raise DataError(
            f"The potential gives no finite spread for structure {int(np.argmin(finite))}: look for atoms that overlap in "
            "it, and remove it."
        )
    return spreads


def times_known(spreads: StructureSpread, known: KnownSpread) -> np.ndarray:
    """How many times what is known each structure spreads, by the largest of its spreads; above 1 it lies beyond.

    Raises:
        PotentialError: when nothing that is known is told.
    """
    told = spreads.told()
    ratios = [told[kind] / limit for kind, limit in known._asdict().items() if limit is not None and kind in told]
    if not ratios:
        raise PotentialError("The potential tells none of the spreads that are known; make it with with_known_spread.")
    # A spread that is not a number is no small one.
    return np.nan_to_num(np.max(ratios, axis=0), nan=np.inf, posinf=np.inf)


def with_known_spread(
    potential: Potential, validation: Dataset, flagged: float = 0.01, margin: float = 1.0
) -> Potential:
    """The potential, which knows how far its forces, energies and virials spread on data that it was not trained on.

    Simulations with it warn, or stop, where they spread further.

    Args:
        potential: one that knows its spread; in a sum, one term.
        validation: structures that were not trained on, as large as those to come: the largest spread of more atoms is
            larger.
        flagged: the part of these structures that may lie beyond, by any of the spreads.
        margin: by which the limits are multiplied, above 1 where few structures do not tell how far the tail reaches.

    Raises:
        DataError: for a part that is no probability, fewer than ten structures, or one without a finite spread.
        PotentialError: for a potential that knows no spread, or a sum with several uncertain terms.
    """
    if not 0 <= flagged < 1:
        raise DataError(
            f"The part of the validation structures that is flagged is 0 or more and below 1, not {flagged}."
        )
    if not 0 < margin < np.inf:
        raise DataError(f"The margin of the known spread is a number above 0, not {margin}.")
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
    spreads = structure_spreads(potential, validation)
    told = spreads.told()
    # Of what is flagged an equal part for each of them.
    level = 1 - flagged / len(told)
    known = KnownSpread(
        **{kind: margin * float(np.quantile(one, level, method="higher")) for kind, one in told.items()}
    )
    terms = tuple(term.knowing(known) if isinstance(term, UncertainPotential) else term for term in terms_of(potential))
    return Sum(terms) if isinstance(potential, Sum) else terms[0]


_spread = eqx.filter_jit(
    lambda potential, graph: structure_spread(evaluate_with_spread(potential, graph).spread, graph)
)
