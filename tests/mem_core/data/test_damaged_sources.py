"""2,000 damaged sources: a sentence, or a corpus in which every picture is counted and every caption is its own."""

import random
import unicodedata
from pathlib import Path

import pytest

from mem_core.common.errors import MemshieldError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers import open_source
from mem_core.data.sharding.left_out import read_left_out
from mem_core.data.sharding.sharder import shard_source
from tests.support.listed_source import rows, samples
from tests.support.mutations import NAMES, SOURCES, damage, drawn

CONFIG = CorpusConfig(validation=0)
PICTURES = {drawn(name): name for name in NAMES}
PIECES = 8  # of the seeds, so that the cores share them
EACH = 28  # sources of one format in a piece: 9 x 8 x 28 = 2,016


@pytest.mark.parametrize("piece", range(PIECES))
@pytest.mark.parametrize("source_format", SOURCES)
def test_no_damage_loses_a_picture_or_swaps_a_caption(source_format: str, piece: int, tmp_path: Path) -> None:
    for number in range(EACH):
        rng = random.Random(f"{source_format} {piece} {number}")
        root = tmp_path / f"{number}" / "source"
        root.mkdir(parents=True)
        SOURCES[source_format](root)
        done = [damage(root, rng) for _ in range(rng.randint(1, 3))]
        dest = LocalFolder(root.parent / "corpus")
        try:
            splits = shard_source(open_source(root), dest, CONFIG)
        except MemshieldError as error:
            assert len(str(error)) > 20, done
            continue
        for split in splits:
            require_own_captions(dest.below(split), done)
        require_counted(root, dest, list(splits), done)


def require_own_captions(split: LocalFolder, done: list[str]) -> None:
    """No caption names another picture than its own; a picture that was damaged and still decodes is nobody's."""
    for sample in samples(split):
        named = {name for name in NAMES for caption in sample.captions if name in caption}
        shown = PICTURES.get(sample.image)
        assert len(named) < 2, (sample.metadata["name"], sample.captions, done)
        assert not shown or named <= {shown}, (sample.metadata["name"], sample.captions, done)


def require_counted(root: Path, dest: LocalFolder, splits: list[str], done: list[str]) -> None:
    """Every picture that lies in the source as a file is in a row, or among what is left out."""
    known = [row.name for split in splits for row in rows(dest.below(split))]
    known += [left.name for left in read_left_out(dest)]
    spelled = {alike(name) for name in known}
    for path in root.rglob("*"):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.is_dir():
            continue
        real = path.resolve(strict=False) if not path.is_symlink() else path
        names = {alike(str(place.relative_to(root))) for place in (path, real) if place.is_relative_to(root)}
        pieces = {"/".join(name.split("/")[start:]) for name in names for start in range(len(name.split("/")))}
        assert pieces & spelled, (str(path.relative_to(root)), sorted(known), done)


def alike(name: str) -> str:
    """A name as people read it: letters, without case and suffix."""
    plain = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", str(Path(plain.replace("\\", "/")).with_suffix(""))).casefold()
