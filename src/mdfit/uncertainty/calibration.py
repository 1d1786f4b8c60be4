"""Are error bars as large as errors?  Rescaling on validation data, z-scores, reliability and sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.errors import ObservableError

#: A spread below this part of the root mean square is that of rounding.
ROUNDING = 1e-4
#: Labels that should vanish are off by this part of usual errors, since the program that made them stops converging there.
LABEL_NOISE = 1e-2


@dataclass(frozen=True)
class Reliability:
    """Errors against what was predicted of them.

    Attributes:
        z_score_deviation: root mean square of error / predicted, which should be 1; a bias counts.
        spearman: rank correlation of |error| and predicted.
        levels: probabilities of intervals.
        held: the part of the errors inside the intervals of these levels, which should be the same numbers.
        sharpness: root mean square of what was predicted: of calibrated predictions the smaller one is the better.
        predicted, found: root-mean-square predicted and found errors in groups of equal number, by what was predicted.

    Example:
        >>> import numpy as np
        >>> from mdfit.uncertainty import reliability
        >>> random = np.random.default_rng(0)
        >>> predicted = random.uniform(0.5, 2.0, 1000)
        >>> found = reliability(predicted * random.standard_normal(1000), predicted)
        >>> round(found.z_score_deviation, 1), found.spearman > 0.2
        (1.0, True)
    """

    z_score_deviation: float
    spearman: float
    levels: np.ndarray
    held: np.ndarray
    sharpness: float
    predicted: np.ndarray
    found: np.ndarray


def fixed_by_symmetry(errors: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Which labels vanish by symmetry, as forces on perfect crystals do, for every potential that could be.

    Their spreads are those of rounding, and their errors the noise of the labels, so that the ratio of both means nothing.
    A large error that no spread tells of is none of these: it counts.

    Args:
        errors: ``(labels,)``.
        spreads: ``(labels,)``, or ``(labels, choices)``, of which all must be small.
    """
    sizes = spreads.reshape(len(spreads), -1)
    unsure = (sizes < ROUNDING * np.sqrt(np.mean(sizes**2, axis=0))).all(axis=1)
    return unsure & (np.abs(errors) < LABEL_NOISE * np.sqrt(np.mean(errors**2)))


def variance_scale(errors: np.ndarray, spread: np.ndarray, members: int) -> float:
    """α by which the spread of an ensemble is multiplied to have the size of its errors.

    α² = −1/M + (M − 3)/(M − 1) ⟨(error/spread)²⟩ for M members: the second factor makes up for the few members that the
    spread is estimated from, the first term for the error of their mean.  G. Imbalzano et al., J. Chem. Phys. 154, 074102
    (2021), doi:10.1063/5.0036522.

    Args:
        errors: of the mean of the members, of any shape, on data that none of them was trained on.
        spread: standard deviation of the members (with M − 1), of the same shape.
        members: M.

    Raises:
        ObservableError: for fewer than four members, or a spread of zero.
    """
    ratio = _z_scores(errors, spread)
    if members < 4:
        raise ObservableError(f"The spread of {members} members is too uncertain to be rescaled; take at least four.")
    squared = -1 / members + (members - 3) / (members - 1) * float(np.mean(ratio**2))
    # Ensembles that are far too wide would have a scale below zero.
    return float(np.sqrt(max(squared, 1e-4)))


def reliability(errors: np.ndarray, predicted: np.ndarray, groups: int = 10) -> Reliability:
    """Compares errors with the standard deviations that were predicted for them.

    Args:
        errors: of any shape.
        predicted: standard deviations, of the same shape.
        groups: of equal number, for the reliability plot.

    Raises:
        ObservableError: for shapes that differ, fewer errors than groups, or predictions that are not above zero.
    """
    from scipy import stats

    z_scores = _z_scores(errors, predicted)
    errors, predicted = np.ravel(errors).astype(np.float64), np.ravel(predicted).astype(np.float64)
    if len(errors) < groups:
        raise ObservableError(f"Reliability in {groups} groups needs as many errors at least, not {len(errors)}.")
    levels = np.linspace(0.05, 0.95, 19)
    half = stats.norm.ppf((1 + levels) / 2)
    held = np.array([np.mean(np.abs(z_scores) < limit) for limit in half])
    parts = np.array_split(np.argsort(predicted, kind="stable"), groups)

    def size(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(values**2)))

    return Reliability(
        size(z_scores),
        float(stats.spearmanr(np.abs(errors), predicted).statistic),
        levels,
        held,
        size(predicted),
        np.array([size(predicted[part]) for part in parts]),
        np.array([size(errors[part]) for part in parts]),
    )


def _z_scores(errors: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    errors, predicted = np.ravel(errors).astype(np.float64), np.ravel(predicted).astype(np.float64)
    if errors.shape != predicted.shape:
        raise ObservableError(f"{errors.size} errors do not belong to {predicted.size} predicted ones.")
    if not (predicted > 0).all():
        raise ObservableError(
            "A predicted error is zero or not a number; members that are copies of each other have none."
        )
    return errors / predicted
