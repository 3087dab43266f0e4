"""Random access to images inside tar files, of which nothing is unpacked."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from mem_core.common.errors import ImageError
from mem_core.data.readers.path_parts import is_picture
from mem_core.data.readers.source import SourceFile
from mem_core.data.side_files import is_side_file
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, scan


def images_in(file: SourceFile) -> Iterator[tuple[str, int, int]]:
    """Name, place and number of bytes of all images in one tar, but for side files.

    Their bytes are skipped; where the store only streams, the tar is copied once. Raises `SourceError`.
    """
    with file.seekable() as stream:
        for info in scan(stream, str(file)):
            name = str(PurePosixPath(info.name))
            if info.isreg() and not info.issparse() and is_picture(name) and not is_side_file(name):
                yield name, info.offset_data, info.size


def read_part(tar: SourceFile, member: str, start: int, size: int) -> bytes:
    """The image's bytes. Raises `ImageError` if they are too many, or the tar ends before them."""
    if size > MAX_IMAGE_BYTES:
        raise ImageError(f"expected at most {MAX_IMAGE_BYTES} bytes, but {member!r} has {size}", code="too-large")
    data = tar.folder.read(tar.path, start, size)
    if len(data) != size:
        raise ImageError(f"expected {size} bytes of {member!r} in {tar.name}, got {len(data)}")
    return data
