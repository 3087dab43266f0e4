"""Readers: any source in a known format in, one stream of raw samples out."""

from pathlib import Path

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.nearest import meant
from mem_core.common.paths import whole_path
from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.already import require_no_export
from mem_core.data.readers.base import UNLISTED, Detected, LeftOut, RawSample, SourceReader
from mem_core.data.readers.beside import BesideReader
from mem_core.data.readers.coco import CocoReader
from mem_core.data.readers.csv_table import CsvReader
from mem_core.data.readers.detect import detected
from mem_core.data.readers.flickr_token import FlickrTokenReader
from mem_core.data.readers.identities import DEFAULT_TEMPLATES, IdentitiesReader
from mem_core.data.readers.imagefolder import ImagefolderReader
from mem_core.data.readers.jsonl import JsonlReader
from mem_core.data.readers.karpathy import KarpathyReader
from mem_core.data.readers.kinds import Kind, format_by_name, kind_of
from mem_core.data.readers.look import look_of
from mem_core.data.readers.parquet import ParquetReader
from mem_core.data.readers.path_parts import TAR_SUFFIXES, is_picture, packed
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceTree
from mem_core.data.readers.webdataset import WebDatasetReader

_READERS: dict[str, type[FormatReader]] = {
    "csv": CsvReader,
    "flickr-token": FlickrTokenReader,
    "karpathy": KarpathyReader,
    "coco": CocoReader,
    "jsonl": JsonlReader,
    "parquet": ParquetReader,
    "imagefolder": ImagefolderReader,
    "webdataset": WebDatasetReader,
    "beside": BesideReader,
    "identities": IdentitiesReader,
}
FORMATS = tuple(_READERS)
_OF_ONE_FILE = frozenset({"flickr-token", "karpathy"})
_OF_NO_FILE = frozenset({"beside", "identities"})
_PLAIN = CorpusConfig()

__all__ = [
    "DEFAULT_TEMPLATES",
    "FORMATS",
    "UNLISTED",
    "FormatReader",
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
) -> FormatReader:
    """The reader of a source: a folder, or the caption file in it (paths are then relative to the file's folder).

    source: a path, to a folder or to the caption file, or a folder anywhere with the `file` in it, if one is meant.
    config: encoding, names of columns, templates. seed: of invented names.
    Raises `SourceError` if the source is absent, in no known format, in several, or an export of ours, unless that is
    accepted; `ConfigError` for an unknown format or a template without `{name}`.
    """
    if format not in ("auto", *FORMATS):
        what = f"expected a source format out of auto, {', '.join(FORMATS)}; got {format!r}"
        raise ConfigError(what + meant(format, FORMATS))
    if isinstance(source, str | Path):
        source, file = _on_disk(whole_path(source))
    tree = SourceTree(source)
    if config.protected == "refuse":
        require_no_export(tree.side_files, tree.uri)
    look = look_of(tree, config.encoding)
    if file:
        found = _of_file(tree, file, kind_of(file, look(file), config), format)
    else:
        found = detected(tree.names, look, tree.uri, config, format)
    if len(found.files) > 1 and found.format in _OF_ONE_FILE:
        names = ", ".join(found.files)
        raise SourceError(
            f"expected one file of the format {found.format} in {tree.uri}, got {names}: name one of them"
        )
    return _READERS[found.format](tree, found, config, seed)


def _of_file(tree: SourceTree, file: str, kind: Kind, format: str) -> Detected:
    """A file that is named: what it is by content, else what its name promises."""
    if is_picture(file):
        what = f"expected a folder, or a file with captions, got the picture {tree.file(file)}"
        raise SourceError(f"{what}: name its folder, {tree.uri}")
    if format == "auto":
        format = kind.format or format_by_name(file)
    is_packed = bool(packed(file)) and not file.lower().endswith(TAR_SUFFIXES)
    if is_packed or not format:
        what = f"expected a folder, or a file of a known format, got {tree.file(file)}, which {kind.about}"
        raise SourceError(what, hint=None if is_packed else "name the format")
    if format in _OF_NO_FILE:
        raise SourceError(f"expected a folder as a source of the format {format}, got the file {tree.file(file)}")
    return Detected(format, (file,), "the file is named")


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
