"""A task over shards: how many at a time, and what failures do."""

import threading

import pytest
from prefect import flow, task

from flows.mapping import ShardsFailed, map_shards
from flows.shard_runner import shard_runner_of
from mem_core.common.errors import MismatchError, RetryShard, StopRun
from mem_core.config import RunnerConfig
from tests.support.task_runs import task_names
from tests.support.waiting import wait_until

SHARDS = [f"{number:05d}" for number in range(7)]
pytestmark = pytest.mark.usefixtures("prefect_api")


class Gauge:
    """How many are inside at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def test_every_shard_once_and_no_more_than_the_workers_at_a_time() -> None:
    gauge, three = Gauge(), threading.Barrier(3, timeout=60)

    @task
    def work(shard: str, factor: int) -> int:
        with gauge:
            three.wait()
        return int(shard) * factor

    @flow
    def over_all() -> dict[str, int]:
        with shard_runner_of(RunnerConfig(workers=3)) as runner:
            return map_shards(work, SHARDS[:6], runner=runner, factor=10)

    assert over_all() == {shard: int(shard) * 10 for shard in SHARDS[:6]}
    assert gauge.most == 3


def test_a_shard_that_fails_for_good_is_named_after_the_others_are_done() -> None:
    done = []

    @task
    def work(shard: str) -> None:
        if shard == "00001":
            raise RetryShard("the store is slow")
        done.append(shard)

    @flow
    def over_all() -> None:
        with shard_runner_of(RunnerConfig(workers=2)) as runner:
            map_shards(work, SHARDS, runner=runner)

    with pytest.raises(StopRun, match="1 shard failed on every attempt, 6 shards done .00001: the store is slow"):
        over_all()
    assert sorted(done) == [shard for shard in SHARDS if shard != "00001"]


@pytest.mark.parametrize("runtime", [RunnerConfig(workers=1), RunnerConfig(shards_per_task=5)])
def test_what_stops_the_run_stops_it_at_once(runtime: RunnerConfig) -> None:
    begun = []

    @task
    def work(shard: str) -> None:
        begun.append(shard)
        raise MismatchError(f"shard {shard} was changed")

    @flow
    def over_all() -> None:
        with shard_runner_of(runtime) as runner:
            map_shards(work, SHARDS, runner=runner)

    with pytest.raises(MismatchError, match="shard 00000 was changed"):
        over_all()
    assert begun == ["00000"]


def test_several_shards_in_one_task_run_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.bundles.PAUSES", [0.0, 0.0])
    tries: dict[str, int] = {}

    @task(name="work on shard", tags=["memshield-device"])
    def work(shard: str, factor: int) -> int:
        tries[shard] = tries.get(shard, 0) + 1
        if shard == "00004" or (shard == "00001" and tries[shard] < 3):
            raise RetryShard("the store is slow")
        return int(shard) * factor

    @flow(name="bundles")
    def over_all() -> dict[str, int]:
        with shard_runner_of(RunnerConfig(workers=2, shards_per_task=3)) as runner:
            return map_shards(work, SHARDS, runner=runner, factor=10)

    with pytest.raises(ShardsFailed, match="1 shard failed on every attempt, 6 shards done .00004") as told:
        over_all()
    assert told.value.results == {shard: int(shard) * 10 for shard in SHARDS if shard != "00004"}
    assert list(told.value.failures) == ["00004"]
    assert tries == dict.fromkeys(SHARDS, 1) | {"00001": 3, "00004": 3}
    names = ["00000 to 00002", "00003 to 00005", "00006"]
    expected = {f"work on shards {name}" for name in names}
    wait_until(lambda: expected <= task_names("work on shards"))  # records come later


def test_nothing_to_do() -> None:
    @task
    def work(shard: str) -> None: ...

    @flow
    def over_all() -> dict[str, None]:
        with shard_runner_of(RunnerConfig(workers=4)) as runner:
            return map_shards(work, [], runner=runner)

    assert over_all() == {}
