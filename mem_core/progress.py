"""How long work tells its caller where it stands, without knowing who watches."""

from typing import Protocol


class Progress(Protocol):
    """Called with what is done, how much there is, and a few words ("loss 0.61")."""

    def __call__(self, done: int, total: int, detail: str = "") -> None: ...


def silent(done: int, total: int, detail: str = "") -> None:
    """The progress that nobody watches."""
