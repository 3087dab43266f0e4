"""`coco`: annotations/captions_train2017.json (and captions_val2017.json, ...) with the image folders beside.

The split is the word in the file's name. Each JSON is parsed whole (about 500 MB of memory for train2017).
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.captions import Row
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import load_json

_NAME = re.compile(r"captions_(train|val|test)", re.IGNORECASE)


class CocoReader(FormatReader):
    """Captions from one or more COCO caption files."""

    format = "coco"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        match = _NAME.match(file.name)
        split = match[1] if match else ""
        content = load_json(file)
        images, annotations = (_listed(content, key, file) for key in ("images", "annotations"))
        captions, broken = _by_image(annotations)
        licences = _licences(content)
        for number, image in enumerate(images):
            name, key = (image.get("file_name"), image.get("id")) if isinstance(image, dict) else (None, None)
            if not isinstance(name, str) or not isinstance(key, int):
                where = f"{file.name}: image {number}"
                yield failed(where, f"{where}: expected file_name and id", split=split.lower())
                continue
            texts = captions.pop(key, [None])
            licence = image.get("license") if isinstance(image, dict) else None
            metadata = {"coco_id": key, **(licences.get(licence, {}) if isinstance(licence, int) else {})}
            yield from (Row(name, text, split, metadata) for text in texts)
        for key in captions:
            where = f"{file.name}: image id {key}"
            yield failed(where, f"{where}: expected among `images`, but only captions name it", split=split.lower())
        for number in broken:
            where = f"{file.name}: annotation {number}"
            yield failed(where, f"{where}: expected image_id and caption", split=split.lower())


def _listed(content: object, key: str, table: SourceFile) -> list[object]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise SourceError(f"expected COCO captions with lists `images` and `annotations`, but {table} lacks `{key}`")
    return value


def _licences(content: object) -> dict[object, dict[str, str]]:
    """What to keep for an image of each licence id: the words and the address that the file has for it."""
    listed = content.get("licenses") if isinstance(content, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    kept = {"license": "name", "license_url": "url"}
    return {
        entry["id"]: {name: text for name, key in kept.items() if isinstance(text := entry.get(key), str)}
        for entry in entries
        if isinstance(entry.get("id"), int)
    }


def _by_image(annotations: list[object]) -> tuple[dict[int, list[str | None]], list[int]]:
    """Captions by image id in the file's order, and the numbers of the annotations that cannot be read."""
    captions: defaultdict[int, list[str | None]] = defaultdict(list)
    broken = []
    for number, annotation in enumerate(annotations):
        entry = annotation if isinstance(annotation, dict) else {}
        key, text = entry.get("image_id"), entry.get("caption")
        if isinstance(key, int) and isinstance(text, str):
            captions[key].append(text.strip())
        else:
            broken.append(number)
    return dict(captions), broken
