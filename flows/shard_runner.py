"""Where shards are processed: threads of this machine, or a Ray cluster. The bytes are the same."""

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL

from mem_core.common.errors import ConfigError, RetryShard, StopRun
from mem_core.config import RunnerConfig

if TYPE_CHECKING:
    from prefect_ray import RayTaskRunner

R = TypeVar("R")

_LOCAL = "local"  # Ray's word for a cluster of this machine alone, that ends with the run
_KNOCK_SECONDS = 10.0
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")  # in Ray's words about a cluster of other versions
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


class ShardRunner(Protocol):
    """Runs tasks of a flow."""

    shards_per_task: int

    def room(self) -> int:
        """How many tasks may be at work at the same time now."""
        ...

    def submit(self, task: Task[..., R], **parameters: Any) -> PrefectFuture[R]:
        """A task that others may run beside."""
        ...

    def result(self, future: PrefectFuture[R]) -> R:
        """What a submitted task came to. Raises `RetryShard` if those who worked on it were lost."""
        ...

    def alone(self, task: Task[..., R], **parameters: Any) -> R:
        """The result of a task that nothing else runs beside."""
        ...


@contextmanager
def shard_runner_of(runtime: RunnerConfig) -> Iterator[ShardRunner]:
    """The runner that a run asks for, until the block ends. Raises `ConfigError` or `StopRun` where there is no Ray."""
    if runtime.runner == "threads":
        yield _Threads(runtime)
        return
    runner, options = _ray_runner(runtime)
    with _joined(runner), options(**_needs(runtime)):
        yield _Ray(runner, runtime)


class _Threads:
    """The task runner of the flow; which device a task takes is seen to in `tasks.workspace`."""

    def __init__(self, runtime: RunnerConfig) -> None:
        self._room = max(runtime.workers, len(runtime.devices))
        self.shards_per_task = runtime.shards_per_task

    def room(self) -> int:
        return self._room

    def submit(self, task: Task[..., R], **parameters: Any) -> PrefectFuture[R]:
        return cast(PrefectFuture[R], task.submit(**parameters))

    def result(self, future: PrefectFuture[R]) -> R:
        return future.result()

    def alone(self, task: Task[..., R], **parameters: Any) -> R:
        return cast(R, task(**parameters))


class _Ray:
    """Every task on a GPU of its own, or on a core where the cluster has none or none is asked for.

    A task whose worker dies is begun again elsewhere by Ray itself: at least once, which receipts make harmless.
    """

    def __init__(self, runner: "RayTaskRunner[Any]", runtime: RunnerConfig) -> None:
        self._runner, self._workers = runner, runtime.workers
        self.shards_per_task = runtime.shards_per_task
        self._resource = "GPU" if "num_gpus" in _needs(runtime) else "CPU"

    def room(self) -> int:
        """Machines may have joined or left since the last time."""
        return max(self._workers, _resources(self._resource))

    def submit(self, task: Task[..., R], **parameters: Any) -> PrefectFuture[R]:
        return cast(PrefectFuture[R], self._runner.submit(task, parameters))

    def result(self, future: PrefectFuture[R]) -> R:
        from ray.exceptions import RayError, RayTaskError

        try:
            return future.result()
        except RayTaskError as error:  # before the task began, else its own error would have come
            raise StopRun(f"expected Ray's workers to have the same code and packages, but: {_last(error)}") from error
        except RayError as error:  # lost as often as Ray begins a task again
            raise RetryShard(f"expected a worker of Ray to stay, but: {_first(error)}") from error

    def alone(self, task: Task[..., R], **parameters: Any) -> R:
        return self.result(self.submit(task, **parameters))


def _ray_runner(runtime: RunnerConfig) -> tuple["RayTaskRunner[Any]", Callable[..., Any]]:
    try:
        import ray  # noqa: F401  # prefect_ray imports it only later
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
    except ImportError as error:
        raise ConfigError(
            "expected Ray for `runtime.runner: ray`, but it is not installed: `pip install 'memshield[ray]'`, on every "
            "machine of the cluster"
        ) from error
    if not PREFECT_API_URL.value():
        raise ConfigError("expected a Prefect server that Ray's workers can report to: leave out --no-server")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = runtime.ray_address or _LOCAL
    extra = {"include_dashboard": False} if address == _LOCAL else {}
    return RayTaskRunner(address=address, init_kwargs=_QUIET | extra), remote_options


@contextmanager
def _joined(runner: "RayTaskRunner[Any]") -> Iterator[None]:
    """The runner while it is connected; only what fails before that is put into our words."""
    try:
        _knock(str(runner.address))
        with _same_sigterm():
            runner.__enter__()
    except (OSError, RuntimeError, ValueError) as error:
        _leave()
        if versions := _VERSIONS.findall(str(error)):
            theirs, ours = (f"Ray {ray} and Python {python}" for ray, python in versions)
            raise StopRun(
                f"expected the same versions here and in the Ray cluster at {runner.address}, but it has {theirs}, and "
                f"this machine {ours}"
            ) from error
        raise StopRun(f"expected a Ray cluster at {runner.address}, but: {_first(error)}") from error
    try:
        yield
    finally:
        runner.__exit__(None, None, None)


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Whoever handles SIGTERM goes on with it. Ray's own handler ends the process before Prefect can say that a worker
    cancelled the run: it would count as crashed, and a night be begun anew."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # Ray sets its own only there, too
            signal.signal(signal.SIGTERM, before)


def _leave() -> None:
    """A connection that failed half-way must not be taken for one by who tries again."""
    import ray

    ray.shutdown()


def _knock(address: str) -> None:
    """Raises at once where nobody answers: Ray itself would try for minutes, and then end the process."""
    if address not in (_LOCAL, "auto"):
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _last(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2]


def _needs(runtime: RunnerConfig) -> dict[str, int]:
    """What a task asks Ray for."""
    if runtime.device == "cpu":
        return {"num_cpus": 1}
    if _resources("GPU"):
        return {"num_gpus": 1}
    if runtime.device != "auto":
        raise ConfigError(f"expected GPUs in the Ray cluster for the device {runtime.device!r}, but it has none")
    return {"num_cpus": 1}


def _resources(kind: str) -> int:
    import ray

    return int(ray.cluster_resources().get(kind, 0))
