"""Which folders are named after what their pictures show, and which are only around those, or only hold pictures."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from mem_core.data.readers.splits import split_in_name

_NOT_NAMES = frozenset(
    (
        *("png", "data", "files", "jpegimages", "all", "media", "raw", "samples", "dcim", "camera", "camera roll"),
        *("download", "downloads", "screenshots", "thumbnails", "thumbs"),
    )
)
_OF_FILES = re.compile(
    r"(?:.*[\W\d_])?(?:images?|imgs?|photos?|pictures?|pics?|dataset|jpe?gs?)(?: (?:from|of))?"  # Photos from 2021
)
_OF_NONE = re.compile(
    r"class|label|cluster|(?:(?:new|untitled) )?folder|neuer ordner|group|batch|part|set|split|(?:train|val|test)[ab]"
)
_OF_CAMERA = re.compile(r"\d{3}[A-Z_]{5}")  # 100APPLE, 101_PANA
_CODE = re.compile(r"(?=.*\d)(?:[a-z]?\d[\da-z]*|[\da-f]+)")  # n01440764, 3fa2c9de
_WORD = re.compile(r"[^\W\d_]+")
_OF_ALL = frozenset({"image", "images", "photos", "pictures", "faces", "data", "set", "split"})


class Levels(NamedTuple):
    """Where in a path the folder stands that names what is shown, and where that of the split, -1 for none."""

    name: int
    split: int

    def folder_of(self, path: str) -> str:
        """The folder around a file that names what is shown, "" for a file above all of these."""
        parts = path.split("/")
        return "/".join(parts[: self.name + 1]) if len(parts) > self.name + 1 else ""


def levels_of(pictures: Iterable[str]) -> Levels:
    """The same for all pictures of a source, of which these are the paths.

    Names stand at the top, or below folders of train, val and test, or below one folder around all, as an archive has
    it: one that holds no picture itself, and nothing but names below.
    """
    folders = {tuple(path.split("/")[:-1]) for path in pictures}
    name, split = 0, -1
    while True:
        deeper = [folder for folder in folders if len(folder) > name + 1]
        here, below = {folder[name] for folder in deeper}, {folder[name + 1] for folder in deeper}
        is_around = len(here) == 1 and len(deeper) == sum(len(folder) > name for folder in folders)
        if split < 0 and here and all(map(_is_split, here)):
            split = name
        elif not (is_around and all(is_name(folder) or _is_split(folder) for folder in below)):
            return Levels(name, split)
        name += 1


def is_name(folder: str) -> bool:
    """Whether a folder may be called after what its pictures show; numbers at the end count for nothing."""
    word = " ".join(re.sub(r"[\W\d_]+$", "", folder.lower()).replace("_", " ").split())
    is_of_files = word in _NOT_NAMES or _OF_FILES.fullmatch(word) or _OF_NONE.fullmatch(word)
    is_number = _OF_CAMERA.fullmatch(folder) or _CODE.fullmatch(folder.lower())
    return bool(word) and not (is_of_files or is_number or _is_split(folder))


def _is_split(folder: str) -> bool:
    """Whether a folder is one of a split and no more: Val_Kilmer/ is none."""
    return bool(split_in_name(folder)) and len(set(_WORD.findall(folder.lower())) - _OF_ALL) == 1
