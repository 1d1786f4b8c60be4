"""A farm for tasks that do not depend on each other: on processes of this machine, or on a cluster."""

from mdfit.farm.cluster import ClusterExecutor, cluster_executor
from mdfit.farm.commands import run_command, run_mdfit
from mdfit.farm.failures import TasksFailed
from mdfit.farm.local import LocalExecutor, local_executor
from mdfit.farm.running import run_tasks
from mdfit.farm.settings import Farm

__all__ = [
    "ClusterExecutor",
    "Farm",
    "LocalExecutor",
    "TasksFailed",
    "cluster_executor",
    "local_executor",
    "run_command",
    "run_mdfit",
    "run_tasks",
]
