"""Random access to images inside tar files, of which nothing is unpacked."""

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from mem_core.common.errors import ImageError, SourceError
from mem_core.data.readers.path_parts import is_picture
from mem_core.data.readers.source import SourceFile
from mem_core.data.side_files import is_side_file
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, read_over


def images_in(file: SourceFile) -> Iterator[tuple[str, int, int]]:
    """Name, place and number of bytes of all images in one tar, but for side files.

    On a disk their bytes are skipped, from a store all of the tar is read once.
    """
    try:
        with file.open() as stream, _opened(stream) as tar:
            while (info := tar.next()) is not None:
                vars(tar)["members"] = []  # tarfile would keep every header
                name = str(PurePosixPath(info.name))
                is_image = is_picture(name)
                if info.isreg() and info.sparse is None and is_image and not is_side_file(name):
                    yield name, info.offset_data, info.size
                if not stream.seekable() and not read_over(tar):
                    raise tarfile.ReadError(f"it ends inside {name!r}")
    except (tarfile.TarError, OSError) as error:
        raise SourceError(f"expected an uncompressed tar with images, but {file} cannot be read: {error}") from error


def _opened(stream: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:" if stream.seekable() else "r|")


def read_part(tar: SourceFile, member: str, start: int, size: int) -> bytes:
    """The image's bytes. Raises `ImageError` if they are too many, or the tar ends before them."""
    if size > MAX_IMAGE_BYTES:
        raise ImageError(f"expected at most {MAX_IMAGE_BYTES} bytes, but {member!r} has {size}", code="too-large")
    data = tar.folder.read(tar.path, start, size)
    if len(data) != size:
        raise ImageError(f"expected {size} bytes of {member!r} in {tar.name}, got {len(data)}")
    return data
