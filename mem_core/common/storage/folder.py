"""A flat place for named byte strings: a directory here, an object-store prefix in `tasks.storage`."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from mem_core.common.errors import DestinationError, SourceError, StorageRefused
from mem_core.common.paths import whole_path
from mem_core.common.reasons import Code
from mem_core.common.storage.atomic_file import Partial, is_partial, is_refusal, sweep_partials


class Trouble(NamedTuple):
    """Why a name cannot be listed as a file: "is a link that leads to itself"."""

    reason: str
    code: Code
    is_folder: bool = False


Troubles = dict[str, Trouble]
"""Trouble by name."""


class Folder(Protocol):
    """What mem_core asks of storage. Names are relative, with `/` between parts."""

    @property
    def uri(self) -> str:
        """The address of this folder, as a user would write it."""
        ...

    def names(self, troubles: Troubles | None = None) -> Iterator[str]:
        """All names of files below this folder, sorted; nothing if the folder does not exist.

        What else is there is noted in `troubles`. Without these a folder that cannot be read raises `StorageRefused`.
        """
        ...

    def top(self) -> dict[str, int]:
        """The files right in this folder, sorted by name, with their sizes in bytes, from the listing alone."""
        ...

    def exists(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """How many bytes the name has. Raises FileNotFoundError."""
        ...

    def modified(self, name: str) -> datetime:
        """When its bytes were last written, in UTC. Raises FileNotFoundError."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A stream that reads the named bytes. Raises FileNotFoundError."""
        ...

    def read(self, name: str, start: int, size: int) -> bytes:
        """`length` bytes from an offset, fewer if the file ends before. Raises FileNotFoundError."""
        ...

    def write(self, name: str, *, only_if_absent: bool = False) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes appear under the name, whole, when the block ends well, else not at all.

        With `only_if_absent`, raises FileExistsError when somebody else's bytes are there first.
        """
        ...

    def delete(self, name: str) -> None:
        """Removes the name; quiet if it is not there."""
        ...

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        """Removes half-written files of killed writers under names that are `ours`; returns how many.

        Never a file that a live writer is working on, unless the store cannot tell: then files older than a day, and at
        once those whose name is `finished`, as nobody needs them any more.
        """
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


def write_new(folder: Folder, files: Mapping[str, bytes]) -> None:
    """Writes files in their order, or finds them there. Raises `DestinationError`, before anything is written, where
    others have their names: a result is never written over by the next."""
    there = {name: folder.exists(name) for name in files}
    for name, data in files.items():
        if there[name] and read_bytes(folder, name) != data:
            raise DestinationError(
                f"expected no other {name} in {folder.uri}, but there is one", hint="name another folder"
            )
    for name, data in files.items():
        if not there[name]:
            write_bytes(folder, name, data)


class LocalFolder:
    """A directory. Files are written beside their name and moved there when complete.

    Links to files are read where they lead: corpora are often linked together from several disks, and only the
    directory's owner can have put them there. Writing replaces a link and never follows one out of the directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = whole_path(path)
        self._root = str(self.path).rstrip("/")
        if self.path.exists() and not self.path.is_dir():
            raise SourceError(f"expected a folder, but {self.path} is a file")

    @property
    def uri(self) -> str:
        return str(self.path)

    def names(self, troubles: Troubles | None = None) -> Iterator[str]:
        yield from sorted(name for name in self._walk(troubles) if not is_partial(name))

    def top(self) -> dict[str, int]:
        with self._scanned("") as entries:
            files = [(entry.name, _size(entry)) for entry in entries if not is_partial(entry.name) and _is_file(entry)]
        return {name: size for name, size in sorted(files) if size is not None}

    def exists(self, name: str) -> bool:
        return self._file(name).is_file()

    def size(self, name: str) -> int:
        return self._stat(name).st_size

    def modified(self, name: str) -> datetime:
        return datetime.fromtimestamp(self._stat(name).st_mtime, UTC)

    def _stat(self, name: str) -> os.stat_result:
        try:
            return self._file(name).stat()
        except NotADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(self._file(name))) from error

    def open(self, name: str) -> BinaryIO:
        try:
            return open(self._place(name), "rb")  # noqa: PTH123
        except (NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(self._file(name))) from error
        except PermissionError as error:
            raise StorageRefused(f"expected to read {self._file(name)}, but: {error.strerror}") from error

    def read(self, name: str, start: int, size: int) -> bytes:
        with self.open(name) as stream:
            stream.seek(start)
            return stream.read(size)

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        target = self._inside(name)
        if target.is_dir():
            raise DestinationError(f"expected to write a file at {target}, but a folder is in its place")
        try:
            _make_folder(target.parent)
            with Partial(target) as partial:
                yield partial.stream
                partial.publish(only_if_absent=only_if_absent)
        except OSError as error:
            if is_refusal(error):
                raise StorageRefused(f"expected to write {target}, but: {error.strerror}") from error
            raise

    def delete(self, name: str) -> None:
        with suppress(NotADirectoryError):
            self._inside(name).unlink(missing_ok=True)

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        """No other program makes partial files like these; their lock tells whether the writer lives."""
        return sweep_partials(self.path / name for name in list(self._walk()) if is_partial(name))

    def below(self, name: str) -> "LocalFolder":
        return LocalFolder(self._file(name))

    def _walk(self, troubles: Troubles | None = None) -> Iterator[str]:
        """All files, links to files among them; links to directories are not followed."""
        folders = [""]
        while folders:
            start = folders.pop()
            try:
                with self._scanned(start) as entries:
                    for entry in entries:
                        name = start + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(f"{name}/")
                        elif _is_file(entry):
                            yield name
                        elif troubles is not None:
                            troubles[name] = self._trouble(entry)
            except (StorageRefused, OSError) as error:
                if troubles is None or not start:
                    raise
                cause = error.__cause__ if isinstance(error, StorageRefused) else error
                why = getattr(cause, "strerror", None) or error
                troubles[start[:-1]] = Trouble(f"cannot be read: {why}", "unreadable", is_folder=True)

    def _trouble(self, entry: "os.DirEntry[str]") -> Trouble:
        """What an entry is that is neither a file nor a folder."""
        try:
            leads = Path(entry.path).resolve(strict=True)
        except FileNotFoundError:
            return Trouble("is a link to nothing", "unreadable")
        except (OSError, RuntimeError):
            return Trouble("is a link that leads to itself, or where nobody may look", "unreadable")
        if not leads.is_dir():
            return Trouble("is no file with bytes", "unreadable")
        outside = not leads.is_relative_to(self.path.resolve())
        where = "outside, and such links are not followed" if outside else "that is here, too"
        return Trouble(f"is a link to a folder {where}", "outside" if outside else "duplicate", is_folder=outside)

    @contextmanager
    def _scanned(self, start: str) -> Iterator[Iterator["os.DirEntry[str]"]]:
        """What is right in a directory; nothing where there is none."""
        try:
            entries = os.scandir(self.path / start)
        except (FileNotFoundError, NotADirectoryError):
            yield iter(())
            return
        except PermissionError as error:
            raise StorageRefused(f"expected to read the folder {self.path / start}, but: {error.strerror}") from error
        with entries:
            yield entries

    def is_link(self, name: str) -> bool:
        """Whether the name is a link, wherever it leads."""
        return os.path.islink(self._place(name))  # noqa: PTH114

    def _file(self, name: str) -> Path:
        return Path(self._place(name))

    def _place(self, name: str) -> str:
        """The path as text: for a hundred thousand small files, `Path` takes as long as reading them does."""
        parts = name.split("/")
        bad = "\0" in name or any(part in ("", ".", "..") or is_partial(part) for part in parts)
        if bad:  # partial names are not listed: what is written there would never be found
            raise DestinationError(f"expected a plain relative name inside {self.path}, got {name!r}")
        return f"{self._root}/{name}"

    def _inside(self, name: str) -> Path:
        """The file, for writing: not beyond a linked directory that leads out of this one."""
        target = self._file(name)
        if not target.parent.resolve().is_relative_to(self.path.resolve()):
            raise DestinationError(f"expected to write inside {self.path}, but a link at {name!r} leads outside")
        return target


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Not for links that lead to themselves, to nothing, or where nobody may look."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _size(entry: "os.DirEntry[str]") -> int | None:
    """None if the file went away since it was listed."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:  # not the FileExistsError that callers wait for
        raise DestinationError(f"expected {path} to be a folder, but a file is in its place") from error


def require_disjoint(source: str, dest: str) -> None:
    """Raises `DestinationError` if one of two addresses is the other, or lies inside it.

    Paths are compared where their links and `..` lead; addresses in a store as they are written.
    """
    origin, target = _real(source), _real(dest)
    if origin == target:
        raise DestinationError(f"expected a destination apart from the source, but {dest} is the source")
    if target.is_relative_to(origin):
        raise DestinationError(f"expected a destination apart from the source, but {dest} lies inside {source}")
    if origin.is_relative_to(target):
        raise DestinationError(f"expected a destination apart from the source, but the source {source} lies inside it")


def _real(address: str) -> PurePath:
    return PurePosixPath(address) if "://" in address else Path(os.path.realpath(address))
