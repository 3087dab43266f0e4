"""Readers: any of eight source formats in, one stream of raw samples out."""

from collections.abc import Callable
from pathlib import Path

from mem_core.config import IdentitiesConfig
from mem_core.data.readers.base import UNLISTED, RawSample, SourceReader
from mem_core.data.readers.coco import CocoReader
from mem_core.data.readers.csv_table import CsvReader
from mem_core.data.readers.detect import LOOKED_FOR, detect, find
from mem_core.data.readers.flickr_token import FlickrTokenReader
from mem_core.data.readers.identities import DEFAULT_TEMPLATES, IdentitiesReader
from mem_core.data.readers.jsonl import JsonlReader
from mem_core.data.readers.karpathy import KarpathyReader
from mem_core.data.readers.parquet import ParquetReader
from mem_core.data.readers.webdataset import WebDatasetReader
from mem_core.errors import ConfigError, SourceError

FORMATS = tuple(LOOKED_FOR)
_IDENTITIES = IdentitiesConfig()

__all__ = ["DEFAULT_TEMPLATES", "FORMATS", "UNLISTED", "RawSample", "SourceReader", "open_source"]


def open_source(
    source: str | Path,
    *,
    format: str = "auto",
    identities: IdentitiesConfig = _IDENTITIES,
    seed: int = 0,
) -> SourceReader:
    """The reader of a source: a folder, or the caption file in it (paths are then relative to the file's folder).

    `identities` and `seed` (of invented names) are for the format of that name.
    Raises `SourceError` if the source is absent, in no known format, or in several; `ConfigError` for an unknown
    format or a template without `{name}`.
    """
    path = Path(source).expanduser().absolute()
    if format not in ("auto", *FORMATS):
        raise ConfigError(f"expected a source format out of auto, {', '.join(FORMATS)}; got {format!r}")
    if not path.exists():
        raise SourceError(f"expected a folder or file with images and captions, but {path} does not exist")
    chosen = detect(path) if format == "auto" else format
    if chosen == "identities":
        return IdentitiesReader(path, identities, seed) if path.is_dir() else _refuse(path, chosen)
    found = [path] if path.is_file() else find(path, chosen)
    if not found:
        _refuse(path, chosen)
    root = path.parent if path.is_file() else path
    if path.is_file() and chosen == "coco" and root.name == "annotations":
        root = root.parent  # the image folders stand beside annotations/
    return _reader(chosen, root, found)


def _refuse(path: Path, chosen: str) -> SourceReader:
    raise SourceError(f"expected a source of the format {chosen} ({LOOKED_FOR[chosen]}) in {path}, but it is not there")


def _reader(chosen: str, root: Path, found: list[Path]) -> SourceReader:
    if chosen == "webdataset":
        return WebDatasetReader(root, found)
    if chosen == "coco":
        return CocoReader(root, found)
    if chosen == "parquet":
        return ParquetReader(root, found)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise SourceError(f"expected one file of the format {chosen} in {root}, got {names}: name the one to read")
    return _OF_ONE_FILE[chosen](root, found[0])


_OF_ONE_FILE: dict[str, Callable[[Path, Path], SourceReader]] = {
    "csv": CsvReader,
    "flickr-token": FlickrTokenReader,
    "karpathy": KarpathyReader,
    "jsonl": JsonlReader,
}
