"""Many shards as one task run: thousands of task runs are work for a server that keeps a record of each."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prefect import Task

from tasks.cancelling import stop_if_cancelled
from tasks.options import PAUSES, may_pass, step
from tasks.progress import say

R = TypeVar("R")


@dataclass(frozen=True)
class Bundle(Generic[R]):
    """What the shards of one task run came to. failures: shard -> why, as a sentence."""

    results: dict[str, R] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def bundled(work: Task[..., R], set_aside: tuple[type[Exception], ...]) -> Task[..., Bundle[R]]:
    """A task that does the work of another one for several shards, one after the other.

    Each shard is tried as often as a task of its own would be. One that fails after all its tries with an error out of
    `set_aside` is among the failures; any other error is raised at once.
    """
    function: Callable[..., R] = inspect.unwrap(work.fn)

    def run(shards: Sequence[str], named: str, shared: Mapping[str, Any]) -> Bundle[R]:
        found: Bundle[R] = Bundle()
        for shard in shards:
            stop_if_cancelled()
            try:
                found.results[shard] = _tried(lambda shard=shard: function(shard=shard, **shared), shard)  # type: ignore[misc]
            except set_aside as error:
                say(f"shard {shard} failed: {error}")
                found.failures[shard] = str(error)
        return found

    return step(f"{work.name}s", run_name=f"{work.name}s {{named}}", tags=tuple(sorted(work.tags)))(run)


def name_of(shards: Sequence[str]) -> str:
    """`00000 to 00099`."""
    return shards[0] if len(shards) == 1 else f"{shards[0]} to {shards[-1]}"


def _tried(work: Callable[[], R], shard: str) -> R:
    for pause in PAUSES:
        try:
            return work()
        except Exception as error:
            if not may_pass(error):
                raise
            say(f"shard {shard} is tried again in {pause:g} s: {error}")
            time.sleep(pause)
    return work()
