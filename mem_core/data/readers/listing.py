"""The files of a source, sorted by what they are: pictures, tars, and what could be captions of them.

Dataset cards, licences, logs and the tables beside tars are none of these, unless captions stand in them. All of it is
computed from names and a first look (`look.py`); side files are left out beforehand.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from mem_core.common.formatting import counted
from mem_core.config import CorpusConfig
from mem_core.data.readers.identity_folders import is_name, levels_of
from mem_core.data.readers.kinds import CAPTION_SUFFIXES, Kind, fits_one_picture, format_by_name, kind_of
from mem_core.data.readers.look import Look
from mem_core.data.readers.path_parts import (
    TAR_SUFFIXES,
    TEXT_SUFFIXES,
    folded,
    folder_around,
    is_picture,
    stem_of,
    suffix_of,
    without_suffix,
)
from mem_core.data.side_files import is_side_file

_CARD = re.compile(
    r"(readme|licen[cs]e|copying|notice|authors|citation|changelog|contributing|datasheet)\b.*|dataset_infos?\.json|"
    r".*\.(md|rst|bib|cff|log|py|sh|ipynb|sha1|sha256|md5)|(md5|sha1|sha256)sums?(\.txt)?|checksums?(\.\w+)?|"
    r"requirements.*\.txt|(.*[._-])?logs?([._-].*)?\.txt|.*_stats\.json|.*\.receipt\.json|manifest\.json|sharding\.json|"
    r"left_out\.parquet|croissant\.json|wids.*\.json|dataset_dict\.json|state\.json|_success",
    re.DOTALL,
)
_NO_TEXT = frozenset((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".3gp", ".mp3", ".wav", ".m4a", ".aae", ".xmp"))
_LOOKS = 8  # at files whose names differ in digits alone: what these hold, the others do
_SAID = 3


class Listing:
    """names: the paths of all files. look: the first look at one of them. config: names of columns."""

    def __init__(self, names: Iterable[str], look: Look, config: CorpusConfig) -> None:
        self.look, self.config = look, config
        self.pictures: list[str] = []
        self.tars: list[str] = []
        self.texts: list[str] = []
        """All that could hold captions."""
        for name in names:
            suffix = suffix_of(name)
            if is_side_file(name) or suffix in _NO_TEXT:
                continue
            is_tar = name.lower().endswith(TAR_SUFFIXES)
            kind = self.pictures if is_picture(name) else self.tars if is_tar else self.texts
            kind.append(name)

    @cached_property
    def paired(self) -> list[str]:
        """The texts that have a picture of their name beside them."""
        texts = list(filter(_is_text, self.texts))
        folders = {folder_around(name) for name in texts}
        beside = [name for name in self.pictures if folder_around(name) in folders]
        stems = {folded(without_suffix(name)) for name in beside} | {folded(name) for name in beside}
        return [name for name in texts if folded(without_suffix(name)) in stems]

    @cached_property
    def captions_beside(self) -> list[str]:
        """Some of those, from all over them, that may hold a caption of their picture."""
        found = []
        for suffix in reversed(TEXT_SUFFIXES):
            alike = [name for name in self.paired if suffix_of(name) == suffix]
            some = alike[:: max(1, len(alike) // _LOOKS)]
            found += [name for name in some if fits_one_picture(name, self.look(name), self.config)]
        return found

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each of the other texts is, but for cards, licences and logs."""
        holders = {stem_of(tar) for tar in self.tars} | {folder_around(picture) for picture in self.pictures}
        paired, cards = set(self.paired), self._cards
        found: dict[str, Kind] = {}
        alike: defaultdict[str, list[Kind]] = defaultdict(list)
        for name in self.texts:
            is_card = name in cards
            if name in paired or (is_card and suffix_of(name) not in CAPTION_SUFFIXES):
                continue
            known = alike[re.sub(r"\d+", "0", name)]
            if len(known) < _LOOKS:
                known.append(kind_of(name, self.look(name), self.config))
            kind = known[-1]
            if suffix_of(name) == ".parquet" and without_suffix(name) in holders and (kind.sidecar or not kind.format):
                found[name] = Kind(about=kind.about, sidecar=True)
            elif kind.format or not is_card:
                found[name] = kind
        return found

    @property
    def _cards(self) -> set[str]:
        """Cards, licences and logs by their names, but for those of the name of a picture: 1.md may caption 1.jpg."""
        cards = {name for name in self.texts if _CARD.fullmatch(name.rpartition("/")[2].lower())}
        stems = {folded(without_suffix(name)) for name in cards}
        of_pictures = {stem for name in self.pictures if (stem := folded(without_suffix(name))) in stems}
        return {name for name in cards if folded(without_suffix(name)) not in of_pictures}

    @cached_property
    def usable(self) -> dict[str, tuple[str, ...]]:
        """Formats whose captions are there -> the files to read."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, kind in self.kinds.items():
            # Flickr8k.lemma.token.txt has the same captions with words reduced to their stems.
            if kind.format and not (kind.format == "flickr-token" and "lemma" in name.lower()):
                is_packed = kind.format == "imagefolder" and not self.pictures
                found[format_by_name(name) if is_packed else kind.format].append(name)
        if "parquet" in found:  # what is cut among them is a part of the same, and its reader says so
            found["parquet"] += [
                name for name, kind in self.kinds.items() if kind.near == "parquet" and not self.look(name)
            ]
        if self.captions_beside:
            found["beside"] = self._beside
        if self.tars and (not found or any(map(_is_text, self.look(self.tars[0]).split("\n")))):
            found["webdataset"] = self.tars
        return {name: tuple(sorted(files)) for name, files in found.items()}

    @property
    def _beside(self) -> list[str]:
        return [*self.pictures, *filter(_is_text, self.texts)]

    def promised(self, format: str) -> tuple[str, ...]:
        """The files that by name or nearness are of a format, for a reader to say what they lack."""
        if format == "beside":
            return tuple(sorted(self._beside)) if self.paired else ()
        if format == "webdataset":
            return tuple(self.tars)
        if format == "identities":
            return tuple(self.identity_folders.values())
        near = [name for name, kind in self.kinds.items() if not kind.sidecar and kind.near == format]
        return tuple(sorted(near or (name for name in self.kinds if format_by_name(name) == format)))

    @cached_property
    def identity_folders(self) -> dict[str, str]:
        """Each folder that may be named after what its pictures show -> one of them."""
        first: dict[str, str] = {}
        levels = levels_of(self.pictures)
        for name in self.pictures:
            if folder := levels.folder_of(name):
                first.setdefault(folder, name)
        return first

    @property
    def has_named_folders(self) -> bool:
        """Whether there are such folders and each has a name that may be one, not images/ or 00000/."""
        return bool(self.identity_folders) and all(is_name(f.rpartition("/")[2]) for f in self.identity_folders)

    def is_lone(self, name: str) -> bool:
        """Whether what a sidecar is about is not here."""
        place = without_suffix(name)
        return place not in map(stem_of, self.tars) and not any(p.startswith(place + "/") for p in self.pictures)

    @property
    def nearest(self) -> list[str]:
        """The formats that what is there comes nearest to, the nearest first."""
        tables = [kind.near for kind in self.kinds.values() if kind.near and not kind.sidecar]
        found = [*tables, *["beside"] * bool(self.paired), *["identities"] * bool(self.identity_folders)]
        return list(dict.fromkeys(found))

    @property
    def seen(self) -> str:
        """What the source has, with an example of each."""
        groups = (("image", self.pictures), ("tar", self.tars))
        said = [f"{counted(len(them), what)} ({them[0]})" for what, them in groups if them]
        if self.paired and not self.captions_beside:
            said.append(f"{counted(len(self.paired), 'file')} without a caption beside images ({self.paired[0]})")
        said += [f"{name}, which {kind.about}" for name, kind in list(self.kinds.items())[:_SAID]]
        if len(self.kinds) > _SAID:
            said.append(f"{len(self.kinds) - _SAID} more files")
        return "; ".join(said) or "no file that could be either"


def _is_text(name: str) -> bool:
    return suffix_of(name) in TEXT_SUFFIXES
