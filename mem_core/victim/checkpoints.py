"""When a training in work is saved: every few minutes, and where it is left; by a thread, while training goes on."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from mem_core.common.background import BackgroundWrite
from mem_core.common.progress import Checkpoint
from mem_core.common.storage.folder import Folder
from mem_core.models.training import save_checkpoint

State = Callable[[], Mapping[str, Any]]


class Checkpoints:
    """The saves of one training under one name; leaving the block waits for the last of them.

    What a save could not write is raised by the next one, or by leaving the block.
    """

    def __init__(self, folder: Folder, name: str, minutes: float) -> None:
        self._folder, self._name, self._seconds = folder, name, 60 * minutes
        self._writes, self._last = BackgroundWrite(), time.monotonic()

    def after_epoch(self, state: State, checkpoint: Checkpoint) -> None:
        """Saves if it is time to, and if the caller leaves here (`checkpoint` raises). state: tensors, plain values."""
        saved = time.monotonic() - self._last >= self._seconds
        if saved:
            self._save(state())
        try:
            checkpoint()
        except BaseException:
            if not saved:
                self._save(state())
            raise

    def _save(self, state: Mapping[str, Any]) -> None:
        """The state is copied at once, into memory: training goes on and changes it."""
        self._writes.settle()
        copied = on_cpu(state)
        self._writes.begin(lambda: save_checkpoint(self._folder, self._name, copied))
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writes.settle()


def on_cpu(value: Any) -> Any:
    """A copy of tensors within mappings and lists, in the CPU's memory; plain values are as they were."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: on_cpu(one) for name, one in value.items()}
    return [on_cpu(one) for one in value] if isinstance(value, list) else value
