"""A flat place for named byte strings: a directory here, an object-store prefix in `tasks.storage`."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from mem_core.errors import DestinationError, SourceError


class Folder(Protocol):
    """What mem_core asks of storage. Names are relative, with `/` between parts."""

    @property
    def uri(self) -> str:
        """The address of this folder, as a user would write it."""
        ...

    def names(self) -> Iterator[str]:
        """All names below this folder, sorted; nothing if the folder does not exist."""
        ...

    def exists(self, name: str) -> bool: ...

    def open(self, name: str) -> BinaryIO:
        """A stream that reads the named bytes. Raises FileNotFoundError."""
        ...

    def write(self, name: str, *, only_if_absent: bool = False) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes appear under the name, whole, when the block ends well, else not at all.

        With `only_if_absent`, raises FileExistsError when somebody else's bytes are there first.
        """
        ...

    def delete(self, name: str) -> None:
        """Removes the name; quiet if it is not there."""
        ...

    def below(self, name: str) -> "Folder":
        """The folder at a relative path below this one."""
        ...


def read_bytes(folder: Folder, name: str) -> bytes:
    """All bytes of one name."""
    with folder.open(name) as stream:
        return stream.read()


def write_bytes(folder: Folder, name: str, data: bytes, *, only_if_absent: bool = False) -> None:
    """Writes one name, whole or not at all."""
    with folder.write(name, only_if_absent=only_if_absent) as stream:
        stream.write(data)


_TEMPORARY = ".partial-"


class LocalFolder:
    """A directory. Files are written beside their name and moved there when complete.

    Links to files are read where they lead: corpora are often linked together from several disks, and only the
    directory's owner can have put them there. Writing replaces a link and never follows one out of the directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        if self.path.exists() and not self.path.is_dir():
            raise SourceError(f"expected a folder, but {self.path} is a file")

    @property
    def uri(self) -> str:
        return str(self.path)

    def names(self) -> Iterator[str]:
        found = (path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith(_TEMPORARY))
        yield from sorted(path.relative_to(self.path).as_posix() for path in found)

    def exists(self, name: str) -> bool:
        return self._file(name).is_file()

    def open(self, name: str) -> BinaryIO:
        try:
            return self._file(name).open("rb")
        except (NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(self._file(name))) from error

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        target = self._inside(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:  # not the FileExistsError that callers wait for
            raise DestinationError(f"expected {target.parent} to be a folder, but a file is in its place") from error
        if target.is_dir():
            raise DestinationError(f"expected to write a file at {target}, but a folder is in its place")
        partial = target.with_name(f"{_TEMPORARY}{target.name}-{secrets.token_hex(4)}")
        try:
            with partial.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if only_if_absent:
                _link(partial, target)
            else:
                partial.replace(target)
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        with suppress(NotADirectoryError):
            self._inside(name).unlink(missing_ok=True)

    def below(self, name: str) -> "LocalFolder":
        return LocalFolder(self._file(name))

    def _file(self, name: str) -> Path:
        parts = name.split("/")
        bad = any(part in ("", ".", "..") or part.startswith(_TEMPORARY) or "\0" in part for part in parts)
        if bad:  # temporary names are not listed: what was written there would be lost to sight
            raise DestinationError(f"expected a plain relative name inside {self.path}, got {name!r}")
        return self.path.joinpath(*parts)

    def _inside(self, name: str) -> Path:
        """The file, for writing: not beyond a linked directory that leads out of this one."""
        target = self._file(name)
        if not target.parent.resolve().is_relative_to(self.path.resolve()):
            raise DestinationError(f"expected to write inside {self.path}, but a link at {name!r} leads outside")
        return target


def _link(partial: Path, target: Path) -> None:
    """Gives the file its name unless the name is taken: `os.replace` would overwrite."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise DestinationError(f"expected a file system with hard links at {target.parent}") from error
        raise


def _sync(folder: Path) -> None:
    """Makes new names last through a power cut; the bytes were synced before."""
    with suppress(OSError):  # some network file systems cannot, and do it by themselves
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
