"""Arrays that a run leaves for its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdfit.storage import atomic_path


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes named arrays to a compressed ``.npz`` file, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
