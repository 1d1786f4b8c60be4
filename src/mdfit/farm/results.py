"""What becomes of results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class Results:
    """Results in memory alone.

    Attributes:
        function: what the workers carry out.
        before: results that are there already, by name.
        where: the results are kept; None for nowhere.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self.before: dict[str, Any] = {}
        self.where: Path | None = None

    def keep(self, name: str, result: Any) -> Any:
        """What the user is given for what :attr:`function` returned."""
        return result
