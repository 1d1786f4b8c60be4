"""How long the stages of a run took."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mdfit.storage import read_json, write_text

FILE = "seconds.json"


@dataclass
class StageTimes:
    """Seconds by stage, over all starts of a run.

    Attributes:
        wall: elapsed time.
        cpu: time that all threads of the process spent computing.
    """

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, run: Path) -> StageTimes:
        """The times of a run so far; without CPU times where an earlier version of mdfit wrote them.

        Raises:
            CheckpointError: when the file is damaged.
        """
        path = run / FILE
        document = read_json(path) if path.is_file() else {}
        return cls(**document) if isinstance(document.get("wall"), dict) else cls(document)

    def document(self) -> dict[str, dict[str, float]]:
        """As JSON types."""
        return asdict(self)

    @contextlib.contextmanager
    def measure(self, stage: str, run: Path) -> Iterator[None]:
        """Adds what the block takes, also when it fails, and writes the table."""
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.wall[stage] = round(self.wall.get(stage, 0.0) + time.monotonic() - wall, 2)
            self.cpu[stage] = round(self.cpu.get(stage, 0.0) + time.process_time() - cpu, 2)
            write_text(run / FILE, json.dumps(self.document(), indent=2) + "\n")
