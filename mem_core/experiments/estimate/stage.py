"""One step of a run as an estimate tells of it, and when its folders are fullest."""

from collections.abc import Sequence
from itertools import accumulate

from mem_core.config import Frozen


class Stage(Frozen):
    """One step of a run. kept: bytes that stay; passing: more bytes while it runs. put, get: requests to an object
    store, LIST and HEAD among them. memory: bytes of a GPU, None on a CPU."""

    name: str
    seconds: float
    kept: float = 0
    passing: float = 0
    put: float = 0
    get: float = 0
    memory: int | None = None

    def times(self, factor: float) -> "Stage":
        """So many times the work."""
        fields = ("seconds", "kept", "passing", "put", "get")
        return self.model_copy(update={field: factor * getattr(self, field) for field in fields})


def fullest(stages: Sequence[Stage]) -> tuple[float, ...]:
    """For each stage, bytes of it and those before that are there at its fullest moment."""
    before = accumulate(stage.kept for stage in stages)
    return tuple(left + stage.passing for left, stage in zip(before, stages, strict=True))
