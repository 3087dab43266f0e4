"""What a protecting process does that chaos hits: the steps of the flow, in its order, tried again as the flow does.

With `kill_at` in its job it kills itself with SIGKILL in the middle of that write, when half of the bytes are written.
At the end it leaves a JSON file: the shards that it made, or the sentence that stopped it.
"""

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from mem_core.common.errors import RetryShard, StopRun
from mem_core.common.storage.folder import Folder
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted
from mem_core.protect.round_loop import Rounds
from mem_core.protect.shard_summary import ShardSummary
from tasks import storage
from tests.support.corpora import RUNTIME, small

T = TypeVar("T")
RETRIES = 5
QUICK: dict[str, Any] = {
    "rounds": 2,
    "surrogate": {"steps_per_round": 2},
    "noise": {"num_steps": 1},
    "trigger": {"candidates": 1},
}


class Suicidal:
    """A folder whose `kill_at`-th write, counted over it and all folders below it, kills the process half-way."""

    def __init__(self, folder: Folder, kill_at: int, count: list[int] | None = None) -> None:
        self.folder, self.kill_at = folder, kill_at
        self.count = [0] if count is None else count

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        with self.folder.write(name, only_if_absent=only_if_absent) as stream:
            yield stream
            self.count[0] += 1
            if self.count[0] == self.kill_at:
                stream.truncate(stream.tell() // 2)
                stream.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    def below(self, name: str) -> "Suicidal":
        return Suicidal(self.folder.below(name), self.kill_at, self.count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.folder, name)


def run(job: dict[str, Any]) -> list[ShardSummary]:
    """The steps of a protection. Returns what became of each shard that was waiting."""
    dest: Any = storage.open_folder(job["dest"])
    if job.get("kill_at"):
        dest = Suicidal(dest, job["kill_at"])
    config = small(method=job["method"], **QUICK)
    clean = storage.open_folder(job["clean"])
    twins = TwinsWanted(share=0.7, key=KeyPlace(folder=job["keys"])) if "keys" in job else None
    redo = job.get("on_mismatch", "fail")
    protection = Protection(Places(clean, dest), config, RUNTIME, seed=3, on_mismatch=redo, twins=twins)
    retried(protection.begin)
    if not retried(lambda: protection.fitted):
        fit(protection)
    waiting = retried(protection.plan).waiting
    summaries = [retried(lambda shard=shard: protection.publish(shard)) for shard in waiting]  # type: ignore[misc]
    retried(protection.finish)
    return summaries


def fit(protection: Protection) -> None:
    rounds = Rounds(protection.config)
    for number in rounds:
        retried(lambda number=number: protection.fit.train_surrogate(number))  # type: ignore[misc]
        losses = {}
        for shard in protection.shards:
            losses[shard] = retried(lambda s=shard, n=number: protection.fit.update_shard(s, n))  # type: ignore[misc]
        rounds.close(losses)
    retried(lambda: protection.fit.finish(rounds.losses))


def retried(step: Callable[[], T]) -> T:
    """The step, tried again while its trouble may pass."""
    for attempt in range(RETRIES):
        try:
            return step()
        except RetryShard:
            if attempt == RETRIES - 1:
                raise
            time.sleep(0.2 * 2**attempt)  # the pauses between a task's tries, made short
    raise AssertionError


def work(job: dict[str, Any], out: Path) -> None:
    """The whole process. job: clean, dest (addresses), method, environment, and optionally kill_at, file_limit, keys
    (the folder of the keys of twins, where they are made)."""
    os.environ.update(job.get("environment", {}))
    storage._CONNECT_SECONDS = storage._READ_SECONDS = 2
    if "file_limit" in job:  # the closest to a full disk where nothing may be mounted
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], resource.RLIM_INFINITY))
    try:
        result: dict[str, Any] = {"made": [summary.shard for summary in run(job) if not summary.repeated]}
    except (StopRun, RetryShard) as error:
        result = {"error": type(error).__name__, "said": str(error)}
    if "file_limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    out.write_text(json.dumps(result))
