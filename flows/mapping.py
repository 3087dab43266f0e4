"""A task mapped over shards: a bounded number at a time, and one failure does not waste the others."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

from prefect import Task
from prefect.futures import PrefectFuture

from flows.shard_runner import ShardRunner
from mem_core.common.errors import RetryShard, StopRun
from mem_core.common.formatting import counted
from tasks.bundles import Bundle, bundled, name_of
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

    With `shards_per_task` a task run does several of them, one after the other; what each came to is told all the same.
    No more runs than that are ever submitted ahead, so a hundred thousand shards take no more memory than ten. A
    shard that failed after all its tries with an error out of `set_aside` is named at the end, when the others are
    done; any other error stops the map at once. Raises `ShardsFailed`.
    """
    ended: SimpleQueue[tuple[str, ...]] = SimpleQueue()
    at_work: dict[tuple[str, ...], PrefectFuture[Any]] = {}
    several = bundled(task, set_aside) if runner.shards_per_task > 1 else None
    left = _parts(shards, runner.shards_per_task)
    whole: Bundle[R] = Bundle()
    while True:
        stop_if_cancelled()
        for part in islice(left, max(0, runner.room() - len(at_work))):
            if several is None:
                at_work[part] = runner.submit(task, shard=part[0], **shared)
            else:
                at_work[part] = runner.submit(several, shards=part, named=name_of(part), shared=shared)
            at_work[part].add_done_callback(_putting(part, ended))
        if not at_work:
            break
        part = ended.get()
        try:
            found = runner.result(at_work.pop(part))
        except set_aside as error:
            whole.failures.update(dict.fromkeys(part, str(error)))
        else:
            whole.results.update(found.results if several else {part[0]: found})
            whole.failures.update(found.failures if several else {})
    if whole.failures:
        raise ShardsFailed(whole.failures, whole.results)
    return whole.results


def _parts(shards: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    left = iter(shards)
    while part := tuple(islice(left, size)):
        yield part


def _putting(part: tuple[str, ...], ended: SimpleQueue[tuple[str, ...]]) -> Callable[[PrefectFuture[Any]], None]:
    def put(_: PrefectFuture[Any]) -> None:
        ended.put(part)

    return put


def _sentence(failures: Mapping[str, str], done: int) -> str:
    named = "; ".join(f"{shard}: {error}" for shard, error in islice(sorted(failures.items()), _NAMED))
    more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return f"{counted(len(failures), 'shard')} failed on every attempt, {counted(done, 'shard')} done ({named}{more})"
