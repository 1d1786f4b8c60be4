"""The structures that the potentials learn from, and the kinds that are kept from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.data import Dataset, read

DFT = Path(__file__).parent.parent / "silicon_dft" / "data"
#: Larger Green–Lagrange strains are kept from the training; the largest ones are a kind of their own.
LARGEST_STRAIN, FAR_STRAIN = 0.06, 0.10
#: Atoms of the cells with an interstitial.
WITH_INTERSTITIAL = 65


@dataclass(frozen=True)
class Kinds:
    """What is learned from, and what is far from it.

    Attributes:
        train, validation, test: at random from crystals at 300 to 1518 K, crystals with a vacancy, strains up to 6 %, and
            surfaces.
        far: kinds of structure of which none is in these: strains of 10 %, interstitials, and the liquid.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    far: dict[str, Dataset]


def kinds(seed: int, training_share: float = 0.6) -> Kinds:
    """Six of ten structures to learn from, two each to validate and to test on.

    Args:
        seed: of the parts.
        training_share: of the structures; what is left is shared by validation and test.
    """
    everything = read(DFT / "Si_train.extxyz") + read(DFT / "Si_test.extxyz")
    liquid = np.array([frame.info["phase"] == "disordered" for frame in everything])
    strain = np.array([abs(float(frame.info["strain"])) for frame in everything])
    near = everything.select(np.flatnonzero(~liquid & (strain < LARGEST_STRAIN + 1e-6)))
    order = np.random.default_rng(seed).permutation(len(near))
    first = round(training_share * len(near))
    second = first + (len(near) - first) // 2
    defects = read(DFT / "Si_defects.extxyz.gz")
    interstitials = [i for i, frame in enumerate(defects) if frame.structure.number_of_atoms == WITH_INTERSTITIAL]
    return Kinds(
        near.select(np.sort(order[:first])),
        near.select(np.sort(order[first:second])),
        near.select(np.sort(order[second:])),
        {
            "strain_10_percent": everything.select(np.flatnonzero(np.isclose(strain, FAR_STRAIN))),
            "interstitial": defects.select(interstitials),
            "liquid": everything.select(np.flatnonzero(liquid)),
        },
    )
