"""One `Protection` a job and device in a process, so that decoded shards and surrogates serve all task runs."""

import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from mem_core import __version__
from mem_core.common.errors import StopRun
from mem_core.config import Frozen, ProtectConfig, RunnerConfig
from mem_core.models.device import resolve_device, share_of_threads
from mem_core.protect.protection import Places, Protection, TwinsWanted
from mem_core.protect.remaining import OnMismatch
from tasks.storage import open_folder


class ProtectJob(Frozen):
    """Everything that says which protection a task works on; folders by address. twins: with the path of the key alone,
    as Prefect shows it and a file in the destination keeps it while work goes on. code_version: of where the run was
    started, and so of all that work on it."""

    clean: str
    dest: str
    config: ProtectConfig = ProtectConfig()
    runtime: RunnerConfig = RunnerConfig()
    seed: int = 0
    protector: str | None = None
    reuse: str | None = None
    on_mismatch: OnMismatch = "fail"
    twins: TwinsWanted | None = None
    code_version: str = __version__

    @property
    def method(self) -> str:
        """The method's name, for the names of runs."""
        return self.config.method


_KEPT = 2  # jobs held open by one process; each may hold `cache_mb` of pixels
_open: OrderedDict[ProtectJob, dict[str, Protection]] = OrderedDict()
_busy: Counter[str] = Counter()
_lock = threading.Lock()


def protection_of(job: ProtectJob) -> Protection:
    """The protection of a job, opened on first use, for steps that compute nothing.

    With Ray they run where the flow does, which may have no GPU; what computes is sent to those that have.
    """
    return _on(job, "cpu" if job.runtime.runner == "ray" else _devices(job)[0])


@contextmanager
def computing(job: ProtectJob) -> Iterator[Protection]:
    """The protection of a job on the least busy of its devices, kept for one task until the block ends."""
    with _lock:
        device = min(_devices(job), key=lambda device: _busy[device])  # the first of equals
        _busy[device] += 1
    try:
        with share_of_threads(_at_once(job)):
            yield _on(job, device)
    finally:
        with _lock:
            _busy[device] -= 1


def forget(job: ProtectJob) -> None:
    """Forgets a job: it is over, or a new run must read the folders again."""
    with _lock:
        _open.pop(job, None)


def _at_once(job: ProtectJob) -> int:
    """How many tasks are at work in this process at the same time; with Ray each has one of its own."""
    return 1 if job.runtime.runner == "ray" else max(job.runtime.workers, len(job.runtime.devices))


def _devices(job: ProtectJob) -> tuple[str, ...]:
    return job.runtime.devices or (job.runtime.device,)


def _on(job: ProtectJob, device: str) -> Protection:
    with _lock:
        if job not in _open:
            _open[job] = {device: _opened(job).on(device)}
            while len(_open) > _KEPT:
                _open.popitem(last=False)
        _open.move_to_end(job)
        on_devices = _open[job]
        if device not in on_devices:
            on_devices[device] = next(iter(on_devices.values())).on(device)
        return on_devices[device]


def _opened(job: ProtectJob) -> Protection:
    if job.code_version != __version__:
        raise StopRun(
            f"expected memshield {job.code_version} on every machine, as where the run was started, but "
            f"{socket.gethostname()} has {__version__}: install the same version there, and start Ray there again"
        )
    if job.runtime.devices:
        resolve_device(job.runtime)  # now, not when the first of them is needed
    checkpoint = job.config.surrogate.checkpoint
    return Protection(
        Places(
            open_folder(job.clean),
            open_folder(job.dest),
            protector=open_folder(job.protector) if job.protector else None,
            reuse=open_folder(job.reuse) if job.reuse else None,
            checkpoint=open_folder(checkpoint) if checkpoint else None,
        ),
        job.config,
        job.runtime,
        seed=job.seed,
        on_mismatch=job.on_mismatch,
        twins=job.twins,
    )
