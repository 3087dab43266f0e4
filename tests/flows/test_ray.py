"""Ray for real: machines that are lost, leave and join in the middle give the bytes that threads give."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.nightly import nightly
from flows.protect import protect
from flows.shard_runner import shard_runner_of
from mem_core import __version__
from mem_core.common.errors import ConfigError, StopRun
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RunnerConfig
from mem_core.data.readers import open_source
from mem_core.data.receipt import receipt_name
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.experiments.config import RunConfig
from tests.support.command_line import Command
from tests.support.ray_cluster import on
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
Tree = Callable[[Path], dict[str, bytes]]


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


@pytest.fixture(scope="module")
def nights(smoke: RunConfig, tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """sharded/train/ of eight shards; protected/ has the first of them, by_threads/ all that a night has to come to."""
    place = tmp_path_factory.mktemp("nights")
    source = draw_corpus(place / "source", 64, 8, size=32, seed=4)
    config = smoke.corpus.model_copy(update={"samples_per_shard": 8})
    shard_source(open_source(source), LocalFolder(place / "sharded"), config)
    clean, first = place / "sharded/train", place / "first"
    first.mkdir()
    for path in clean.glob("00000*"):
        shutil.copy(path, first)
    protect(str(first), str(place / "protected"), "smoke")
    shutil.copytree(place / "protected", place / "by_threads")
    nightly(str(clean), str(place / "by_threads"), runtime=smoke.runtime)
    return place


@pytest.mark.slow
def test_a_machine_joins_and_others_leave_in_the_middle_of_a_night(
    cluster: Any, nights: Path, tmp_path: Path, read_tree: Tree
) -> None:
    dest = Path(shutil.copytree(nights / "protected", tmp_path / "protected"))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(nightly, str(nights / "sharded/train"), str(dest), runtime=on(cluster))
        wait_until(lambda: run.done() or len(list(dest.glob("*.receipt.json"))) > 1)
        assert not run.done(), run.result()
        joined = cluster.add_node(num_cpus=1)
        while cluster.machines:  # as `ray stop` does it, one after the other: the new one has to do the rest
            cluster.remove_node(cluster.machines.pop())
        cluster.machines.append(joined)
        night = run.result()
    assert (night.protected, night.failed) == (7, {})
    assert read_tree(dest) == read_tree(nights / "by_threads")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_night_that_is_cancelled_is_finished_by_the_next(
    cluster: Any, prefect_api: str, nights: Path, tmp_path: Path, read_tree: Tree, how: signal.Signals
) -> None:
    dest = Path(shutil.copytree(nights / "protected", tmp_path / "protected"))
    ray = ("runtime.runner=ray", f"runtime.ray_address={cluster.address}", "runtime.device=cpu")
    settings = [part for one in ray for part in ("--set", one)]
    command = [sys.executable, "-m", "flows.cli", "nightly", nights / "sharded/train", dest, "-p", "smoke", *settings]
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        wait_until(lambda: process.poll() is not None or len(list(dest.glob("*.receipt.json"))) > 1, 120)
        process.send_signal(how)
        said = process.communicate(timeout=120)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130, said
        assert said.strip().endswith("interrupted; run the same command again to go on")
    done = sorted(path.name for path in dest.glob("*.receipt.json"))
    assert 1 < len(done) < 8
    night = nightly(str(nights / "sharded/train"), str(dest), runtime=on(cluster))
    assert night.shards == 8
    assert night.protected <= 8 - len(done)
    assert read_tree(dest) == read_tree(nights / "by_threads")


def test_a_cluster_of_another_ray(cluster: Any, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    sentence = (
        rf"expected the same versions here .*, but it has Ray {ray.__version__} and .* this machine Ray 2.0.0 and"
    )
    monkeypatch.setattr(ray, "__version__", "2.0.0")
    with pytest.raises(StopRun, match=sentence), shard_runner_of(on(cluster)):
        pass


@pytest.mark.slow
def test_a_machine_with_another_version_of_memshield(
    cluster: Any, nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = Path(shutil.copytree(nights / "protected", tmp_path / "protected"))
    for package in ("mem_core", "tasks", "flows"):
        shutil.copytree(ROOT / package, tmp_path / "older" / package, ignore=shutil.ignore_patterns("__pycache__"))
    version = tmp_path / "older/mem_core/__init__.py"
    version.write_text(version.read_text().replace(f'"{__version__}"', '"0.0.1"'))
    older = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path / "older")})
    while cluster.machines:
        cluster.remove_node(cluster.machines.pop())
    monkeypatch.chdir(tmp_path)  # workers take code from the folder that the run was started in, if they have it
    sentence = rf"expected memshield {re.escape(__version__)} on every machine, .* but \S+ has 0.0.1: install the same"
    try:
        with pytest.raises(StopRun, match=sentence):
            nightly(str(nights / "sharded/train"), str(dest), runtime=on(cluster))
    finally:
        cluster.remove_node(older)
        cluster.machines.append(cluster.add_node(num_cpus=1))


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
