"""The one way from the files of a source to its samples: rows, grouped by image, each image found, nothing lost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import PurePosixPath

from mem_core.common.errors import ImageError, SourceError
from mem_core.config import CorpusConfig
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.base import UNLISTED, LeftOut, RawSample, no_image
from mem_core.data.readers.captions import CaptionTable, Row
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.splits import split_of, split_of_folder
from mem_core.data.readers.text import repaired

_PLAIN = CorpusConfig()


class FormatReader(ABC):
    """Base of the readers of all formats. A subclass says what stands in one file; the rest is the same for all.

    files: the caption files, tars or images that the format reads. config: how (encoding, names of columns, templates).
    seed: for what is drawn.
    """

    format = ""

    def __init__(
        self, tree: SourceTree, files: Sequence[SourceFile], config: CorpusConfig = _PLAIN, seed: int = 0
    ) -> None:
        self.tree, self.files, self.config, self.seed = tree, files, config, seed
        self.left_out: list[LeftOut] = []

    @property
    def uri(self) -> str:
        return self.tree.uri

    @abstractmethod
    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        """All rows of one of the files, in its order; a whole sample where the image's bytes stand in the file too."""

    def accounts_for(self, path: str) -> bool:
        """Whether `rows` itself gives a sample for this picture of the source, though no row names it."""
        return False

    def __iter__(self) -> Iterator[RawSample]:
        self.left_out = side_pictures(self.tree)
        table = CaptionTable()
        try:
            for row in chain.from_iterable(map(self._rows_with_split, self.files)):
                if isinstance(row, RawSample):
                    yield row
                else:
                    table.add(row)
            yield from self._samples(table)
        except UnicodeDecodeError as error:
            raise SourceError(f"expected text in UTF-8 or UTF-16 in {self.uri}, got other bytes: {error}") from error
        finally:
            table.close()

    def split_of(self, file: SourceFile) -> str:
        """The split of what the file holds, where an entry says none: that of its name or folder, see `splits.py`."""
        return split_of_folder(file.path) if file.suffix in PICTURE_SUFFIXES else split_of(file.path)

    @cached_property
    def _usual(self) -> str:
        """The split of files that say none, beside files that do."""
        return "train" if any(map(self.split_of, self.files)) else ""

    def _rows_with_split(self, file: SourceFile) -> Iterator[Row | RawSample]:
        split = self.split_of(file) or self._usual
        for row in self.rows(file):
            if isinstance(row, RawSample):
                yield row if row.split else replace(row, split=split)
            else:
                yield replace(row, file_split=split) if split else row

    def _samples(self, table: CaptionTable) -> Iterator[RawSample]:
        files = ImageFiles(self.tree)
        default = UNLISTED if table.has_splits() else "train" if table.has_folder_splits else self._usual
        for image in table.grouped():
            yield RawSample(
                image.name,
                _reader(files, image.name),
                image.captions,
                image.split or split_of_folder(image.name) or default,
                image.metadata,
                image.problem,
                image.code,
                image.places,
            )
        for name, read in files.uncaptioned(table.has):
            problem = f"expected a caption, but none names the image {name!r}"
            yield RawSample(name, read, (), split_of_folder(name) or default, problem=problem, code="no-caption")


def side_pictures(tree: SourceTree) -> list[LeftOut]:
    """The pictures among a source's side files."""
    reason = "hidden, or an operating system's own"
    names = [name for name in tree.side_files if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES]
    return [LeftOut(repaired(name)[0], "picture", "side-file", reason) for name in names]


def _reader(files: ImageFiles, name: str) -> Callable[[], bytes]:
    try:
        return files.locate(name)
    except ImageError as error:
        return no_image(str(error), error.code)
