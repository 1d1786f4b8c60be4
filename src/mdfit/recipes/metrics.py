"""The numbers of a run, each with its standard error and unit."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import ConfigDict

from mdfit.errors import DataError
from mdfit.storage import Document, read_json, write_json
from mdfit.training.accuracy import Accuracy


@dataclass(frozen=True)
class Metric:
    """A value; the standard error is None where there is none (a single deterministic number)."""

    value: float
    standard_error: float | None
    unit: str


Metrics = dict[str, Metric]

#: Fewer frames for each shift of an energy say little about what is left of the error.
_FRAMES_PER_SHIFT = 3


class MetricDocument(Document):
    """A :class:`Metric` in ``metrics.json``."""

    model_config = ConfigDict(allow_inf_nan=True)

    value: float
    standard_error: float | None
    unit: str


def write_metrics(path: str | Path, metrics: Metrics) -> None:
    """An object: metric name to value, standard error and unit."""
    write_json(path, {name: asdict(m) for name, m in metrics.items()})


def read_metrics(path: str | Path) -> Metrics:
    """The metrics of a run.

    Raises:
        CheckpointError: when the file is missing or damaged.
    """
    documents: dict[str, MetricDocument] = read_json(path, dict[str, MetricDocument])
    return {name: Metric(**entry.model_dump()) for name, entry in documents.items()}


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
        out[f"{prefix}/{name}_rmse"] = _root(square, square_error, unit)
        out[f"{prefix}/{name}_mae"] = Metric(absolute, absolute_error, unit)
        if name == "energy" and composition is not None:
            out |= _after_shift(prefix, error, composition[frames], unit)
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


def _root(square: float, square_error: float | None, unit: str) -> Metric:
    """The root of a mean square with its standard error."""
    rmse = math.sqrt(square)
    return Metric(rmse, square_error / (2 * rmse) if square_error else None, unit)


def _mean_over_frames(values: np.ndarray, frames: np.ndarray) -> tuple[float, float | None]:
    """The mean over all values, and its standard error when the frames, not the values, are independent."""
    _, index = np.unique(frames, return_inverse=True)
    count = index.max() + 1
    totals, sizes = np.bincount(index, values), np.bincount(index)
    mean = totals.sum() / sizes.sum()
    if count < 2:
        return float(mean), None
    residuals = (totals - mean * sizes) / sizes.mean()
    return float(mean), float(np.sqrt(np.sum(residuals**2) / (count * (count - 1))))
