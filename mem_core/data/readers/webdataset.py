"""`webdataset`: a folder of img2dataset's tars (key.jpg, key.txt, key.json), or one such folder for each split.

A sample's name is the `name` in its metadata (our own corpora keep the source's name there), else `shard/key`.
"""

from collections.abc import Iterator

from mem_core.data.corpus import SHARDING_NAME
from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.shard import Broken, Sample, open_tar, read_shard

_REWRITTEN = frozenset({"captions", "caption", "name", "key", "width", "height", "sha256", "caption_index"})


class WebDatasetReader(FormatReader):
    """Samples from tars, streamed."""

    format = "webdataset"

    def split_of(self, file: SourceFile) -> str:
        """A corpus of our own has a folder for each split, whatever its name."""
        return file.parent if SHARDING_NAME in self.tree else super().split_of(file)

    def rows(self, file: SourceFile) -> Iterator[RawSample]:
        place = file.path.removesuffix(".tar")
        with open_tar(file.folder, place) as stream:
            for sample in read_shard(stream, str(file), allow_folders=True, allow_empty=True):
                yield _raw(sample, place)


def _raw(sample: Sample | Broken, place: str) -> RawSample:
    if isinstance(sample, Broken):
        return failed(f"{place}/{sample.key}", sample.reason, sample.code)
    stored = sample.metadata.get("name")
    name = stored if isinstance(stored, str) and stored else f"{place}/{sample.key}"
    metadata = {key: value for key, value in sample.metadata.items() if key not in _REWRITTEN}
    image = sample.image
    return RawSample(name, lambda: image, sample.captions, "", metadata)
