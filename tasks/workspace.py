"""One `Protection` a job in a process, so that its decoded shards and surrogates serve all task runs."""

import threading
from collections import OrderedDict

from mem_core.config import Frozen, ProtectConfig, RuntimeConfig
from mem_core.data.apart import check_apart
from mem_core.finished import OnMismatch
from mem_core.protection import Protection
from tasks.storage import open_folder


class ProtectJob(Frozen):
    """Everything that says which protection a task works on; folders by address."""

    clean: str
    dest: str
    config: ProtectConfig = ProtectConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    seed: int = 0
    protector: str | None = None
    reuse: str | None = None
    on_mismatch: OnMismatch = "fail"

    @property
    def method(self) -> str:
        """The method's name, for the names of runs."""
        return self.config.method


_KEPT = 2  # jobs held open by one process; each may hold `cache_mb` of pixels
_open: OrderedDict[ProtectJob, Protection] = OrderedDict()
_lock = threading.Lock()


def protection_of(job: ProtectJob) -> Protection:
    """The protection of a job, opened on first use."""
    with _lock:
        if job not in _open:
            _open[job] = _opened(job)
            while len(_open) > _KEPT:
                _open.popitem(last=False)
        _open.move_to_end(job)
        return _open[job]


def forget(job: ProtectJob) -> None:
    """Lets go of a job: it is over, or a new run must see the folders as they are now."""
    with _lock:
        _open.pop(job, None)


def _opened(job: ProtectJob) -> Protection:
    clean, dest = open_folder(job.clean), open_folder(job.dest)
    check_apart(clean.uri, dest.uri)
    return Protection(
        clean,
        dest,
        job.config,
        job.runtime,
        seed=job.seed,
        protector=open_folder(job.protector) if job.protector else None,
        reuse=open_folder(job.reuse) if job.reuse else None,
        on_mismatch=job.on_mismatch,
    )
