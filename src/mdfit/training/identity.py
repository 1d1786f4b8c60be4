"""What a training is made of, so that only the same one is taken up again."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import numpy as np
import optax
from pydantic import Field

from mdfit._version import __version__
from mdfit.data import Dataset
from mdfit.models import Model
from mdfit.objectives import Objective
from mdfit.storage import Document, fingerprint

#: Initial parameters agree this well between machines, relative to their size.
SAME = 1e-5


class Identity(Document):
    """Digests of the parts of a training.

    Attributes:
        objective: with its data and settings.
        optimizer: with its schedules.
        validation: the data to validate on.
        settings: how often is validated, patience, averaging, seed.
        architecture: of the model, and what of it is trained.
        start: of each array of the model at the start its Euclidean norm and its product with fixed random numbers; not a
            digest, because machines round the last digit of initial parameters differently.
        mdfit_version: that began the training.
    """

    objective: str
    optimizer: str
    validation: str
    settings: str
    architecture: str
    start: list[Annotated[list[float], Field(min_length=2, max_length=2)]]
    mdfit_version: str

    @classmethod
    def of(
        cls,
        model: Model,
        flags: Any,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        validation: Dataset | Objective | None,
        settings: tuple[Any, ...],
    ) -> Identity:
        """That of a training; ``flags`` tell what of the model is trained."""
        arrays = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(model) if hasattr(leaf, "dtype")]
        return cls(
            objective=fingerprint(objective),
            optimizer=fingerprint(optimizer),
            validation=fingerprint(validation),
            settings=fingerprint(settings),
            architecture=fingerprint((model.architecture(), jax.tree.leaves(flags))),
            start=[_projection(array) for array in arrays],
            mdfit_version=__version__,
        )

    def differences(self, before: Identity) -> list[str]:
        """What was different, in words."""
        words = {
            "objective": "other data or settings of the objective",
            "optimizer": "another optimizer or learning rate",
            "validation": "other data to validate on",
            "settings": "another seed, averaging or way to validate",
            "architecture": "another model",
            "mdfit_version": f"mdfit {before.mdfit_version} (now {self.mdfit_version})",
        }
        found = [text for name, text in words.items() if getattr(self, name) != getattr(before, name)]
        if "another model" not in found:
            same = len(self.start) == len(before.start) and all(map(_agree, self.start, before.start))
            found += [] if same else ["another start of the parameters"]
        return found


def _projection(array: np.ndarray) -> list[float]:
    weights = np.random.default_rng(array.size).standard_normal(array.size)
    return [float(np.linalg.norm(array)), float(weights @ array.ravel())]


def _agree(first: list[float], second: list[float]) -> bool:
    return bool(np.allclose(first, second, rtol=0, atol=SAME * first[0] + 1e-12))
