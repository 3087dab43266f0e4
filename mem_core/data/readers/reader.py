"""The one way from the files of a source to its samples: rows, grouped by image, each image found, nothing lost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from mem_core.common.errors import SampleError, SourceError
from mem_core.config import CorpusConfig
from mem_core.data.readers.base import UNLISTED, Detected, LeftOut, RawSample
from mem_core.data.readers.captions import CaptionTable, Row
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.path_parts import TEXT_SUFFIXES, is_picture, packed
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.split_lists import SplitLists, find_split_lists
from mem_core.data.readers.splits import split_of, split_of_folder
from mem_core.data.readers.text import repaired
from mem_core.data.texts import OF_CAPTIONS, read_captions


class FormatReader(ABC):
    """Base of the readers of all formats. A subclass says what stands in one file; the rest is the same for all.

    found: why the source is read in this format, the files that it reads, what of it is not read. config: how
    (encoding, names of columns, templates). seed: for what is drawn.
    """

    format = ""
    own_lists = False
    """Whether `rows` itself reads the lists that name the images of a split, or the format has none."""
    all_pictures = False
    """Whether `rows` itself gives a sample for each picture of the source, though nothing names it."""

    def __init__(self, tree: SourceTree, found: Detected, config: CorpusConfig, seed: int) -> None:
        self.tree, self.uri, self.found, self.config, self.seed = tree, tree.uri, found, config, seed
        self.files: list[SourceFile] = [tree.file(name) for name in found.files]
        self.left_out: list[LeftOut] = []
        self._known: tuple[CaptionTable, list[LeftOut]] | None = None

    @abstractmethod
    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        """All rows of one of the files, in its order; a whole sample where the image's bytes stand in the file too."""

    def __iter__(self) -> Iterator[RawSample]:
        yield from self._lists.over(self._all()) if self._lists else self._all()

    @cached_property
    def images(self) -> ImageFiles:
        """The pictures of the source: their index is built once, however often the source is gone through."""
        return ImageFiles(self.tree)

    @cached_property
    def _lists(self) -> SplitLists | None:
        if self.own_lists:
            return None
        found = find_split_lists(self.tree, lambda line: not self.images.find(line.strip()).reason)
        return SplitLists(self.images, found) if found else None

    def _all(self) -> Iterator[RawSample]:
        if self._known is not None:
            table, left_out = self._known
            self.left_out = list(left_out)
        else:
            table, is_whole = CaptionTable(), True
            self.left_out = list(_never_read(self.tree, self.files))
            try:
                for file in self.files:
                    for sample in self._read(file, table):
                        is_whole = False
                        yield sample
            except UnicodeDecodeError as error:
                what = f"expected text in UTF-8 or UTF-16 in {self.uri}, got other bytes: {error}"
                raise SourceError(what) from error
            table.whole()
            if is_whole:  # nothing else stands in the files: none has to be read again
                self._known = table, list(self.left_out)
        yield from self._samples(table)

    def _read(self, file: SourceFile, table: CaptionTable) -> Iterator[RawSample]:
        """The whole samples that stand in a file; its rows go to the table."""
        split, folder = self.split_of(file) or self._usual, file.parent
        for row in self.rows(file):
            if isinstance(row, RawSample):
                yield row if row.split or not split else replace(row, split=split)
            else:
                table.add(row, self.images.find, folder, split)

    def captioned(self, name: str, image: Callable[[], bytes], texts: Mapping[str, Callable[[], bytes]]) -> RawSample:
        """The sample of an image and the texts beside it: suffix -> what reads one, or raises `SampleError`."""
        try:
            data = [texts[suffix]() if suffix in texts else None for suffix in TEXT_SUFFIXES]
            found = read_captions(*data, key=self.config.caption_key, encoding=self.config.encoding)
        except SampleError as error:
            return RawSample(name, image, (), problem=str(error), code=error.code)
        self.left_out += [LeftOut(name, "caption", one.code, str(one)) for one in found.odd]
        hidden = {*OF_CAPTIONS, found.place.strip().lower(), self.config.caption_key.strip().lower()}
        metadata = {key: value for key, value in found.metadata.items() if key.strip().lower() not in hidden}
        return RawSample(name, image, found.captions, metadata=metadata)

    def split_of(self, file: SourceFile) -> str:
        """The split of what the file holds, where an entry says none: that of its name or folder, see `splits.py`."""
        return split_of_folder(file.path) if is_picture(file.path) else split_of(file.path)

    @cached_property
    def _usual(self) -> str:
        """The split of files that say none, beside files that do."""
        return "train" if any(map(self.split_of, self.files)) else ""

    def _samples(self, table: CaptionTable) -> Iterator[RawSample]:
        usual = UNLISTED if table.has_splits else "train" if table.has_folder_splits else self._usual
        splits = set()
        for sample in table.samples(self.images.reader, usual, self.left_out):
            splits.add(sample.split)
            yield sample
        if not self.all_pictures:
            yield from self._unnamed(table, splits)
        self.left_out += _unlisted(self.tree, table)

    def _unnamed(self, table: CaptionTable, splits: set[str]) -> Iterator[RawSample]:
        """The pictures that no row names: failed where rows name others, in a split that these have, else left out."""
        for found in self.images.unnamed(table.has, table.tars):
            name = repaired(found.path)[0]
            if not splits:
                reason = "expected in one of the files that hold the samples of this source, but it lies beside them"
                self.left_out.append(LeftOut(name, "picture", "no-caption", reason))
                continue
            usual = next((split for split in ("", UNLISTED, "train", *sorted(splits)) if split in splits), "")
            split = said if (said := split_of_folder(found.path)) in splits else usual
            problem = f"expected a caption, but none names the image {name!r}"
            yield RawSample(name, self.images.reader(found), (), split, problem=problem, code="no-caption")


def _never_read(tree: SourceTree, files: Sequence[SourceFile]) -> Iterator[LeftOut]:
    """The pictures among a source's side files, and its archives, but for the tars that are read."""
    for name in filter(is_picture, tree.side_files):
        yield LeftOut(repaired(name)[0], "picture", "side-file", "hidden, or an operating system's own")
    read = {file.path for file in files}
    for name in tree.names:
        if (why := packed(name)) and name not in read:
            name = repaired(name)[0]
            yield LeftOut(name, "shard", "unreadable", f"{name} {why}")


def _unlisted(tree: SourceTree, table: CaptionTable) -> list[LeftOut]:
    """The folders that could not be read, and what looks like a picture and is none, unless a row named it."""
    return [
        LeftOut(repaired(path)[0], "picture", trouble.code, f"{repaired(path)[0]} {trouble.reason}")
        for path, trouble in sorted(tree.troubles.items())
        if (is_picture(path) or trouble.is_folder) and not table.has(path)
    ]
