"""The numbers of a run, each with its standard error and unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict

from mdfit.errors import DataError
from mdfit.objectives.accuracy import Accuracy
from mdfit.observables.estimate import Estimate
from mdfit.observables.low_frequencies import student_factor
from mdfit.storage import Document, read_json, write_json

if TYPE_CHECKING:
    from mdfit.observables import BlockAverages, Observable
    from mdfit.simulate import Trajectory
    from mdfit.uncertainty import LabelSpread


@dataclass(frozen=True)
class Metric:
    """A value; the standard error is None where there is none (a single deterministic number).

    Value ± one standard error holds the true value with a probability of 68 %, unless ``warning`` says why not.
    ``reference`` is what was measured, or is known otherwise.  ``potential_error`` is the standard deviation of the value
    over the potentials that the data allow, where that is known; the standard error does not hold it.
    """

    value: float
    standard_error: float | None
    unit: str
    warning: str = ""
    reference: float | None = None
    potential_error: float | None = None

    @classmethod
    def of(cls, estimate: Estimate, factor: float = 1.0, unit: str | None = None) -> Metric:
        """A scalar estimate, times a factor that takes it to ``unit``, with its warnings."""
        return cls(
            float(estimate.value) * factor,
            float(estimate.standard_error) * abs(factor),
            estimate.unit if unit is None else unit,
            "; ".join(estimate.warnings),
        )

    @classmethod
    def of_components(cls, estimate: Estimate, names: Sequence[str] | None = None) -> dict[str, Metric]:
        """One metric for each component of an estimate with labels, by their names or others."""
        warning = "; ".join(estimate.warnings)
        parts = zip(names or estimate.labels, estimate.value, estimate.standard_error, strict=True)
        return {name: cls(float(value), float(error), estimate.unit, warning) for name, value, error in parts}


Metrics = dict[str, Metric]

#: Errors from fewer structures carry a warning: Student's factor takes errors for normal, of which there are too few.
FEWEST_FRAMES = 5
#: Fewer frames for each shift of an energy say little about what is left of the error.
_FRAMES_PER_SHIFT = 3


class MetricDocument(Document):
    """A :class:`Metric` in ``metrics.json``."""

    model_config = ConfigDict(allow_inf_nan=True)

    value: float
    standard_error: float | None
    unit: str
    warning: str = ""
    reference: float | None = None
    potential_error: float | None = None


def write_metrics(path: str | Path, metrics: Metrics) -> None:
    """An object: metric name to value, standard error and unit, and the warning where there is one."""
    write_json(path, documents_of(metrics))


def documents_of(metrics: Metrics) -> dict[str, Any]:
    """As JSON types, without what is at its default."""
    optional = ("warning", "reference", "potential_error")
    return {
        name: {key: value for key, value in asdict(metric).items() if value not in ("", None) or key not in optional}
        for name, metric in metrics.items()
    }


def read_metrics(path: str | Path) -> Metrics:
    """The metrics of a run.

    Raises:
        CheckpointError: when the file is missing or damaged.
    """
    return metrics_of(read_json(path, dict[str, MetricDocument]))


def metrics_of(documents: dict[str, MetricDocument]) -> Metrics:
    """The metrics that documents hold."""
    return {name: Metric(**entry.model_dump()) for name, entry in documents.items()}


def estimated(name: str, trajectory: Trajectory, *observables: Observable) -> Metrics:
    """``<observable>/<name>`` for each of several scalars over a simulation, with their standard errors.

    Those that speak against equilibrium carry a warning; see :func:`mdfit.observables.equilibration_warnings`.
    """
    from mdfit.observables import equilibration_warnings, estimate

    unsettled = equilibration_warnings(trajectory)
    metrics: Metrics = {}
    for one in observables:
        result = estimate(one, trajectory)
        warned = replace(result, warnings=unsettled.get(one.name, ()) + result.warnings)
        metrics[f"{one.name.lower()}/{name}"] = Metric.of(warned)
    return metrics


def components(pattern: str, averages: BlockAverages) -> Metrics:
    """A metric for each component of an observable with labels, which stand for ``{}`` in the names."""
    own = averages.observable
    parts = zip(own.labels or (), averages.value, averages.standard_error, strict=True)
    return {pattern.format(label): Metric(float(value), float(error), own.unit) for label, value, error in parts}


def against(metrics: Metrics, references: Mapping[str, float]) -> Metrics:
    """The same metrics, some beside the values that they should have."""
    return {
        name: replace(metric, reference=references[name]) if name in references else metric
        for name, metric in metrics.items()
    }


def accuracy_metrics(
    prefix: str, accuracy: Accuracy, force_unit: str, composition: np.ndarray | None = None
) -> Metrics:
    """Errors of a test set; standard errors from the scatter between structures.

    Args:
        prefix: name of the test set.
        accuracy: predictions beside labels.
        force_unit: of the force errors, eV/Å or meV/Å.
        composition: atoms of each element in every frame, ``(frames, elements)``, as of
            :meth:`mdfit.data.Dataset.composition`; with it energies are also compared after a shift per element.

    Raises:
        DataError: when the potential gives no finite value for a structure.
    """
    from mdfit.units import GIGAPASCAL

    force_factor = 1e3 if force_unit == "meV/Å" else 1.0
    parts = {
        "force": (accuracy.forces, accuracy.force_frames, force_factor, force_unit),
        "energy": (accuracy.energy, accuracy.energy_frames, 1e3, "meV/atom"),
        "stress": (accuracy.stress, accuracy.stress_frames, 1 / GIGAPASCAL, "GPa"),
    }
    out: Metrics = {}
    for name, (pairs, frames, factor, unit) in parts.items():
        if len(pairs) == 0:
            continue
        bad = ~np.isfinite(pairs).all(axis=1)
        if bad.any():
            raise DataError(
                f"The potential gives no finite {name} for frame {int(frames[bad][0])} of '{prefix}': look for atoms that "
                "overlap in it with `mdfit check`, and remove it."
            )
        error = factor * (pairs[:, 1] - pairs[:, 0])
        square, square_error = _mean_over_frames(error**2, frames)
        absolute, absolute_error = _mean_over_frames(np.abs(error), frames)
        number = len(np.unique(frames))
        warning = f"the standard error comes from {number} structures only" if 1 < number < FEWEST_FRAMES else ""
        out[f"{prefix}/{name}_rmse"] = _root(square, square_error, unit, warning)
        out[f"{prefix}/{name}_mae"] = Metric(absolute, absolute_error, unit, warning)
        if name == "energy" and composition is not None:
            out |= _after_shift(prefix, error, composition[frames], unit)
    return out


def spread_metrics(prefix: str, spread: LabelSpread) -> Metrics:
    """How well an uncertain potential predicts its errors: for each kind of label the root mean square of its spread (the
    sharpness), that of error / spread, which should be 1, and the rank correlation of |error| and spread, where there are
    enough labels to tell.

    Args:
        prefix: name of the test set.
        spread: of an uncertain potential.
    """
    from mdfit.units import GIGAPASCAL

    factors = {"energy": (1e3, "meV/atom"), "forces": (1.0, "eV/Å"), "stress": (1 / GIGAPASCAL, "GPa")}
    out: Metrics = {}
    reliable = spread.reliability()
    for kind, (factor, unit) in factors.items():
        name, known = "force" if kind == "forces" else kind, spread.errors(kind)[1]
        if len(known):
            out[f"{prefix}/{name}_spread"] = Metric(factor * float(np.sqrt(np.mean(known**2))), None, unit)
        if kind in reliable:
            out[f"{prefix}/{name}_z_score_deviation"] = Metric(reliable[kind].z_score_deviation, None, "")
            out[f"{prefix}/{name}_spearman"] = Metric(reliable[kind].spearman, None, "")
    return out


def _after_shift(prefix: str, error: np.ndarray, composition: np.ndarray, unit: str) -> Metrics:
    """The error that is left when each element's energy is shifted by what fits best, as for another reference energy.

    The mean square counts the frames less the shifts that they determine; without three frames per shift there is none.
    """
    shares = composition / composition.sum(axis=1, keepdims=True)
    rank = int(np.linalg.matrix_rank(shares, tol=1e-8 * len(shares)))
    if len(error) < _FRAMES_PER_SHIFT * rank:
        return {}
    left = error - shares @ np.linalg.lstsq(shares, error, rcond=1e-10)[0]
    square, square_error = _mean_over_frames(left**2 * len(error) / (len(error) - rank), np.arange(len(error)))
    return {f"{prefix}/energy_rmse_after_shift": _root(square, square_error, unit)}


def _root(square: float, square_error: float | None, unit: str, warning: str = "") -> Metric:
    """The root of a mean square with its standard error."""
    rmse = math.sqrt(square)
    return Metric(rmse, square_error / (2 * rmse) if square_error else None, unit, warning)


def _mean_over_frames(values: np.ndarray, frames: np.ndarray) -> tuple[float, float | None]:
    """The mean over all values, and its standard error when the frames, not the values, are independent."""
    _, index = np.unique(frames, return_inverse=True)
    count = index.max() + 1
    totals, sizes = np.bincount(index, values), np.bincount(index)
    mean = totals.sum() / sizes.sum()
    if count < 2:
        return float(mean), None
    residuals = (totals - mean * sizes) / sizes.mean()
    return float(mean), float(student_factor(count - 1) * np.sqrt(np.sum(residuals**2) / (count * (count - 1))))
