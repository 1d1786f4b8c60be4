"""Potentials from files."""

from __future__ import annotations

from pathlib import Path

from mdfit import models
from mdfit.potentials.base import Potential


def load(path: str | Path) -> Potential:
    """The potential of a file; its energies are bitwise those of the saved one on the same machine.

    Raises:
        ModelFileError: see :func:`mdfit.models.load`.
    """
    return models.load(path, Potential)  # type: ignore[type-abstract]
