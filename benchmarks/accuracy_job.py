"""One training of `accuracy.py`, as the program that does it sees it. Standard library and numpy only."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Job:
    """What to train, and where.

    Attributes:
        model: which of the program's models.
        data: directory of `train.xyz`, `validation.xyz` and one file for each test set (extended XYZ; eV and eV/Å).
        out: empty directory for what the program writes.
        epochs: of the training, whose learning rate falls to a hundredth over them.
        batch_size: structures for each update.
        learning_rate: at its highest.
        seed: of everything that is random.
        sets: names of the files to predict after the training.
    """

    model: str
    data: Path
    out: Path
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    sets: tuple[str, ...]

    @classmethod
    def given(cls) -> "Job":
        """That of the command line: a JSON file."""
        content = json.loads(Path(sys.argv[1]).read_text())
        return cls(
            **content | {"data": Path(content["data"]), "out": Path(content["out"]), "sets": tuple(content["sets"])}
        )

    def file(self, name: str) -> Path:
        """Structures with labels."""
        return self.data / f"{name}.xyz"

    def steps(self, structures: int) -> int:
        """Updates of the whole training."""
        return self.epochs * -(-structures // self.batch_size)

    def trained(self) -> float:
        """CPU seconds of this process and its children so far; call it when the training has ended."""
        return sum(os.times()[:4])

    def save(self, name: str, energies: list[float], forces: list[np.ndarray]) -> None:
        """Predictions for one of the sets, in its order."""
        np.savez(
            self.out / f"{name}.npz", energies=np.array(energies), forces=np.stack([np.asarray(f) for f in forces])
        )

    def report(self, cpu_seconds: float, **details: object) -> None:
        """Ends the program."""
        (self.out / "report.json").write_text(json.dumps({"cpu_seconds": cpu_seconds, **details}))
