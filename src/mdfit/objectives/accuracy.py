"""How well a potential reproduces the labels of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdfit.data import Dataset
from mdfit.graph.batches import Batches
from mdfit.potentials import Potential
from mdfit.potentials.dataset_predictions import FramePrediction, predict


@dataclass(frozen=True)
class Accuracy:
    """Labels and predictions of a data set, and the errors between them.

    Attributes:
        energy: ``(frames, 2)`` label and prediction in eV per atom, for frames with the label.
        forces: ``(components, 2)`` in eV/Å.
        stress: ``(components, 2)`` in eV/Å³.
        force_species: ``(components,)`` atomic number that each force component belongs to.
        energy_frames, force_frames, stress_frames: the frame that each row belongs to.
        frames: the number of frames.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.training import accuracy
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> found = accuracy(LennardJones(), Dataset([LabelledStructure(dimer, energy=-1.0)]))
        >>> round(found.summary()["energy_rmse"], 1)
        54.5
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    force_species: np.ndarray
    energy_frames: np.ndarray
    force_frames: np.ndarray
    stress_frames: np.ndarray
    frames: int

    def summary(self) -> dict[str, float]:
        """Root-mean-square and mean absolute errors: energy in meV/atom, forces in eV/Å, stress in GPa."""
        from mdfit.units import GIGAPASCAL

        pairs = {"energy": (self.energy, 1e3), "force": (self.forces, 1.0), "stress": (self.stress, 1 / GIGAPASCAL)}
        out = {}
        for name, (values, factor) in pairs.items():
            if len(values):
                error = (values[:, 1] - values[:, 0]) * factor
                out[f"{name}_rmse"] = float(np.sqrt(np.mean(error**2)))
                out[f"{name}_mae"] = float(np.mean(np.abs(error)))
        return out

    def root_mean_squares(self) -> dict[str, float]:
        """Root-mean-square errors of the labels that are there, in eV (``"energy"``, per atom), eV/Å and eV/Å³."""
        pairs = {"energy": self.energy, "forces": self.forces, "stress": self.stress}
        return {kind: float(np.sqrt(np.mean((own[:, 1] - own[:, 0]) ** 2))) for kind, own in pairs.items() if len(own)}

    def of_frames(self, chosen: np.ndarray) -> Accuracy:
        """The part of the frames with these indices."""
        energy, forces = np.isin(self.energy_frames, chosen), np.isin(self.force_frames, chosen)
        stress = np.isin(self.stress_frames, chosen)
        return Accuracy(
            energy=self.energy[energy],
            forces=self.forces[forces],
            stress=self.stress[stress],
            force_species=self.force_species[forces],
            energy_frames=self.energy_frames[energy],
            force_frames=self.force_frames[forces],
            stress_frames=self.stress_frames[stress],
            frames=len(chosen),
        )

    def per_species(self) -> dict[int, float]:
        """Root-mean-square force error (eV/Å) per species."""
        squared = (self.forces[:, 1] - self.forces[:, 0]) ** 2
        return {int(z): float(np.sqrt(squared[self.force_species == z].mean())) for z in np.unique(self.force_species)}


def accuracy(potential: Potential, dataset: Dataset, batch_size: int = 8, batches: Batches | None = None) -> Accuracy:
    """Predictions beside the labels of a data set; frames without a label are left out of its errors."""
    return compare(predict(potential, dataset, batch_size, batches), dataset)


def compare(predictions: list[FramePrediction], dataset: Dataset) -> Accuracy:
    """Predictions of every frame beside its labels."""
    energy, forces, stress, species, energy_frames, force_frames, stress_frames = [], [], [], [], [], [], []
    for index, prediction in enumerate(predictions):
        frame = dataset[index]
        atoms = frame.structure.number_of_atoms
        if frame.energy is not None:
            energy.append((frame.energy / atoms, prediction.energy / atoms))
            energy_frames.append(index)
        if frame.forces is not None:
            forces.append(np.stack([frame.forces.ravel(), prediction.forces.ravel()], axis=1))
            species.append(np.repeat(frame.structure.species, 3))
            force_frames.append(np.full(3 * atoms, index))
        if frame.stress is not None and prediction.stress is not None:
            stress.append(np.stack([frame.stress.ravel(), prediction.stress.ravel()], axis=1))
            stress_frames.append(np.full(9, index))
    empty = [np.zeros((0, 2))]
    return Accuracy(
        energy=np.array(energy).reshape(-1, 2),
        forces=np.concatenate(forces or empty),
        stress=np.concatenate(stress or empty),
        force_species=np.concatenate(species or [np.zeros(0, np.int32)]),
        energy_frames=np.array(energy_frames, int),
        force_frames=np.concatenate(force_frames or [np.zeros(0, int)]),
        stress_frames=np.concatenate(stress_frames or [np.zeros(0, int)]),
        frames=len(predictions),
    )
