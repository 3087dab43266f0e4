"""A Ray cluster of several machines, all of them here."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from mem_core.config import RunnerConfig


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no tasks, and two machines with a core each, all of them here."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # 15 by default: on a busy machine a test would wait
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.machines = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


def on(cluster: Any) -> RunnerConfig:
    return RunnerConfig(runner="ray", ray_address=cluster.address, device="cpu", precision="float32")
