"""A folder that notes what an object store would be asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal

from mem_core.common.storage.folder import Folder, Troubles


@dataclass(frozen=True)
class Call:
    """One call of a folder; size: of what was written. Deletes are free and not noted."""

    kind: Literal["put", "get", "list"]
    size: int = 0


class CountedFolder:
    """A folder whose calls are noted in `calls`, those of the folders below it too."""

    def __init__(self, folder: Folder, calls: list[Call]) -> None:
        self._folder, self.calls = folder, calls
        self.uri, self.delete = folder.uri, folder.delete

    def names(self, troubles: Troubles | None = None) -> Iterator[str]:
        self.calls.append(Call("list"))
        return self._folder.names(troubles)

    def top(self) -> dict[str, int]:
        self.calls.append(Call("list"))
        return self._folder.top()

    def exists(self, name: str) -> bool:
        self.calls.append(Call("get"))
        return self._folder.exists(name)

    def size(self, name: str) -> int:
        self.calls.append(Call("get"))
        return self._folder.size(name)

    def modified(self, name: str) -> datetime:
        self.calls.append(Call("get"))
        return self._folder.modified(name)

    def open(self, name: str) -> BinaryIO:
        self.calls.append(Call("get"))
        return self._folder.open(name)

    def read(self, name: str, start: int, size: int) -> bytes:
        self.calls.append(Call("get"))
        return self._folder.read(name, start, size)

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        with self._folder.write(name, only_if_absent=only_if_absent) as stream:
            yield stream
            size = stream.tell()
        self.calls.append(Call("put", size))

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        self.calls.append(Call("list"))
        return self._folder.sweep(ours, finished)

    def below(self, name: str) -> "CountedFolder":
        return CountedFolder(self._folder.below(name), self.calls)
