"""Predictions of a potential for many structures, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import equinox as eqx
import numpy as np

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import MdfitError
from mdfit.graph.batches import Batches
from mdfit.potentials.base import Potential
from mdfit.potentials.evaluation import Prediction, evaluate
from mdfit.potentials.spread import evaluate_with_spread
from mdfit.structure import Structure


@dataclass(frozen=True)
class FramePrediction:
    """What a potential says of one structure: eV, eV/Å ``(atoms, 3)``, eV/Å³ ``(3, 3)`` (None without a volume).

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import LennardJones, predict
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> found = predict(LennardJones(), Dataset([LabelledStructure(dimer)]))[0]
        >>> round(found.energy, 3), found.forces[:, 2].round(2), found.stress
        (-0.891, array([ 2.21, -2.21], dtype=float32), None)
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None


def predict(
    potential: Potential, dataset: Dataset, batch_size: int = 8, batches: Batches | None = None
) -> list[FramePrediction]:
    """Energies, forces and stresses for every frame of a data set, in its order.

    Args:
        potential: any potential.
        dataset: its labels are not used.
        batch_size: structures evaluated together.
        batches: those of the data set for the potential's cutoff, when they exist already.

    Raises:
        UnknownSpeciesError, PotentialError, StructureError: as :func:`check_dataset`.
    """
    potential.check_species(set(dataset.species))
    batches = batches or Batches(dataset, potential.cutoff, batch_size)
    predictions: list[FramePrediction] = []
    for batch in batches.in_order():
        result = _evaluate(potential, batch.graph)
        if not np.isfinite(result.energy).all():
            check_dataset(potential, dataset)
        frames = dataset.frames[len(predictions) : len(predictions) + batches.batch_size]
        predictions += _of_frames(result, frames)
    return predictions


def predict_with_spread(
    potential: Potential, dataset: Dataset, batch_size: int = 8, batches: Batches | None = None
) -> list[tuple[FramePrediction, FramePrediction]]:
    """Mean and spread of an uncertain potential for every frame of a data set, in its order.

    Args:
        potential: one that knows its spread.
        dataset: its labels are not used.
        batch_size: structures evaluated together.
        batches: those of the data set for the potential's cutoff, when they exist already.

    Raises:
        PotentialError: for a potential that knows no spread.
        UnknownSpeciesError, StructureError: as :func:`check_dataset`.
    """
    check_dataset(potential, dataset)
    batches = batches or Batches(dataset, potential.cutoff, batch_size)
    found: list[tuple[FramePrediction, FramePrediction]] = []
    for batch in batches.in_order():
        result = _evaluate_with_spread(potential, batch.graph)
        frames = dataset.frames[len(found) : len(found) + batches.batch_size]
        found += zip(_of_frames(result.mean, frames), _of_frames(result.spread, frames), strict=True)
    return found


def _of_frames(result: Prediction, frames: Sequence[LabelledStructure]) -> list[FramePrediction]:
    """Of the structures of a batch, in its order."""
    energy, forces, strain = (np.asarray(a) for a in (result.energy, result.forces, result.strain_derivative))
    predictions, start = [], 0
    for index, frame in enumerate(frames):
        structure = frame.structure
        count = structure.number_of_atoms
        stress = strain[index] / structure.volume if structure.periodic.all() else None
        predictions.append(FramePrediction(float(energy[index]), forces[start : start + count], stress))
        start += count
    return predictions


def labelled_by(potential: Potential, structures: Iterable[Structure]) -> Dataset:
    """Structures with the energy, forces and stress that a potential gives them, from which another one can learn.

    Raises:
        DataError: when there are no structures.
        UnknownSpeciesError, PotentialError, StructureError: as :func:`check_dataset`.
    """
    unlabelled = Dataset(tuple(LabelledStructure(structure) for structure in structures))
    return Dataset(
        tuple(
            LabelledStructure(frame.structure, energy=found.energy, forces=found.forces, stress=found.stress)
            for frame, found in zip(unlabelled, predict(potential, unlabelled), strict=True)
        )
    )


def check_dataset(potential: Potential, dataset: Dataset) -> None:
    """Raises an error when a potential has no meaning for a data set.

    Raises:
        UnknownSpeciesError: when the data hold a species that the potential does not know.
        PotentialError, StructureError: when a frame does not fit the topology of bonded terms, or has a broken bond; the
            message names the frame.
    """
    potential.check_species(set(dataset.species))
    if not potential.reads.order:
        return
    for index in range(len(dataset)):
        try:
            potential.check_structure(dataset[index].structure)
        except MdfitError as error:
            raise type(error)(f"Frame {index}: {error}") from error


_evaluate = eqx.filter_jit(evaluate)
_evaluate_with_spread = eqx.filter_jit(evaluate_with_spread)
