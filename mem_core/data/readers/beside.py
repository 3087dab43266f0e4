"""`beside`: each image with its caption in a file of the same name beside it: 1.jpg with 1.txt, 1.caption or 1.json.

The file has the image's stem or its whole name (1.jpg.txt); where none fits to the letter, case and Unicode form do not
matter. A text file is one caption, however many lines it has. What counts of several files is the rule of tars, too:
`texts.read_captions`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache, partial

from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.path_parts import TEXT_SUFFIXES, folded, is_picture
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.splits import split_of_folder
from mem_core.data.readers.text import repaired
from mem_core.data.tar_reader import MAX_TEXT_BYTES

_ABOUT_ALL = re.compile(
    r"readme|licen[cs]e|copying|notice|authors|citation|changelog|requirements|classes|labels|metadata|info|config|"
    r"dataset.*|.*_stats|(.*[._-])?(train|trn|dev|val|test)(images)?",
    re.IGNORECASE,
)
"""Names of files that stand beside images and are no caption of one of them."""
_COUNTED = re.compile(r"\d+_")


class BesideReader(FormatReader):
    """One sample for each image, in the order of the listing. files: the images and what may be their captions."""

    format = "beside"
    all_pictures = True

    @cached_property
    def _pairing(self) -> Callable[[str], "_Pairing"]:
        return lru_cache(maxsize=16)(lambda folder: _Pairing(self.tree.inside(folder)))

    def split_of(self, file: SourceFile) -> str:
        """That of the folders; kohya's counted ones name what the pictures show."""
        return split_of_folder("/".join(part for part in file.path.split("/") if not _COUNTED.match(part)))

    def rows(self, file: SourceFile) -> Iterator[RawSample]:
        pairing = self._pairing(file.parent)
        if is_picture(file.path):
            yield self._sample(file, *pairing.texts_of(file))
        elif pairing.is_orphan(file):
            name = repaired(file.path)[0]
            reason = f"expected an image with the name of the caption file {name!r} beside it, but there is none"
            yield failed(name, reason, "no-image")

    def _sample(self, image: SourceFile, texts: dict[str, SourceFile], others: list[str]) -> RawSample:
        name = repaired(image.path)[0]
        read = self.images.at(image)
        if others:
            reason = f"expected one image of the name {image.stem!r} beside its caption, got {' and '.join(others)}"
            return RawSample(name, read, (), problem=repaired(reason)[0], code="ambiguous-image")
        if not texts:
            reason = f"expected a caption of {name!r} in a .txt, .caption or .json of the same name beside it"
            return RawSample(name, read, (), problem=reason, code="no-caption")
        read_text = partial(self.images.read, most=MAX_TEXT_BYTES, what="caption file")
        return self.captioned(name, read, {suffix: partial(read_text, file) for suffix, file in texts.items()})


class _Pairing:
    """Which images and caption files of one folder belong together."""

    def __init__(self, files: Iterable[SourceFile]) -> None:
        self._texts: defaultdict[str, dict[str, SourceFile]] = defaultdict(dict)
        images = []
        for file in files:
            if file.suffix in TEXT_SUFFIXES:
                self._texts[file.stem][file.suffix] = file
            elif is_picture(file.path):
                images.append(file)
        self._stems_of = {one.name: [stem for stem in (one.name, one.stem) if stem in self._texts] for one in images}
        self._pairfolded(images)
        self._images_of: defaultdict[str, list[str]] = defaultdict(list)
        for name, stems in self._stems_of.items():
            for stem in stems:
                self._images_of[stem].append(name)
        self._used = {suffix for stem in self._images_of for suffix in self._texts[stem]}

    def texts_of(self, image: SourceFile) -> tuple[dict[str, SourceFile], list[str]]:
        """Its caption files by suffix; if other images claim all of them, too, those."""
        stems = self._stems_of[image.name]
        own = [stem for stem in stems if len(self._images_of[stem]) == 1]
        texts = {suffix: file for stem in reversed(own) for suffix, file in self._texts[stem].items()}
        return texts, self._images_of[stems[0]] if stems and not own else []

    def is_orphan(self, text: SourceFile) -> bool:
        """Whether it is the caption of an image that is not there: images beside it have such files, too."""
        named = text.stem in self._images_of or _ABOUT_ALL.fullmatch(text.stem)
        return text.suffix in self._used and not named

    def _pairfolded(self, images: Iterable[SourceFile]) -> None:
        """Gives the images that have no caption as written those that no image has, if one alone fits."""
        taken = {stem for stems in self._stems_of.values() for stem in stems}
        free: defaultdict[str, list[str]] = defaultdict(list)
        for stem in self._texts.keys() - taken:
            free[folded(stem)].append(stem)
        for image in images:
            fitting = (free.get(folded(name), []) for name in (image.name, image.stem))
            self._stems_of[image.name] = self._stems_of[image.name] or next((s for s in fitting if len(s) == 1), [])
