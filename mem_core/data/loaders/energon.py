"""What Megatron-Energon reads of a prepared data set: `.nv-meta/`, and an index beside each tar.

They are what `energon prepare` writes (7.4; a test compares them row by row), without its questions and from any store.
"""

import json
import sqlite3
import struct
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.loaders.tar_index import TarIndex

META = ".nv-meta"
META_FILES = frozenset(("index.sqlite", "index.uuid", "split.yaml", "dataset.yaml", ".info.json"))
TAR_INDEX = ".tar.idx"
_TABLES = """
CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, sample_index INTEGER NOT NULL,
    byte_offset INTEGER, byte_size INTEGER);
CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, content_byte_offset INTEGER,
    content_byte_size INTEGER);
"""
_INDEXES = """
CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full ON sample_parts(tar_file_id, sample_index, part_name, content_byte_offset,
    content_byte_size);
"""


def write_energon(folder: Folder, tars: Iterable[TarIndex], counts: Mapping[str, int]) -> Counter[str]:
    """Writes all that Energon asks for, split `train`, if the images have one extension.

    counts: samples of each shard, in the order of `tars`. Returns the bytes of all members by extension.
    """
    meta, sizes = folder.below(META), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "index.sqlite"
        _write_tables(path, folder, _noting(tars, sizes))
        tables = path.read_bytes()
    images = image_extensions(sizes)
    names = [f"{shard}.tar" for shard in counts]
    fields = {
        "sample_type": {"__module__": "megatron.energon", "__class__": "CaptioningSample"},
        "field_map": {"image": ",".join(images), "caption": "txt"},
    }
    if len(images) == 1:
        write_bytes(meta, "index.sqlite", tables)
        write_bytes(meta, "index.uuid", str(uuid.UUID(sha256_bytes(tables)[:32])).encode())
        write_bytes(meta, "split.yaml", yaml.safe_dump({"split_parts": {"train": names}, "exclude": []}).encode())
        write_bytes(meta, "dataset.yaml", yaml.safe_dump(fields, sort_keys=False).encode())
        info = {"shard_counts": dict(zip(names, counts.values(), strict=True))}
        write_bytes(meta, ".info.json", json.dumps(info, indent=2).encode())  # last: by it the rest is found
    return sizes


def image_extensions(sizes: Mapping[str, int]) -> list[str]:
    """Those that are neither the text nor the metadata of a sample."""
    return sorted(set(sizes) - {"txt", "json"})


def _noting(tars: Iterable[TarIndex], sizes: Counter[str]) -> Iterator[TarIndex]:
    for tar in tars:
        for part in (part for sample in tar.samples for part in sample.parts):
            sizes[part.extension] += part.size
        yield tar


def _write_tables(path: Path, folder: Folder, tars: Iterable[TarIndex]) -> None:
    """All samples and their parts into a new database, and each tar's offsets beside it."""
    database = sqlite3.connect(path)
    try:
        database.executescript(_TABLES)
        for number, tar in enumerate(tars):
            bounds = tar.bounds
            write_bytes(folder, tar.shard + TAR_INDEX, struct.pack(f"{len(bounds)}Q", *bounds))
            database.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", _sample_rows(number, tar))
            database.executemany("INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", _part_rows(number, tar))
        database.executescript(_INDEXES)
        database.commit()
    finally:
        database.close()


def _sample_rows(number: int, tar: TarIndex) -> Iterable[tuple[int, str, int, int, int]]:
    ends = tar.bounds[1:]
    for place, (sample, end) in enumerate(zip(tar.samples, ends, strict=True)):
        yield number, sample.key, place, sample.offset, end - sample.offset


def _part_rows(number: int, tar: TarIndex) -> Iterable[tuple[int, int, str, int, int]]:
    for place, sample in enumerate(tar.samples):
        for part in sample.parts:
            yield number, place, part.extension, part.offset, part.size
