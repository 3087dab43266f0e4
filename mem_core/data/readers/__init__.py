"""Readers: any of nine source formats in, one stream of raw samples out."""

from pathlib import Path

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.paths import whole_path
from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.readers.base import UNLISTED, LeftOut, RawSample, SourceReader
from mem_core.data.readers.beside import BesideReader
from mem_core.data.readers.coco import CocoReader
from mem_core.data.readers.csv_table import CsvReader
from mem_core.data.readers.detect import LOOKED_FOR, detected_format, format_of_file, matching_files
from mem_core.data.readers.flickr_token import FlickrTokenReader
from mem_core.data.readers.identities import DEFAULT_TEMPLATES, IdentitiesReader
from mem_core.data.readers.jsonl import JsonlReader
from mem_core.data.readers.karpathy import KarpathyReader
from mem_core.data.readers.parquet import ParquetReader
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.webdataset import WebDatasetReader

FORMATS = tuple(LOOKED_FOR)
_PLAIN = CorpusConfig()

__all__ = [
    "DEFAULT_TEMPLATES",
    "FORMATS",
    "UNLISTED",
    "LeftOut",
    "RawSample",
    "SourceReader",
    "folder_of",
    "open_source",
]


def open_source(
    source: str | Path | Folder,
    file: str = "",
    *,
    format: str = "auto",
    config: CorpusConfig = _PLAIN,
    seed: int = 0,
) -> SourceReader:
    """The reader of a source: a folder, or the caption file in it (paths are then relative to the file's folder).

    source: a path, to a folder or to the caption file, or a folder anywhere with the `file` in it, if one is meant.
    config: encoding, names of columns, templates. seed: of invented names.
    Raises `SourceError` if the source is absent, in no known format, or in several; `ConfigError` for an unknown
    format or a template without `{name}`.
    """
    if format not in ("auto", *FORMATS):
        raise ConfigError(f"expected a source format out of auto, {', '.join(FORMATS)}; got {format!r}")
    if isinstance(source, str | Path):
        source, file = _on_disk(whole_path(source))
    tree = SourceTree(source)
    if file:
        return _of_file(tree, file, format, config, seed)
    chosen = detected_format(tree) if format == "auto" else format
    found = matching_files(tree, chosen)
    if not found:
        raise _absent(tree.uri, chosen)
    return _reader(chosen, tree, found, config, seed)


def folder_of(address: str) -> tuple[str, str]:
    """The folder that the paths in a caption file are relative to, and the file in it, by address.

    That is where it lies, but for COCO: its image folders stand beside annotations/.
    """
    above, _, name = address.rpartition("/")
    if above.endswith("/annotations") and name.startswith("captions_"):
        return above.removesuffix("/annotations"), f"annotations/{name}"
    return above, name


def _on_disk(path: Path) -> tuple[LocalFolder, str]:
    if not path.exists():
        raise SourceError(f"expected a folder or file with images and captions, but {path} does not exist")
    folder, file = (str(path), "") if path.is_dir() else folder_of(str(path))
    return LocalFolder(folder or "/"), file


def _of_file(tree: SourceTree, file: str, format: str, config: CorpusConfig, seed: int) -> SourceReader:
    chosen = format_of_file(tree.file(file)) if format == "auto" else format
    if chosen in ("beside", "identities"):
        raise _absent(str(tree.file(file)), chosen)
    return _reader(chosen, tree, [tree.file(file)], config, seed)


def _absent(place: str, chosen: str) -> SourceError:
    return SourceError(
        f"expected a source of the format {chosen} ({LOOKED_FOR[chosen]}) in {place}, but it is not there"
    )


def _reader(chosen: str, tree: SourceTree, found: list[SourceFile], config: CorpusConfig, seed: int) -> SourceReader:
    if len(found) > 1 and chosen not in _OF_SEVERAL_FILES:
        names = ", ".join(file.name for file in found)
        raise SourceError(f"expected one file of the format {chosen} in {tree.uri}, got {names}: name the one to read")
    return _READERS[chosen](tree, found, config, seed)


_READERS: dict[str, type[FormatReader]] = {
    "csv": CsvReader,
    "flickr-token": FlickrTokenReader,
    "karpathy": KarpathyReader,
    "coco": CocoReader,
    "jsonl": JsonlReader,
    "parquet": ParquetReader,
    "webdataset": WebDatasetReader,
    "beside": BesideReader,
    "identities": IdentitiesReader,
}
_OF_SEVERAL_FILES = frozenset({"coco", "parquet", "webdataset", "beside", "identities"})
