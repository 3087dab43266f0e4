"""`karpathy`: dataset_flickr8k.json, dataset_flickr30k.json or dataset_coco.json, with images beside it.

`restval` counts as train. The JSON is parsed whole (about 1 GB of memory for COCO's).
"""

from collections.abc import Iterator

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.captions import Row
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import load_json


class KarpathyReader(FormatReader):
    """Captions and splits from one Karpathy file."""

    format = "karpathy"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        content = load_json(file)
        images = content.get("images") if isinstance(content, dict) else None
        if not isinstance(images, list):
            raise SourceError(f"expected a Karpathy file with a list `images`, but {file} has none")
        for number, image in enumerate(images):
            where = f"{file.name}: image {number}"
            try:
                yield from _image_rows(image)
            except (KeyError, TypeError, AttributeError) as error:
                yield failed(where, f"{where}: expected filename, split and sentences with raw text ({error!r})")


def _image_rows(image: dict[str, object]) -> list[Row]:
    name, split, folder = image["filename"], image.get("split", ""), image.get("filepath", "")
    if not (isinstance(name, str) and isinstance(split, str) and isinstance(folder, str)):
        raise TypeError("filename, filepath and split must be text")
    path = f"{folder}/{name}" if folder else name
    metadata = {key: image[key] for key in ("imgid", "cocoid") if isinstance(image.get(key), int)}
    sentences = image.get("sentences", [])
    if not isinstance(sentences, list):
        raise TypeError("sentences must be a list")
    rows = [Row(path, _raw(sentence), split, metadata) for sentence in sentences]
    return rows or [Row(path, None, split, metadata)]


def _raw(sentence: object) -> str:
    raw = sentence["raw"] if isinstance(sentence, dict) else sentence
    if not isinstance(raw, str):
        raise TypeError("a sentence must have raw text")
    return raw.strip()
