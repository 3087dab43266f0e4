"""A long listing, read in parallel parts: a store gives a thousand names a request, one request after another.

Shards are named by numbers. So where more names follow than one answer holds, the rest is divided at the digits that
may come next, and each part is listed for itself, divided again if it is long. Other names make one last part.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

Page = Callable[[str], tuple[dict[str, int], str | None]]
"""A name -> the names that follow it, with their sizes, and the last name looked at, None if no more follow."""

_AT_ONCE = 16
_DIGITS = "0123456789:"  # the colon follows the nine


@dataclass(frozen=True)
class _Part:
    """The names after `after`, up to and with `last` (None: to the end). start: digits that all of them begin with."""

    after: str
    last: str | None
    start: str


def listed(page: Page) -> dict[str, int]:
    """All names with their sizes, sorted."""
    found: dict[str, int] = {}
    asked: dict[Future[tuple[dict[str, int], str | None]], _Part] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked[pool.submit(page, "")] = _Part("", None, "")
        while asked:
            for answer in wait(asked, return_when=FIRST_COMPLETED).done:
                part = asked.pop(answer)
                names, reached = answer.result()
                found |= {name: size for name, size in names.items() if part.last is None or name <= part.last}
                if reached is not None and (part.last is None or reached < part.last):
                    for rest in _divided(reached, part):
                        asked[pool.submit(page, rest.after)] = rest
    return dict(sorted(found.items()))


def _divided(after: str, part: _Part) -> Iterator[_Part]:
    """What is left of a part after a name, cut before each digit that may come next."""
    start = part.start
    for digit in _DIGITS:
        bound = part.start + digit
        if after < bound and (part.last is None or bound < part.last):
            yield _Part(after, bound, start)
            after = bound
        start = bound if digit != _DIGITS[-1] else part.start
    yield _Part(after, part.last, start)
