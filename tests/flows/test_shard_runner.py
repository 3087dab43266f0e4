"""How many shards are in work at the same time, by the runner's settings. (Ray itself: test_ray.py.)"""

import pytest
from prefect import flow, task

from flows.shard_runner import shard_runner_of
from mem_core.common.errors import RetryShard
from mem_core.config import RunnerConfig


@pytest.mark.parametrize(("settings", "room"), [({}, 1), ({"workers": 3}, 3), ({"devices": ("cuda:0", "cuda:1")}, 2)])
def test_threads_have_room_for_the_workers_and_for_every_device(settings: dict[str, object], room: int) -> None:
    with shard_runner_of(RunnerConfig.model_validate(settings)) as runner:
        assert runner.room() == room


def test_threads_give_a_task_back_what_it_came_to(prefect_api: str) -> None:
    @task
    def half(number: int) -> int:
        if number % 2:
            raise RetryShard(f"{number} is odd")
        return number // 2

    @flow
    def halves() -> tuple[int, int]:
        with shard_runner_of(RunnerConfig()) as runner:
            with pytest.raises(RetryShard, match="3 is odd"):
                runner.result(runner.submit(half, number=3))
            return runner.result(runner.submit(half, number=4)), runner.alone(half, number=6)

    assert halves() == (2, 3)
