"""Ray for real: two machines, one lost and one joining in the middle, give the bytes that threads give."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.nightly import nightly
from flows.protect import protect
from flows.shard_runner import shard_runner_of
from mem_core.common.errors import ConfigError, StopRun
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RunnerConfig
from mem_core.data.receipt import receipt_name
from mem_core.experiments.config import RunConfig
from tests.support.command_line import Command
from tests.support.waiting import wait_until

Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no tasks, and two machines with a core each, all of them here."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.machines = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


def on(cluster: Any) -> RunnerConfig:
    return RunnerConfig(runner="ray", ray_address=cluster.address, device="cpu", precision="float32")


def test_a_machine_dies_and_one_joins_while_a_corpus_is_protected(
    cluster: Any, prefect_api: str, clean_corpus: Path, smoke: RunConfig, tmp_path: Path, read_tree: Tree
) -> None:
    clean, by_ray, by_threads = str(clean_corpus / "train"), tmp_path / "ray", tmp_path / "threads"

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(protect, clean, str(by_ray), "smoke", runtime=on(cluster))
        wait_until(lambda: run.done() or list((by_ray / "_state").glob("0*.safetensors")))  # a shard is in round two
        assert not run.done(), run.result()
        cluster.remove_node(cluster.machines.pop(), allow_graceful=False)  # SIGKILL for it and its workers
        cluster.machines.append(cluster.add_node(num_cpus=1))
        run.result()
    protect(clean, str(by_threads), "smoke", ("runtime.workers=3",))
    assert read_tree(by_ray) == read_tree(by_threads)

    for path in by_ray.glob("00001*"):  # a night has one shard to make
        path.unlink()
    night = nightly(clean, str(by_ray), runtime=on(cluster))
    assert night.protected == 1
    assert LocalFolder(by_ray).exists(receipt_name("00001"))
    assert (by_ray / "00001.tar").read_bytes() == (by_threads / "00001.tar").read_bytes()


def test_no_cluster_at_the_address(prefect_api: str) -> None:
    nobody = RunnerConfig(runner="ray", ray_address="127.0.0.1:1", device="cpu")
    with pytest.raises(StopRun, match="expected a Ray cluster at 127.0.0.1:1, but"), shard_runner_of(nobody):
        pass


def test_no_gpu_in_the_cluster(cluster: Any, prefect_api: str) -> None:
    wants = on(cluster).model_copy(update={"device": "cuda"})
    with (
        pytest.raises(ConfigError, match="expected GPUs in the Ray cluster for the device 'cuda'"),
        shard_runner_of(wants),
    ):
        pass


def test_without_ray_or_a_server(
    monkeypatch: pytest.MonkeyPatch, command: Command, clean_corpus: Path, tmp_path: Path
) -> None:
    arguments = (
        "protect",
        clean_corpus / "train",
        tmp_path / "out",
        "--preset",
        "smoke",
        "--set",
        "runtime.runner=ray",
    )
    with temporary_settings(restore_defaults={PREFECT_API_URL}):  # that of other tests in this session
        said = command(*arguments, "--no-server").stderr
    assert "leave out --no-server" in said
    monkeypatch.setitem(__import__("sys").modules, "prefect_ray", None)
    said = command(*arguments, "--no-server").stderr
    assert "pip install 'memshield[ray]'" in said
