"""`coco`: annotations/captions_train2017.json (and captions_val2017.json, ...) with the image folders beside.

The split is the word in the file's name. Each JSON is parsed whole (about 500 MB of memory for train2017). Captions
find their image by its id, a number or a text; an id of two images leaves open whose they are, so both images fail.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import LeftOut, RawSample
from mem_core.data.readers.captions import Row
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.records import broken
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import load_json, repaired


class CocoReader(FormatReader):
    """Captions from one or more COCO caption files."""

    format = "coco"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        content = load_json(file)
        images, annotations = (_listed(content, key, file) for key in ("images", "annotations"))
        names: defaultdict[str, dict[str, None]] = defaultdict(dict)  # the different file names that stand with each id
        for name, key in map(_name_and_id, images):
            if name and key:
                names[key][name] = None
        captions, unread = _by_image(annotations)
        licences = _licences(content)
        for number, image in enumerate(images):
            name, key = _name_and_id(image)
            if not name or not key:
                yield broken(f"{file.name}: image {number}", "expected file_name and id", image=name)
            elif len(names[key]) > 1:
                yield Row(name, None, problem=_shared(file, key, names[key]), code="duplicate")
            else:
                metadata = {"coco_id": image["id"], **licences.get(_id(image.get("license")), {})}
                place = f"{file.name}: image id {key}"
                yield from (Row(name, text, metadata=metadata, place=place) for text in captions.pop(key, [None]))
        for key, texts in captions.items():
            where = f"{file.name}: image id {key}"
            if len(names.get(key, ())) > 1:
                reason = _shared(file, key, names[key])
                self.left_out += [LeftOut(where, "caption", "duplicate", reason) for text in texts]
            elif key not in names:
                yield broken(where, "expected among `images`, but only captions name it")
        for number in unread:
            yield broken(f"{file.name}: annotation {number}", "expected image_id and caption")


def _listed(content: object, key: str, table: SourceFile) -> list[Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise SourceError(f"expected COCO captions with lists `images` and `annotations`, but {table} lacks `{key}`")
    return value


def _name_and_id(image: object) -> tuple[str, str]:
    """Both "" where the entry has no such thing."""
    name, key = (image.get("file_name"), image.get("id")) if isinstance(image, dict) else (None, None)
    return name if isinstance(name, str) else "", _id(key)


def _id(value: object) -> str:
    """An id, equal for 7, 7.0 and "7"; "" for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _shared(file: SourceFile, key: str, names: Iterable[str]) -> str:
    listed = " and ".join(repaired(name)[0] for name in islice(names, 2))
    return (
        f"expected an id of its own for each image in {file.name}, but {key} is that of {listed}, so that nobody knows "
        "whose captions those of this id are"
    )


def _licences(content: object) -> dict[str, dict[str, str]]:
    """What to keep for an image of each licence id: the words and the address that the file has for it."""
    listed = content.get("licenses") if isinstance(content, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    kept = {"license": "name", "license_url": "url"}
    return {
        key: {name: text for name, word in kept.items() if isinstance(text := entry.get(word), str)}
        for entry in entries
        if (key := _id(entry.get("id")))
    }


def _by_image(annotations: list[Any]) -> tuple[dict[str, list[str | None]], list[int]]:
    """Captions by image id in the file's order, and the numbers of the annotations that cannot be read."""
    captions: defaultdict[str, list[str | None]] = defaultdict(list)
    unread = []
    for number, annotation in enumerate(annotations):
        entry = annotation if isinstance(annotation, dict) else {}
        key, text = _id(entry.get("image_id")), entry.get("caption")
        if key and isinstance(text, str):
            captions[key].append(text.strip())
        else:
            unread.append(number)
    return dict(captions), unread
