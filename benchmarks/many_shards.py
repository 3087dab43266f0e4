"""The memory of a flow over many shards: `python -m benchmarks.many_shards --shards 20000 --per-task 100`.

Maps a task that does nothing over so many shards, as `protect` maps the publishing of one, and prints the memory of the
process each time another tenth is done. The server is one of its own, for the time of the measurement.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

_STATM_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=20_000)
    parser.add_argument("--per-task", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMSHIELD_HOME"] = folder
        os.environ.pop("PREFECT_API_URL", None)
        from flows.cli.running import running
        from flows.local_server import server

        with running(no_server=False):
            try:
                _measure(given.shards, given.per_task)
            finally:
                server.stop()


def _measure(shards: int, per_task: int) -> None:
    from flows.mapping import map_shards
    from flows.recorded import recorded
    from flows.shard_runner import shard_runner_of
    from mem_core.config import RunnerConfig
    from mem_core.protect.shard_summary import ShardSummary
    from tasks.options import step
    from tasks.progress import watched

    done, started = 0, time.monotonic()

    @step("publish shard", run_name="publish {shard}")
    def work(shard: str) -> ShardSummary:
        nonlocal done
        with watched(shard) as progress:
            progress(1, 1)
        done += 1
        if done % (shards // 10) == 0:
            seconds = time.monotonic() - started
            print(f"{done:>7} shards {_resident() / 2**20:7.1f} MB {seconds:7.1f} s", flush=True)
        return ShardSummary(shard=shard, counts={"protected": 1000}, max_abs_difference=8)

    @recorded("many shards", run_name="many shards", told=str)
    def over_all() -> int:
        with shard_runner_of(RunnerConfig(shards_per_task=per_task)) as runner:
            return len(map_shards(work, (f"{number:05d}" for number in range(shards)), runner=runner))

    assert over_all() == shards


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _STATM_PAGE


if __name__ == "__main__":
    main()
