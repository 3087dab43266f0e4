"""The names that columns of tables and keys of JSON objects may have. Case does not matter, nor do spaces for `_`.

Images: the first of the usual names, else the only one that ends in `_file_name`, as Hugging Face's imagefolder has it.
Captions: the first that is there, with those of its name and a number (`caption_0` to `caption_4`) in their order.
`corpus.caption_key` and `corpus.image_key` take the place of the usual names.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mem_core.common.errors import SourceError
from mem_core.config import CorpusConfig
from mem_core.data.readers.text import repaired
from mem_core.data.texts import CAPTION_NAMES

IMAGE = (
    *("image", "image_path", "path", "file_name", "filename", "file", "filepath", "file_path", "image_name"),
    *("image_file", "image_filename", "image_file_name", "img", "img_path", "img_name", "picture", "photo"),
)
BYTES = ("bytes", "image_bytes", "base64", "image_base64", "image_data", "jpg", "jpeg", "png", "webp")
SPLIT = ("split", "set", "subset", "partition", "data_split", "dataset_split", "phase")
NAME = ("name", "id", "key", "image_id", "__key__")
PER_CAPTION = frozenset({"caption_id", "comment_number", "caption_number", "sentid"})

ACCEPTED = f"a path in one of {', '.join(IMAGE)}, or bytes in one of {', '.join(BYTES)}"


@dataclass(frozen=True)
class Columns:
    """Which column of a table, or key of a record, is what. others: what may be kept as metadata."""

    image: str | None
    data: str | None
    captions: tuple[str, ...]
    split: str | None
    name: str | None
    others: tuple[str, ...]
    twice: str
    """What is wrong where a column that is read comes twice, as one of the two would be lost; "" if none does."""

    @property
    def known(self) -> bool:
        """Whether there are images and captions."""
        return bool((self.image or self.data) and self.captions)


def columns_of(names: Iterable[str], config: CorpusConfig) -> Columns:
    """What the columns of these names are."""
    return _columns_of(tuple(names), config.image_key, config.caption_key)


@lru_cache(maxsize=64)
def _columns_of(names: tuple[str, ...], image_key: str, caption_key: str) -> Columns:
    spelled = {_plain(name): name for name in names}
    image = _first(spelled, (_plain(image_key),) if image_key else IMAGE)
    data = None if image_key else _first(spelled, BYTES)
    if image is None and data is None and not image_key:
        named = [column for name, column in spelled.items() if name.endswith("_file_name")]
        image = named[0] if len(named) == 1 else None
    captions = _captions(spelled, (_plain(caption_key),) if caption_key else CAPTION_NAMES)
    split = _first(spelled, SPLIT)
    used = {*filter(None, (image, data, split)), *captions}
    counted = Counter(map(_plain, names))
    twice = [name for name in spelled if spelled[name] in used and counted[name] > 1]
    wrong = f"each column once, whatever its case, but {', '.join(twice)} stands there more than once" if twice else ""
    others = tuple(name for name in names if name not in used and _plain(name) not in ("", *PER_CAPTION))
    return Columns(image, data, captions, split, _first(spelled, NAME), others, wrong)


def required_columns(names: Iterable[str], place: object, config: CorpusConfig) -> Columns:
    """The same for a whole table. Raises `SourceError` where images or captions are missing, or stand there twice."""
    names = tuple(names)
    found = columns_of(names, config)
    if not found.known:
        raise unknown_columns(names, place, config)
    if found.twice:
        raise SourceError(f"expected {found.twice} in {place}")
    return found


def caption_in(names: Iterable[str]) -> str | None:
    """The key of the caption in an object that is one: `raw` in `{"raw": "...", "tokens": [...]}`."""
    return _first({_plain(name): name for name in names}, CAPTION_NAMES)


def unknown_columns(names: Iterable[str], place: object, config: CorpusConfig) -> SourceError:
    """The error for a table in which images or captions have no name that is known."""
    image, caption = ACCEPTED, f"a caption in one of {', '.join(CAPTION_NAMES)}"
    if config.image_key:
        image = f"the column {config.image_key!r}"
    if config.caption_key:
        caption = f"the column {config.caption_key!r}"
    seen = repaired(", ".join(name.strip() for name in names))[0][:300] or "nothing"
    return SourceError(
        f"expected {image}, and {caption}, in {place}, got the columns {seen}", hint="name the columns", about=seen
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _first(spelled: dict[str, str], accepted: tuple[str, ...]) -> str | None:
    return next((spelled[name] for name in accepted if name in spelled), None)


def _captions(spelled: dict[str, str], accepted: tuple[str, ...]) -> tuple[str, ...]:
    for name in accepted:
        numbered = {
            int(match[1]): column
            for column in spelled
            if (match := re.fullmatch(f"{re.escape(name)}_?([0-9]{{1,4}})", column))
        }
        found = [*([name] if name in spelled else []), *(numbered[number] for number in sorted(numbered))]
        if found:
            return tuple(spelled[column] for column in found)
    return ()
