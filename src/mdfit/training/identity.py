"""What a training is made of, so that only the same one is taken up again."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

from mdfit._version import __version__
from mdfit.data import Dataset
from mdfit.models import Model
from mdfit.objectives import Objective
from mdfit.storage import Document, fingerprint

#: Sizes of the initial parameters agree this well between machines.
SAME = 1e-3


class Identity(Document):
    """Digests of the parts of a training.

    Attributes:
        objective: with its data and settings.
        optimizer: with its schedules.
        validation: the data to validate on.
        settings: how often is validated, patience, averaging, seed.
        architecture: of the model, and what of it is trained.
        start: Euclidean norm of each array of the model at the start; not a digest, because machines round the last
            digit of initial parameters differently.
        mdfit_version: that began the training.
    """

    objective: str
    optimizer: str
    validation: str
    settings: str
    architecture: str
    start: list[float]
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
            start=[float(np.linalg.norm(array)) for array in arrays],
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
            same = len(self.start) == len(before.start) and np.allclose(self.start, before.start, rtol=SAME, atol=1e-12)
            found += [] if same else ["another start of the parameters"]
        return found
