"""Which workers a user has asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from mdfit.errors import FarmError
from mdfit.farm.cluster import cluster_executor
from mdfit.farm.local import local_executor


@dataclass(frozen=True)
class Farm:
    """Workers by number or by address.

    Attributes:
        workers: processes on this machine; with one, tasks are done in the process itself.
        cluster: address of the scheduler of a Dask cluster, which has workers of its own.

    Raises:
        FarmError: for both, or no workers.

    Example:
        >>> from mdfit.farm import Farm, run_tasks
        >>> with Farm(workers=1).executor() as executor:
        ...     run_tasks(dict, {"first": {"energy": -1.0}}, executor, show_progress=False)
        {'first': {'energy': -1.0}}
    """

    workers: int = 1
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise FarmError(f"The number of workers is {self.workers}; give at least 1.")
        if self.cluster is not None and self.workers > 1:
            raise FarmError(
                f"The cluster at {self.cluster} has its own workers; give their number there, or no cluster."
            )

    @property
    def several(self) -> bool:
        """Whether there may be more than one worker."""
        return self.workers > 1 or self.cluster is not None

    @contextlib.contextmanager
    def executor(self) -> Iterator[Executor | None]:
        """Workers for the time of the block; None, for :func:`run_tasks`, is this process.

        Raises:
            FarmError: when the cluster does not answer.
        """
        if self.cluster is not None:
            with cluster_executor(self.cluster) as workers:
                yield workers
        elif self.workers > 1:
            with local_executor(self.workers) as processes:
                yield processes
        else:
            yield None
