"""Errors on labels beside the spread that an uncertain potential gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.data import Dataset
from mdfit.graph.batches import Batches
from mdfit.objectives.accuracy import Accuracy, compare
from mdfit.potentials import Potential, predict_with_spread
from mdfit.potentials.evaluation import VOIGT
from mdfit.uncertainty.calibration import Reliability, fixed_by_symmetry, reliability

#: Fewer errors tell nothing of how they are distributed.
FEWEST_ERRORS = 20


@dataclass(frozen=True, eq=False)
class LabelSpread:
    """Predictions of a data set, their errors, and what was predicted of these.

    Attributes:
        accuracy: labels and mean predictions.
        energy: spreads in eV per atom, for frames with the label, in the order of ``accuracy``.
        forces: ``(components,)`` in eV/Å.
        stress: ``(components,)`` in eV/Å³.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import LennardJones, PotentialSet
        >>> from mdfit.uncertainty import label_spread
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> both = PotentialSet.of([LennardJones(epsilon=0.9), LennardJones(epsilon=1.1)])
        >>> label_spread(both, Dataset([LabelledStructure(dimer, energy=-1.0)])).energy.round(3)
        array([0.063])
    """

    accuracy: Accuracy
    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray

    def errors(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Errors of ``"energy"``, ``"forces"`` or ``"stress"``, and their spreads.

        Left out are labels without a known spread, and those that vanish by symmetry (:func:`fixed_by_symmetry`).
        """
        pairs, spreads = getattr(self.accuracy, kind), getattr(self, kind)
        errors = pairs[:, 1] - pairs[:, 0]
        if kind == "stress":
            # Rows are those of the full matrix, of which six are independent.
            errors, spreads = (one.reshape(-1, 3, 3)[:, *VOIGT].ravel() for one in (errors, spreads))
        known = np.isfinite(spreads) & (spreads > 0)
        if known.any():
            known[known] = ~fixed_by_symmetry(errors[known], spreads[known])
        return errors[known], spreads[known]

    def reliability(self) -> dict[str, Reliability]:
        """Of each kind of label of which there are enough."""
        found = {}
        for kind in ("energy", "forces", "stress"):
            errors, spreads = self.errors(kind)
            if len(errors) >= FEWEST_ERRORS:
                found[kind] = reliability(errors, spreads)
        return found


def label_spread(
    potential: Potential, dataset: Dataset, batch_size: int = 8, batches: Batches | None = None
) -> LabelSpread:
    """Predictions of an uncertain potential beside the labels of a data set.

    Args:
        potential: one that knows its spread.
        dataset: with labels.
        batch_size: structures evaluated together.
        batches: those of the data set for the potential's cutoff, when they exist already.

    Raises:
        PotentialError: for a potential that knows no spread.
        UnknownSpeciesError, StructureError: as :func:`mdfit.potentials.check_dataset`.
    """
    means, spreads = zip(*predict_with_spread(potential, dataset, batch_size, batches), strict=True)
    of_spreads = compare(list(spreads), dataset)
    return LabelSpread(
        compare(list(means), dataset), of_spreads.energy[:, 1], of_spreads.forces[:, 1], of_spreads.stress[:, 1]
    )
