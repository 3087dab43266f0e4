"""The one way from the files of a source to its samples: rows, grouped by image, each image found, nothing lost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from mem_core.common.errors import ImageError, SourceError
from mem_core.config import CorpusConfig
from mem_core.data.readers.base import UNLISTED, LeftOut, RawSample, no_image
from mem_core.data.readers.captions import CaptionTable, Row
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.source import SourceFile, SourceTree

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

    def __iter__(self) -> Iterator[RawSample]:
        self.left_out = []
        table = CaptionTable()
        try:
            for row in chain.from_iterable(map(self.rows, self.files)):
                if isinstance(row, RawSample):
                    yield row
                else:
                    table.add(row)
            yield from self._samples(table)
        except UnicodeDecodeError as error:
            raise SourceError(f"expected text in UTF-8 or UTF-16 in {self.uri}, got other bytes: {error}") from error
        finally:
            table.close()

    def _samples(self, table: CaptionTable) -> Iterator[RawSample]:
        files = ImageFiles(self.tree)
        default = UNLISTED if table.has_splits() else ""
        for image in table.grouped():
            yield RawSample(
                image.name,
                _reader(files, image.name),
                image.captions,
                image.split or default,
                image.metadata,
                image.problem,
                image.code,
                image.places,
            )
        for name, read in files.uncaptioned(table.has):
            problem = f"expected a caption, but none names the image {name!r}"
            yield RawSample(name, read, (), default, problem=problem, code="no-caption")


def _reader(files: ImageFiles, name: str) -> Callable[[], bytes]:
    try:
        return files.locate(name)
    except ImageError as error:
        return no_image(str(error), error.code)
