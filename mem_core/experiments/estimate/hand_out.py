"""How large the tars to hand out will be, in either image format, beside the clean ones."""

import math
from collections.abc import Mapping
from tarfile import BLOCKSIZE, RECORDSIZE
from typing import get_args

from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, ProtectConfig, fingerprint
from mem_core.data.corpus import list_shards
from mem_core.data.images import ImageFormat, decode_image, encode_image
from mem_core.data.loaders.tar_index import index_tar
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.survey import Survey

_CLEAN = "clean tars"
_COMPARED = 32  # images that are encoded in the other format, too


class HandOut(Frozen):
    """Bytes of the tars of a whole corpus. sizes: in each image format; chosen: the one that is set."""

    clean: float
    sizes: dict[ImageFormat, float]
    chosen: ImageFormat

    @property
    def smallest(self) -> ImageFormat:
        """The format that takes the fewest bytes."""
        return min(self.sizes, key=lambda image_format: self.sizes[image_format])


def tar_sizes(clean: Folder, published: Folder, config: ProtectConfig) -> dict[str, float]:
    """Bytes of what the tars of two corpora hold, as entries of `Costs.size`: the clean ones, and in each image format.

    published: the same samples, protected with the budget of the run. That decides how well they compress: so some of
    the published images themselves are encoded anew in the other format, and the rest is taken to grow as they do.
    """
    found: dict[str, float] = {_CLEAN: _held(clean)[0]}
    held, images = _held(published)
    found[config.image_format] = held
    for other in set(get_args(ImageFormat)) - {config.image_format}:
        found[other] = held + images * (_ratio(published, config, other) - 1)
    return found


def hand_out(survey: Survey, sizes: Mapping[str, Mapping[str, float]], config: ProtectConfig) -> HandOut:
    """For all training samples of a source. sizes: `Costs.size`."""
    each, samples, shards = sizes[fingerprint(config)], survey.samples["train"], survey.shards["train"]

    def tars(what: str) -> float:
        """A tar ends with two empty blocks, and is filled up to whole records."""
        return shards * math.ceil((samples * each[what] / shards + 2 * BLOCKSIZE) / RECORDSIZE) * RECORDSIZE

    sizes_of = {image_format: tars(image_format) for image_format in get_args(ImageFormat)}
    return HandOut(clean=tars(_CLEAN), sizes=sizes_of, chosen=config.image_format)


def _held(folder: Folder) -> tuple[float, float]:
    """Bytes of all members with their headers, without what fills a tar up; and of the images alone."""
    tars = [index_tar(folder, shard) for shard in list_shards(folder)]
    parts = [part for tar in tars for sample in tar.samples for part in sample.parts]
    images = sum(part.size for part in parts if part.extension not in ("txt", "json"))
    return float(sum(tar.end for tar in tars)), float(images)


def _ratio(published: Folder, config: ProtectConfig, other: ImageFormat) -> float:
    """Bytes of published images in another format, over those that they have."""
    shard = list_shards(published)[-1]
    with open_tar(published, shard) as stream:
        samples = [found for found in read_shard(stream, shard) if isinstance(found, Sample)]
    compared = [sample.image for sample in samples[:: max(1, len(samples) // _COMPARED)]]
    pictures = (decode_image(image, max_pixels=config.max_pixels) for image in compared)
    anew = sum(len(encode_image(picture, other)) for picture in pictures)
    return anew / max(1, sum(map(len, compared)))
