"""Workers on many machines: a cluster of Dask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

from mdfit._version import __version__
from mdfit.errors import FarmError, shown

log = logging.getLogger(__name__)

#: Seconds until a cluster must have answered.
ANSWERS_WITHIN = 5.0
_PACKAGES = ("mdfit", "jax")


class ClusterExecutor(Executor):
    """A client of a Dask cluster behind the interface of :mod:`concurrent.futures`; made by :func:`cluster_executor`.

    Dask gives the task of a worker that was killed to another one, up to its ``distributed.scheduler.allowed-failures``.

    Attributes:
        client: of :mod:`distributed`.

    Example:
        >>> from distributed import LocalCluster
        >>> from mdfit.farm import cluster_executor
        >>> with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        ...     with cluster_executor(cluster.scheduler_address) as executor:
        ...         print(executor.submit(divmod, 17, 5).result())
        (3, 2)
    """

    def __init__(self, client: Any):
        self.client = client
        # Not pure: equal calls are different tasks, as for every executor.
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """The future result of a call on the cluster."""
        from mdfit.farm.transport import carry_out, pack

        # Packed, since Dask takes some names of arguments for its own.
        future: Future = self._executor.submit(carry_out, pack(fn, *args, **kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the cluster, which goes on for others."""
        if self.client.status == "closed":
            return
        self._executor.shutdown(wait=wait and not cancel_futures)
        self.client.close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.shutdown(cancel_futures=error is not None)


def cluster_executor(address: str, answers_within: float = ANSWERS_WITHIN) -> ClusterExecutor:
    """Workers of a Dask cluster that is running, to be used in a ``with`` block.

    Args:
        address: of its scheduler, like ``tcp://node1:8786``.
        answers_within: seconds until it must have answered.

    Raises:
        FarmError: when ``distributed`` is not installed, nobody answers, or a worker has no mdfit.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise FarmError(
            f"Clusters need distributed, which cannot be imported ({error}); pip install 'mdfit[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=answers_within, set_as_default=False)
    except Exception as error:  # who listens there may speak another language
        raise FarmError(
            f"No Dask scheduler answers at {shown(address, 80)} ({_first_line(error)}); start one with `dask scheduler`, "
            "or give the address that it shows, like tcp://node1:8786."
        ) from error
    try:
        _check_versions(client)
    except BaseException:
        client.close()
        raise
    return ClusterExecutor(client)


def _first_line(error: Exception) -> str:
    return shown((str(error) or type(error).__name__).partition("\n")[0])


def _check_versions(client: Any) -> None:
    """Tells of workers that compute with other versions; raises FarmError when one cannot at all."""
    found = client.get_versions(packages=list(_PACKAGES))
    ours = found["client"]["packages"]
    for worker, versions in found["workers"].items():
        theirs = versions["packages"] if versions else {}
        if theirs.get("mdfit") is None:
            raise FarmError(
                f"The worker {worker} has no mdfit; install mdfit {__version__} into the environment that it runs in."
            )
        if different := _differences(ours, theirs):
            log.warning("The worker %s has %s: its numbers may differ; install the same.", worker, different)


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {theirs.get(name)} (here {ours[name]})" for name in _PACKAGES if theirs.get(name) != ours[name]
    )
