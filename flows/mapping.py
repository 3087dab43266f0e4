"""A task mapped over shards: a bounded number at a time, and one failure does not waste the others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

from prefect import Task
from prefect.futures import PrefectFuture

from flows.shard_runner import ShardRunner
from mem_core.common.errors import RetryShard, StopRun
from mem_core.common.formatting import counted
from tasks.cancelling import stop_if_cancelled

R = TypeVar("R")

_NAMED = 5  # failures in the message; all of them are in the UI


class ShardsFailed(StopRun):
    """Some shards failed, the others are done. failures: shard -> why, as a sentence. results: of the others. advice:
    what to do."""

    def __init__(
        self, failures: Mapping[str, str], results: Mapping[str, Any], advice: str = "run again to do the rest"
    ) -> None:
        super().__init__(f"{_sentence(failures, len(results))}: {advice}")
        self.failures, self.results = dict(failures), dict(results)


def map_shards(
    task: Task[..., R],
    shards: Iterable[str],
    *,
    runner: ShardRunner,
    set_aside: tuple[type[Exception], ...] = (RetryShard,),
    **shared: Any,
) -> dict[str, R]:
    """The task's result for each shard, as many of them at work at the same time as the runner has room for.

    No more runs than that are ever submitted ahead, so a hundred thousand shards take no more memory than ten. A
    shard that failed after all its tries with an error out of `set_aside` is named at the end, when the others are
    done; any other error stops the map at once. Raises `ShardsFailed`.
    """
    left = iter(shards)
    at_work: dict[str, PrefectFuture[R]] = {}
    ended: SimpleQueue[str] = SimpleQueue()
    results: dict[str, R] = {}
    failures: dict[str, str] = {}
    while True:
        stop_if_cancelled()
        for shard in islice(left, max(0, runner.room() - len(at_work))):
            at_work[shard] = runner.submit(task, shard=shard, **shared)
            at_work[shard].add_done_callback(_putting(shard, ended))
        if not at_work:
            break
        shard = ended.get()
        try:
            results[shard] = runner.result(at_work.pop(shard))
        except set_aside as error:
            failures[shard] = str(error)
    if failures:
        raise ShardsFailed(failures, results)
    return results


def _putting(shard: str, ended: SimpleQueue[str]) -> Callable[[PrefectFuture[R]], None]:
    def put(_: PrefectFuture[R]) -> None:
        ended.put(shard)

    return put


def _sentence(failures: Mapping[str, str], done: int) -> str:
    named = "; ".join(f"{shard}: {error}" for shard, error in islice(sorted(failures.items()), _NAMED))
    more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return f"{counted(len(failures), 'shard')} failed on every attempt, {counted(done, 'shard')} done ({named}{more})"
