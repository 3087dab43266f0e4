"""From any source to clean shards, as one task: a source is read from front to back."""

from pathlib import Path

from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.corpus import copy_shards
from mem_core.data.readers import folder_of, open_source
from mem_core.data.sharding.left_out import read_left_out, sharding_lines
from mem_core.data.sharding.sharder import ShardingSummary, shard_source
from mem_core.data.source_look import SourceLook, look_at_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from tasks.artifacts import show_sharding
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


@step("shard source", run_name="shard {source}")
def shard_corpus(
    source: str, dest: str, config: CorpusConfig, format: str = "auto", seed: int = 0
) -> dict[str, ShardingSummary]:
    """Writes DEST/train, DEST/test, ... and returns what became of each split."""
    folder, file = place_of(source)
    with watched(f"shard {source.rstrip('/').rpartition('/')[2]}") as progress:
        reader = open_source(folder, file, format=format, config=config, seed=seed)
        for note in reader.found.notes:
            say(note)
        found = shard_source(reader, open_folder(dest), config, seed, progress)
    left_out = read_left_out(open_folder(dest))
    show_sharding(dest, found, left_out)
    for line in sharding_lines(found, left_out):
        say(line)
    return found


def look_at(source: str, config: CorpusConfig, format: str, seed: int, limit: int | None) -> SourceLook:
    """What sharding the source would read; nothing is written."""
    folder, file = place_of(source)
    reader = open_source(folder, file, format=format, config=config, seed=seed)
    return look_at_source(reader, limit)


@step("take shards", run_name="take {count} shards of {clean}")
def take_shards(clean: str, dest: str, count: int) -> str:
    """A part of a clean corpus as a corpus of its own: its first shards, copied. Returns its address."""
    copy_shards(open_folder(clean), open_folder(dest), count)
    return dest


def place_of(source: str) -> tuple[str | Folder, str]:
    """A path as it is; an address in a store as its folder, and the caption file if there is one of its name."""
    if "://" not in source:
        return source, ""
    above, name = folder_of(source.rstrip("/"))
    if "://" in above and open_folder(above).exists(name):
        return open_folder(above), name
    return open_folder(source), ""


def source_folder(source: str) -> tuple[Folder, bool]:
    """The folder that a source is, or that its caption file lies in; whether it is the folder itself."""
    place, file = place_of(source)
    if not isinstance(place, str):
        return place, not file
    is_file = Path(place).is_file()
    return LocalFolder(folder_of(place)[0] if is_file else place), not is_file


@step("draw corpus", run_name="draw {train} + {test} + {validation} images")
def draw_source(dest: str, train: int, test: int, size: int, seed: int, validation: int = 0) -> str:
    """Draws the procedural corpus into a local folder, as a source to shard."""
    with watched("draw images") as progress:
        return str(draw_corpus(dest, train, test, size, seed, progress, validation_count=validation))
