"""How long the stages of a run took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from mdfit.storage import MADE_AGAIN, Document, Seconds, checked, read_json, write_json

FILE = "seconds.json"


class TimesDocument(Document):
    """:class:`StageTimes` in a file."""

    wall: dict[str, Seconds]
    cpu: dict[str, Seconds] = Field(default_factory=dict)


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
        """The times of a run so far.

        Raises:
            CheckpointError: when the file is damaged.
        """
        path = run / FILE
        return cls.of(read_json(path), path) if path.is_file() else cls()

    @classmethod
    def of(cls, document: Any, path: Path) -> StageTimes:
        """Those of a document in a file; without CPU times where an earlier version of mdfit wrote it.

        Raises:
            CheckpointError: when it holds other things than times.
        """
        # Told apart first, so that the message is that of the form it has.
        flat = isinstance(document, dict) and not any(isinstance(value, dict) for value in document.values())
        times = checked(document, dict[str, Seconds] if flat else TimesDocument, path, remedy=MADE_AGAIN)
        return cls(dict(times)) if flat else cls(dict(times.wall), dict(times.cpu))

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
            # Stages inside this one have written theirs.
            known = StageTimes.read(run)
            self.wall, self.cpu = self.wall | known.wall, self.cpu | known.cpu
            self.wall[stage] = round(self.wall.get(stage, 0.0) + time.monotonic() - wall, 2)
            self.cpu[stage] = round(self.cpu.get(stage, 0.0) + time.process_time() - cpu, 2)
            write_json(run / FILE, self.document())
