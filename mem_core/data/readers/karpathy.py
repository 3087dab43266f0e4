"""`karpathy`: dataset_flickr8k.json, dataset_flickr30k.json or dataset_coco.json, with images beside it.

`restval` counts as train. The JSON is parsed whole (about 1 GB of memory for COCO's).
"""

from collections.abc import Iterator
from typing import Any

from mem_core.common.errors import SourceError
from mem_core.data.readers.records import Record, RecordReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import load_json


class KarpathyReader(RecordReader):
    """Captions and splits from one Karpathy file."""

    format = "karpathy"
    own_keys = True
    own_lists = True

    def records(self, file: SourceFile) -> Iterator[Record]:
        content = load_json(file, self.config.encoding)
        images = content.get("images") if isinstance(content, dict) else None
        if not isinstance(images, list):
            raise SourceError(f"expected a Karpathy file with a list `images`, but {file} has none")
        for number, image in enumerate(images):
            values = _values(image) if isinstance(image, dict) else None
            wrong = "expected an object with a filename, and a filepath and a split that are texts"
            yield Record(f": image {number}", values or {}, "" if values else wrong)


def _values(image: dict[str, Any]) -> dict[str, Any] | None:
    """What is read of an image's entry, under the usual names."""
    texts = [image.get(key, "") for key in ("filepath", "filename", "split")]
    if not texts[1] or not all(isinstance(text, str) for text in texts):
        return None
    folder, name, split = texts
    numbers = {key: image[key] for key in ("imgid", "cocoid") if isinstance(image.get(key), int)}
    path = f"{folder}/{name}" if folder else name
    return {"image": path, "sentences": image.get("sentences"), "split": split, **numbers}
