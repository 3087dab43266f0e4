"""A folder that notes what an object store would be asked, and the requests that a corpus of shards comes to."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from mem_core.common.storage.folder import Folder
from mem_core.config.base import Frozen

_PART = 8 * 2**20  # from here on boto3 uploads in parts of this size
_PAGE = 1000  # names that one listing request gives

Kind = Literal["put", "get", "list", "delete"]


class Requests(Frozen):
    """Requests to an object store. put: with the begin and end of uploads in parts; get: HEAD too. Deletes are free."""

    put: float = 0
    get: float = 0
    list: float = 0
    delete: float = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(**{kind: getattr(self, kind) + getattr(other, kind) for kind in Requests.model_fields})

    def times(self, factor: float) -> "Requests":
        """So many times as many."""
        return Requests(**{kind: factor * getattr(self, kind) for kind in Requests.model_fields})

    @property
    def total(self) -> int:
        """All of them, in whole requests."""
        return round(self.put + self.get + self.list + self.delete)


@dataclass(frozen=True)
class Call:
    """One call of a folder. size: of what was written."""

    kind: Kind
    name: str
    size: int = 0

    @property
    def requests(self) -> Requests:
        return Requests(**{self.kind: puts(self.size) if self.kind == "put" else 1})


class Calls(Frozen):
    """What a step asks for: `fixed` once, `shard` and an upload for each of `uploads` (bytes a sample) a shard."""

    fixed: Requests = Requests()
    shard: Requests = Requests()
    uploads: tuple[float, ...] = ()

    def of(self, shards: int, samples: float) -> Requests:
        """In a corpus of so many shards with so many samples each; its listings take a page for 250 shards."""
        pages = math.ceil(4 * shards / _PAGE)
        fixed = self.fixed.model_copy(update={"list": self.fixed.list * pages})
        return fixed + (self.shard + Requests(put=sum(puts(size * samples) for size in self.uploads))).times(shards)


def puts(size: float) -> int:
    """Requests to upload so many bytes."""
    return 1 if size < _PART else 2 + math.ceil(size / _PART)


def calls_of(calls: Iterable[Call], shard: str, samples: int) -> Calls:
    """What was asked for while one shard of so many samples was in work: its own files, and those of all shards."""
    fixed, own, uploads = Requests(), Requests(), []
    for call in calls:
        if not call.name.rpartition("/")[2].startswith(shard):
            fixed += call.requests
        elif call.kind == "put":
            uploads.append(call.size / samples)
        else:
            own += call.requests
    return Calls(fixed=fixed, shard=own, uploads=tuple(uploads))


@dataclass
class CountedFolder:
    """A folder whose calls are noted in `calls`, those of the folders below it too."""

    folder: Folder
    calls: list[Call] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return self.folder.uri

    def names(self) -> Iterator[str]:
        self.calls.append(Call("list", ""))
        return self.folder.names()

    def top(self) -> dict[str, int]:
        self.calls.append(Call("list", ""))
        return self.folder.top()

    def exists(self, name: str) -> bool:
        self.calls.append(Call("get", name))
        return self.folder.exists(name)

    def size(self, name: str) -> int:
        self.calls.append(Call("get", name))
        return self.folder.size(name)

    def open(self, name: str) -> BinaryIO:
        self.calls.append(Call("get", name))
        return self.folder.open(name)

    def read(self, name: str, start: int, size: int) -> bytes:
        self.calls.append(Call("get", name))
        return self.folder.read(name, start, size)

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        with self.folder.write(name, only_if_absent=only_if_absent) as stream:
            yield stream
            size = stream.tell()
        self.calls.append(Call("put", name, size))

    def delete(self, name: str) -> None:
        self.calls.append(Call("delete", name))
        self.folder.delete(name)

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        self.calls.append(Call("list", ""))
        return self.folder.sweep(ours, finished)

    def below(self, name: str) -> "CountedFolder":
        return CountedFolder(self.folder.below(name), self.calls)
