"""SHA-256 of streams while they are read or written, and of whole files."""

import hashlib
from typing import BinaryIO

from mem_core.common.storage.folder import Folder

_CHUNK = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """SHA-256 (hex) of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(folder: Folder, name: str) -> str:
    """SHA-256 (hex) of one name, read in chunks. Raises FileNotFoundError."""
    with folder.open(name) as stream:
        reader = HashingReader(stream)
        while reader.read(_CHUNK):
            pass
        return reader.hexdigest()


class HashingReader:
    """Reads through to a stream and hashes what was read; it does not own the stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def hexdigest(self) -> str:
        """The hash of what was read so far."""
        return self._hash.hexdigest()


class HashingWriter:
    """Writes through to a stream and hashes what was written; it does not own the stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._stream.write(data)

    def hexdigest(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()
