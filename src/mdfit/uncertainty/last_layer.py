"""The uncertainty of a trained network, from the features of its last layer: no second training.

F. Bigi, S. Chong, M. Ceriotti, F. Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024), doi:10.1088/2632-2153/ad805f.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, get_args

import jax
import numpy as np

from mdfit.data import Dataset
from mdfit.data.duplicates import first_of_equal
from mdfit.errors import MdfitError, TrainingError
from mdfit.graph.batches import Batches
from mdfit.objectives.accuracy import accuracy
from mdfit.potentials import LastLayer, Potential, Scales, check_dataset
from mdfit.potentials.last_layer import ForceSpread
from mdfit.potentials.neural import network_of
from mdfit.progress import progress_bar
from mdfit.uncertainty.label_likelihood import expected_noise
from mdfit.uncertainty.last_layer_calibration import Errors, errors_of
from mdfit.uncertainty.last_layer_rows import precision

#: λ in units of the largest eigenvalue of the data's part; below the first one rounding errors of features would count.
LAMBDAS = 10.0 ** np.arange(-12, 0.1, 0.5)


class Spectrum(NamedTuple):
    """What the data say of the weights of the last layer: U diag(values) Uᵀ, with U in columns of ``vectors``."""

    values: np.ndarray
    vectors: np.ndarray


def last_layer(
    potential: Potential,
    training: Dataset,
    validation: Dataset,
    *,
    energy: str | float | None = None,
    forces: str | float | None = None,
    stress: str | float | None = None,
    force_spread: ForceSpread = "cheap",
    regularise: float | Literal["validation"] = "validation",
    probes: int | None = 16,
    batch_size: int = 4,
    seed: int = 0,
    show_progress: bool = True,
) -> LastLayer:
    """A trained potential that knows how sure it is, because it is linear in the weights w of its last layer.

    The covariance of w is the inverse of H = λ 1 + Σ g gᵀ/σ² over the labels of the training set, with g = ∂label/∂w: that
    of the posterior under :class:`LabelLikelihood` and a normal prior of the width 1/√λ.  Deviations that follow from it
    are then multiplied by α, for each kind of label, with α² = ⟨error²/variance⟩ over the labels of the validation set,
    where α is most likely.  By default λ is the most likely one of the validation labels, too, with the best α for each:
    the smallest λ at which H can be factorised, as in the article, would depend on the rounding errors of the features.

    Args:
        potential: a network, or a sum with one network in it, whose uncertainty alone is told.
        training: what it was trained on.
        validation: other structures, of the kind that is expected; what has been used to stop the training will do.
        energy: how far energies per atom are expected to be off (``"15 meV"``), or None to leave energies out.  Without any
            of these three numbers all labels count, with the root mean square errors of the validation set; numbers far
            below the real errors give nearly all weight to one kind of label.
        forces: the same of components of forces (``"0.1 eV/Å"``).
        stress: the same of components of stresses (``"0.1 GPa"``).
        force_spread: ``"cheap"`` or ``"exact"``, see :class:`~mdfit.potentials.LastLayer`.
        regularise: λ, or ``"validation"``.
        probes: random displacements for each feature, all structures together, whose derivatives take the place of those of
            all forces; the variances that follow have relative errors of √(2/(probes · features)), and the cost is that
            of as many evaluations.  None for all forces, at the cost of features/3 evaluations for each structure.
        batch_size: structures evaluated together.
        seed: of the displacements.
        show_progress: a bar with the time left.

    Raises:
        PotentialError: for a potential without a last layer.
        TrainingError: without labels, for fewer labels than features, for validation structures that are training
            structures, and for numbers out of range.
        UnknownSpeciesError: for species that the potential does not know.
    """
    given = {"energy": energy, "forces": forces, "stress": stress}
    stated = [kind for kind, size in given.items() if size is not None]
    check_last_layer(potential, training, validation, stated or labels_of(training))
    if not stated:
        errors = accuracy(potential, validation, batch_size).root_mean_squares()
        given = {kind: errors.get(kind) for kind in labels_of(training)}
    noise = expected_noise(training, given)
    features = network_of(potential).last_layer.shape[0]
    _check_settings(force_spread, regularise, probes, batch_size)
    each = None if probes is None else -(-probes * features // len(training))
    data = Batches(training, potential.cutoff, batch_size)
    tests = Batches(validation, potential.cutoff, batch_size)
    with progress_bar("Last layer", len(data) + len(tests), show=show_progress) as bar:
        total = np.zeros((features, features))
        for index, batch in enumerate(data.in_order()):
            signs = None
            # Where there are so many that all forces cost less, all are taken.
            if each is not None and "forces" in noise and each < features:
                key = jax.random.fold_in(jax.random.key(seed), index)
                signs = jax.random.rademacher(key, (each, *batch.forces.shape), batch.forces.dtype)
            total += np.asarray(precision(potential, batch, noise, signs))
            bar.advance()
        values, vectors = np.linalg.eigh(total)
        spectrum = Spectrum(np.maximum(values, 0), vectors)
        lambdas = spectrum.values[-1] * LAMBDAS if regularise == "validation" else np.array([float(regularise)])
        weights = 1 / (spectrum.values[:, None] + lambdas)
        found = []
        for batch in tests.in_order():
            found.append(errors_of(potential, batch, spectrum.vectors, weights, force_spread))
            bar.advance()
    return _calibrated(potential, Errors.together(found), spectrum, lambdas, force_spread)


def _calibrated(
    potential: Potential, errors: Errors, spectrum: Spectrum, lambdas: np.ndarray, force_spread: ForceSpread
) -> LastLayer:
    best = int(np.argmax(errors.log_likelihood()))
    factor = spectrum.vectors / np.sqrt(spectrum.values + lambdas[best])
    return LastLayer(potential, factor, Scales(**errors.scales(best)), force_spread)


def check_last_layer(potential: Potential, training: Dataset, validation: Dataset, kinds: Collection[str]) -> None:
    """What :func:`last_layer` would refuse, also of a potential that is not trained yet.

    Args:
        potential: see there, as for the data.
        training: see there.
        validation: see there.
        kinds: the labels whose noise is given: ``"energy"``, ``"forces"``, ``"stress"``.

    Raises:
        PotentialError, TrainingError, UnknownSpeciesError: see there.
    """
    features = network_of(potential).last_layer.shape[0]
    for name, dataset in (("training", training), ("validation", validation)):
        try:
            check_dataset(potential, dataset)
        except MdfitError as error:
            raise type(error)(f"In the {name} data: {error}") from error
    known = np.isin(first_of_equal(training + validation)[len(training) :], np.arange(len(training)))
    if known.any():
        raise TrainingError(
            f"{known.sum()} of {len(validation)} validation structures (first: {int(np.argmax(known))}) are training "
            "structures, whose errors are smaller than others: calibrate on structures that were left out."
        )
    if all(getattr(frame, name) is None for frame in validation for name in ("energy", "forces")):
        raise TrainingError("The validation data have neither energies nor forces to calibrate on: add labels.")
    sizes = {"energy": lambda label: 1, "forces": np.size, "stress": lambda label: 6}
    labels = sum(
        size(getattr(frame, name))
        for frame in training
        for name, size in sizes.items()
        if name in kinds and getattr(frame, name) is not None
    )
    if labels < features:
        raise TrainingError(
            f"{labels} labels do not determine the {features} weights of the last layer: give more training structures, or "
            "forces, too."
        )


def labels_of(dataset: Dataset) -> tuple[str, ...]:
    """The kinds of labels that a data set has."""
    return tuple(
        kind for kind in ("energy", "forces", "stress") if any(getattr(frame, kind) is not None for frame in dataset)
    )


def _check_settings(force_spread: str, regularise: float | str, probes: int | None, batch_size: int) -> None:
    if force_spread not in get_args(ForceSpread):
        raise TrainingError(f"force_spread is 'cheap' or 'exact', not {force_spread!r}.")
    if regularise != "validation" and not (isinstance(regularise, (int, float)) and 0 < regularise < np.inf):
        raise TrainingError(f"regularise is a number above 0, or 'validation', not {regularise!r}.")
    for name, number in (("probes", probes), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise TrainingError(f"{name} is a number of at least 1, not {number}.")
