"""Sets of potentials whose spreads are as large as their errors on validation data."""

from __future__ import annotations

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.potentials import PotentialSet, Scales
from mdfit.uncertainty.calibration import variance_scale
from mdfit.uncertainty.label_spread import FEWEST_ERRORS, label_spread


def rescaled(potentials: PotentialSet, validation: Dataset, batch_size: int = 8) -> PotentialSet:
    """The set, whose spreads are multiplied by the factors of :func:`variance_scale`, one for each kind of label.

    Labels are calibrated that way, not averages over simulations, for which members count as they are.

    Args:
        potentials: an ensemble, or samples of a posterior, of at least four.
        validation: structures that none of the members was trained on.
        batch_size: structures evaluated together.

    Raises:
        TrainingError: when there are too few labels of every kind to tell.
        ObservableError: for fewer than four members, or members that are copies of each other.

    Example:
        >>> import numpy as np
        >>> from mdfit import Structure
        >>> from mdfit.potentials import LennardJones, PotentialSet, labelled_by
        >>> from mdfit.uncertainty import rescaled
        >>> dimers = [Structure.in_open_space([[0, 0, 0], [0, 0, r]]) for r in np.linspace(1.0, 1.6, 20)]
        >>> truth = labelled_by(LennardJones(epsilon=1.3), dimers)
        >>> members = [LennardJones(epsilon=epsilon) for epsilon in (0.9, 0.95, 1.0, 1.05, 1.1)]
        >>> rescaled(PotentialSet.of(members), truth).scales.value[:2].round(1).tolist()
        [2.6, 2.6]
    """
    plain = potentials.scaled(Scales(1.0, 1.0, 1.0))
    spread = label_spread(plain, validation, batch_size)
    factors = {}
    for kind in ("energy", "forces", "stress"):
        errors, predicted = spread.errors(kind)
        if len(errors) >= FEWEST_ERRORS:
            factors[kind] = variance_scale(errors, predicted, len(potentials))
    if not factors:
        raise TrainingError(
            f"The validation data have fewer than {FEWEST_ERRORS} labels of every kind, which do not tell how large errors "
            "are; give more structures."
        )
    # A kind without labels is taken to be as far off as the others.
    usual = sum(factors.values()) / len(factors)
    return plain.scaled(Scales(*(factors.get(kind, usual) for kind in ("energy", "forces", "stress"))))
