"""What every source reader yields, and the helpers that all of them share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mem_core.common.errors import ImageError
from mem_core.common.reasons import Code
from mem_core.data.readers.text import repaired

UNLISTED = "unlisted"
"""The split of samples that no split list names, in a source where others are named."""


@dataclass(frozen=True)
class RawSample:
    """One image of a source with all its captions, before anything is checked or decoded.

    `image` reads the bytes when called and raises `ImageError` if they cannot be had. `problem` is a reason,
    found by the reader, why the sample cannot be used: it becomes a failed row, never a published sample; `code` is
    what it is counted by. `places`: where each caption stands (file and line), for messages; empty if nobody knows.
    """

    name: str
    image: Callable[[], bytes]
    captions: tuple[str, ...]
    split: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    code: Code = "unusable"
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A picture, or a caption, that the source holds and no sample has: counted by its code, never dropped unseen.
    Or a whole shard of which nobody knows what it would hold.

    A picture that should have become a sample and cannot is a failed `RawSample` instead.
    """

    name: str
    what: Literal["picture", "caption", "shard"]
    code: Code
    reason: str


@dataclass(frozen=True)
class Detected:
    """What a source is read as. files: what the format's reader reads, by path. reason: why it is this format. notes:
    what is not read."""

    format: str
    files: tuple[str, ...]
    reason: str = ""
    notes: tuple[str, ...] = ()


class SourceReader(Protocol):
    """A source in one known format. Each iteration reads it again, in the same order, in bounded memory."""

    @property
    def format(self) -> str:
        """The format's name, one of `detect.LOOKED_FOR`."""
        ...

    @property
    def uri(self) -> str:
        """The address of the folder that holds all of the source; no path in the source leads out of it."""
        ...

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What the last whole iteration left out."""
        ...

    def __iter__(self) -> Iterator[RawSample]: ...


@dataclass(frozen=True)
class NoImage:
    """An `image` that is known not to be there: it raises `ImageError` with the reason."""

    reason: str
    code: Code = "no-image"

    def __call__(self) -> bytes:
        raise ImageError(self.reason, code=self.code)


def failed(
    name: str, problem: str, code: Code = "bad-entry", *, split: str = "", captions: tuple[str, ...] = ()
) -> RawSample:
    """A sample that cannot be used, so that it is counted and named."""
    name, problem = repaired(name)[0], repaired(problem)[0]  # names in a source need not be Unicode
    return RawSample(name, NoImage(problem), captions, split, problem=problem, code=code)
