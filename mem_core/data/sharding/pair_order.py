"""The pairs of a source in an order drawn from the seed, so that two captions of one photo rarely share a batch.

In a source the pairs of a photo stand side by side. Sharded like that, four captions of every five would meet a sibling
in most batches: there each has a right answer that counts as wrong (the authors' code draws from all shuffled pairs).

Sources can only be read from front to back, so this takes two passes over a temporary SQLite file: the source is read
once into it, each image once, encoded; then the pairs come in their drawn order. What is held in memory is one image.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from mem_core.common.errors import ImageError, SampleError, StopRun
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed
from mem_core.config import CorpusConfig
from mem_core.data.readers import RawSample
from mem_core.data.readers.base import NoImage
from mem_core.data.sharding.candidate import Candidate, DecodedImage, SourceImage, candidates

_TABLES = """
    pragma journal_mode = off;
    pragma page_size = 65536;
    pragma cache_size = -16384;
    create table images (number integer primary key, record text, file blob, decoded text);
    create table pairs (split text, place int, image int, caption int);
"""
_ORDER = "split, place, image, caption"
_SAID = ("name", "split", "captions", "metadata", "problem", "code")
"""What of a raw sample is kept beside its image."""


def shuffled_pairs(
    images: Iterable[RawSample], config: CorpusConfig, seed: int, progress: Progress = silent
) -> Iterator[Candidate]:
    """A candidate for each pair, split by split, each split in an order drawn from the seed.

    A pair's place is drawn from its name, number and caption: it does not depend on the order of the source. Raises
    `StopRun` where there is no room for the temporary file.
    """
    with _room(), closing(sqlite3.connect("")) as database:  # "": a private file that vanishes with it
        database.executescript(_TABLES)
        for number, raw in enumerate(images, start=1):
            _store(database, number, raw, config, seed)
            if number % 100 == 0:
                progress(number, 0, f"images read: {raw.name}")
        for number, caption in database.execute(f"select image, caption from pairs order by {_ORDER}"):
            yield _pair(database, number, caption, config)


def _store(database: sqlite3.Connection, number: int, raw: RawSample, config: CorpusConfig, seed: int) -> None:
    image = SourceImage(raw, config)
    said = {name: getattr(raw, name) for name in _SAID}
    file, code = (None, image.data.code) if isinstance(image.data, SampleError) else (image.data, "")
    record = json.dumps((said, image.sha256, image.trouble, code))
    database.execute("insert into images values (?, ?, ?, null)", (number, record, file))
    for index, pair in enumerate(candidates(raw, config)):
        place = derived_seed(seed, "pair order", raw.name, index, *pair.captions)
        database.execute("insert into pairs values (?, ?, ?, ?)", (raw.split, place, number, index))


def _pair(database: sqlite3.Connection, number: int, caption: int, config: CorpusConfig) -> Candidate:
    ((text,),) = database.execute("select record from images where number = ?", (number,))
    said, *facts = json.loads(text)
    said["captions"] = tuple(said["captions"])
    image = _StoredImage(RawSample(image=NoImage(""), **said), config, database, number, *facts)
    return replace(list(candidates(image.raw, config))[caption], image=image)


class _StoredImage(SourceImage):
    """An image in the temporary file, as the source has it until its first pair is written, then as it is published:
    so that it is decoded once, and not at all if its pairs are in finished shards."""

    def __init__(
        self, raw: RawSample, config: CorpusConfig, database: sqlite3.Connection, number: int, *facts: Any
    ) -> None:
        super().__init__(raw, config)
        self._database, self._number = database, number
        self.sha256, self.trouble, self._code = facts

    @cached_property
    def data(self) -> bytes | SampleError:
        """The file as it is kept now."""
        ((file,),) = self._database.execute("select file from images where number = ?", (self._number,))
        return ImageError(self.trouble, code=self._code) if file is None else file

    @cached_property
    def decoded(self) -> DecodedImage | SampleError:
        """The image as it is published, kept for its siblings."""
        ((known,),) = self._database.execute("select decoded from images where number = ?", (self._number,))
        if known is not None and isinstance(self.data, bytes):
            return DecodedImage(self.data, *json.loads(known))
        made = super().decoded
        if isinstance(made, DecodedImage):
            facts = json.dumps((made.extension, made.width, made.height, made.note))
            self._database.execute("update images set decoded = ? where number = ?", (facts, self._number))
            if made.data is not self.data:
                self._database.execute("update images set file = ? where number = ?", (made.data, self._number))
        return made


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StopRun(
            "expected room for all images of the source, once, in the folder for temporary files (TMPDIR), to shuffle "
            f"their pairs over the shards, but: {error}"
        ) from error
