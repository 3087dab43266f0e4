"""Atomic files: written under a partial name, locked by their writer, removed later if the writer was killed.

The lock (flock) ends with the process that holds it, so a partial file without a lock has no writer any more.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from mem_core.common.errors import DestinationError, RetryShard

_TEMPORARY = ".partial-"
_LONG_DEAD = 24 * 3600  # seconds; for files of other machines, whose locks some network file systems do not show


def is_partial(name: str) -> bool:
    """Whether a name is that of a partial file."""
    return name.rpartition("/")[2].startswith(_TEMPORARY)


def is_refusal(error: OSError) -> bool:
    """Whether writing failed for good: the disk or a quota is full, or may not be written to."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


class Partial:
    """A partial file beside `target`; at the end of the block it is deleted, or renamed if it was published."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path, self.stream = _locked_beside(target)

    def publish(self, *, only_if_absent: bool) -> None:
        """Gives the complete file its name. Raises FileExistsError if the name is taken and must not be replaced."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        try:
            if only_if_absent:
                _link(self._path, self._target)
            else:
                self._path.replace(self._target)
        except FileNotFoundError as error:  # swept on a file system that does not show locks
            raise RetryShard(f"expected {self._path} to stay until it is complete, but it was removed") from error
        _sync(self._target.parent)

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.stream.close()  # after the rename: without the lock somebody might sweep the file before
        finally:
            self._path.unlink(missing_ok=True)


def sweep_partials(found: Iterable[Path]) -> int:
    """Deletes partial files without a writer: on this machine those without a lock; of others, and where there are no
    locks, those that nobody has written to for a day."""
    swept = 0
    for path in found:
        with suppress(OSError), path.open("r+b") as stream:  # else it has just been completed, or is locked
            known_dead = _has_no_writer(stream) and path.name.startswith(f"{_TEMPORARY}{_machine()}-")
            if known_dead or time.time() - os.fstat(stream.fileno()).st_mtime > _LONG_DEAD:
                path.unlink()
                swept += 1
    return swept


def _has_no_writer(stream: BinaryIO) -> bool:
    """Whether a partial file has no writer; False where there are no locks. Raises BlockingIOError if it is locked."""
    try:
        _lock(stream)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _locked_beside(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = target.with_name(f"{_TEMPORARY}{_machine()}-{target.name}-{secrets.token_hex(4)}")
        stream = path.open("xb")
        try:
            _lock(stream)
        except BlockingIOError:  # a sweep came first; it removes the file
            stream.close()
            continue
        except OSError:  # no locks here: go by the age of the file
            return path, stream
        if os.fstat(stream.fileno()).st_nlink:
            return path, stream
        stream.close()


def _machine() -> str:
    """Eight letters that differ from machine to machine."""
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]


def _lock(stream: BinaryIO) -> None:
    """Raises BlockingIOError if somebody else holds the lock, OSError where there are no locks."""
    fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _link(partial: Path, target: Path) -> None:
    """Gives the file its name unless the name is taken: `os.replace` would overwrite."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise DestinationError(f"expected a file system with hard links at {target.parent}") from error
        raise


def _sync(folder: Path) -> None:
    """Makes renames survive a power cut; the bytes were synced before."""
    with suppress(OSError):  # some network file systems cannot, and do it by themselves
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
