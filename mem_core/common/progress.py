"""How long-running work reports its progress without knowing who watches."""

from collections.abc import Callable
from typing import Protocol

Checkpoint = Callable[[], None]
"""Called where work may be left: what is done is saved, and the same call goes on from there. May raise `Paused`."""


class Paused(Exception):
    """The caller stops here to continue later; nothing is wrong and nothing is lost."""


class Progress(Protocol):
    """Called with what is done, how much there is, and a few words ("loss 0.61")."""

    def __call__(self, done: int, total: int, detail: str = "") -> None: ...


def silent(done: int, total: int, detail: str = "") -> None:
    """Progress that is not reported."""


def carry_on() -> None:
    """The checkpoint of callers that never pause."""
