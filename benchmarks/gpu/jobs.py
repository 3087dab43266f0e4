"""Jobs that need others, in several processes: as many at a time as there are workers, until the time is over."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

Say = Callable[[str], None]
_GLANCE = 5.0  # seconds between two looks at the clock


@dataclass(frozen=True)
class Job:
    """call: what a process does, to be pickled; returns a line to print. needs: names of jobs that come before.

    turn: jobs of a later turn wait until those of earlier ones have begun or wait for others.
    lane: jobs that take much of a GPU's memory share one; of those at most `width` run at the same time.
    """

    name: str
    call: Callable[[], str]
    needs: tuple[str, ...] = ()
    turn: int = 0
    lane: str = ""
    width: int = 2


def run_jobs(jobs: Iterable[Job], workers: int, seconds: float, say: Say, tick: Callable[[], None]) -> set[str]:
    """Runs jobs by turn and in their order, each once what it needs is done; returns the names of those done.

    No job is begun after so many seconds. One that fails is said, and those that need it are left out. tick: called
    when jobs have ended, to save what there is.
    """
    waiting = {job.name: job for job in sorted(jobs, key=lambda job: job.turn)}
    done: set[str] = set()
    running: dict[Future[str], Job] = {}
    end = time.monotonic() + seconds
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        while True:
            ready = (job for job in list(waiting.values()) if done.issuperset(job.needs))
            for job in ready if time.monotonic() < end else ():
                if len(running) >= workers or (job.lane and _in_lane(running, job) >= job.width):
                    continue
                del waiting[job.name]
                running[pool.submit(_timed, job)] = job
            if not running:
                return done
            ended = wait(running, timeout=_GLANCE, return_when=FIRST_COMPLETED).done
            for future in ended:
                job = running.pop(future)
                if future.exception() is None:
                    done.add(job.name)
                    say(future.result())
                else:
                    say(f"FAILED {job.name}: {''.join(traceback.format_exception(future.exception()))[-600:]}")
            if ended:
                tick()


def _in_lane(running: dict[Future[str], Job], job: Job) -> int:
    return sum(other.lane == job.lane for other in running.values())


def _timed(job: Job) -> str:
    started = time.monotonic()
    said = job.call()
    return f"{time.monotonic() - started:6.1f} s  {job.name}  {said}".rstrip()
