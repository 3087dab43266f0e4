"""The images of a shard: decoded as far as memory allows, the others decoded again whenever they are looked at."""

from collections.abc import Sequence
from typing import overload

from mem_core.data.images import Picture, decode_image


class Pictures(Sequence[Picture]):
    """max_bytes: decoded pixels to keep. The files' own bytes are shared with the samples, not copied.

    sizes: bytes of each image's pixels, kept or not. nbytes: those of the kept ones.
    """

    def __init__(self, max_pixels: int, max_bytes: int) -> None:
        self._max_pixels, self._max_bytes = max_pixels, max_bytes
        self._kept: list[Picture | bytes] = []
        self.sizes: list[int] = []
        self.nbytes = 0

    def append(self, file: bytes) -> None:
        """Decodes a further image. Raises `ImageError` if that cannot be done; then nothing is added."""
        picture = decode_image(file, max_pixels=self._max_pixels)
        keeps = self.nbytes + picture.pixels.nbytes <= self._max_bytes
        self.nbytes += picture.pixels.nbytes if keeps else 0
        self._kept.append(picture if keeps else file)
        self.sizes.append(picture.pixels.nbytes)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> "Pictures": ...
    def __getitem__(self, index: int | slice) -> "Picture | Pictures":
        if isinstance(index, slice):
            part = Pictures(self._max_pixels, self._max_bytes)
            part._kept, part.sizes = self._kept[index], self.sizes[index]
            part.nbytes = sum(found.pixels.nbytes for found in part._kept if isinstance(found, Picture))
            return part
        found = self._kept[index]
        return found if isinstance(found, Picture) else decode_image(found, max_pixels=self._max_pixels)
