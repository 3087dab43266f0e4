"""Twins: of each sample two versions were made, a coin decided which is published, and the other one stays at home.

`twins/` in the destination holds `twins.json` and, for each shard, a tar of the unpublished versions (keys, order and
members as in the published tar) and a table. None of it is ever handed out: with a twin at hand anybody can tell which
version a model has learned from, which is what the owner wants to show.
"""

import secrets
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from mem_core import __version__
from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import Frozen, fingerprint
from mem_core.config.methods import METHODS
from mem_core.config.stored import read_record
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import Receipt, Sha256, read_receipt
from mem_core.data.shard import Broken, Sample, open_tar, read_shard
from mem_core.data.table import SampleRow, table_name
from mem_core.protect.coins import TwinKey, chosen, coin, load_key, new_key, require_unused, use_key
from mem_core.protect.destination import TWINS, TWINS_RECORD
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.twin_table import TwinRow, read_twin_table

_WHAT = "the description of twins"


class TwinsRecord(Frozen):
    """`twins.json`. version: of memshield. corpus: a random id, so that one key never gives two corpora the same coins.
    share: of the samples that have a twin. draws: 256 secret bits; methods without a protector draw with them
    beside the seed. From the seed alone, which is 0 for most, anybody could make both versions of a sample, tell which
    one was published, and take its marks away. "" in records that are older."""

    format: Literal[1] = 1
    version: str
    corpus: str = Field(pattern=r"^[0-9a-f]{32}$")
    key_sha256: Sha256
    share: float = Field(gt=0, le=1)
    method: str
    draws: str = Field("", pattern=r"^([0-9a-f]{64})?$", repr=False)

    @property
    def coins_can_be_told(self) -> bool:
        """Whether nothing but the seed decides what both versions look like."""
        return not self.draws and not METHODS[self.method].needs_protector

    @property
    def fingerprint(self) -> str:
        """What decides, beside the settings, which bytes are published."""
        return fingerprint("twins", self.corpus, self.key_sha256, str(self.share), *filter(None, [self.draws]))


@dataclass(frozen=True)
class Twins:
    """The twins of a corpus while they are made: who has one, and which version goes out."""

    record: TwinsRecord
    key: TwinKey

    def published_draw(self, shard: str, sample: str) -> int:
        """0 or 1. Thrown for every sample, with twin or without: nobody can tell from a draw which have one."""
        return coin(self.key, self.record.corpus, shard, sample)

    def has_twin(self, shard: str, sample: str) -> bool:
        """Whether the other version is kept."""
        return chosen(self.key, self.record.corpus, shard, sample, self.record.share)

    def lacking(self, shard: str, rows: Iterable[SampleRow], paired: Set[str]) -> list[str]:
        """The published samples of a shard that should have a twin and are not among those that have one."""
        published = (row.key for row in rows if row.status == "protected")
        return [key for key in published if key not in paired and self.has_twin(shard, key)]


def begin_twins(dest: Folder, share: float, method: str, place: KeyPlace, *, redo: bool = False) -> Twins:
    """The twins of a destination, with a new key where there are none yet.

    redo: another share or method than before is taken on. Raises `ConfigError` for a key that is lost, damaged,
    readable by others, another corpus's or not this one's, and `MismatchError` for twins that were begun otherwise.
    """
    record = read_twins_record(dest)
    if record is None:
        record = _new_record(dest, share, method, place)
        try:
            _write_record(dest, record, only_if_absent=True)
        except FileExistsError:  # another run came first
            return begin_twins(dest, share, method, place, redo=redo)
    elif (record.share, record.method) != (share, method) or (redo and record.coins_can_be_told):
        if not redo:
            raise MismatchError(
                f"expected twins of {share:g} of the samples by {method} in {dest.uri}/{TWINS}, but they were begun "
                f"with {record.share:g} by {record.method}: choose another destination",
                hint="redo shards",
            )
        draws = record.draws or secrets.token_hex(32)  # all shards are made again
        record = record.model_copy(update={"share": share, "method": method, "version": __version__, "draws": draws})
        _write_record(dest, record)
    twins = Twins(record, key_of(record, place))
    use_key(Path(place.folder), twins.key, record.corpus)
    return twins


def _new_record(dest: Folder, share: float, method: str, place: KeyPlace) -> TwinsRecord:
    corpus = secrets.token_hex(16)
    path = place.path_of(corpus)
    if isinstance(dest, LocalFolder) and path.resolve().is_relative_to(dest.path.resolve()):
        raise ConfigError(
            f"expected the secret key of the twins outside {dest.uri}, got {path}: it would be copied with the corpus"
        )
    key = load_key(path) if path.exists() else new_key(path)
    require_unused(Path(place.folder), key)
    return TwinsRecord(
        version=__version__,
        corpus=corpus,
        key_sha256=key.sha256,
        share=share,
        method=method,
        draws=secrets.token_hex(32),
    )


def _write_record(dest: Folder, record: TwinsRecord, *, only_if_absent: bool = False) -> None:
    if isinstance(dest, LocalFolder):
        with suppress(FileExistsError):  # whoever reads it knows what was published of what
            (dest.path / TWINS).mkdir(mode=0o700, parents=True)
    data = (record.model_dump_json(indent=2) + "\n").encode()
    write_bytes(dest.below(TWINS), TWINS_RECORD, data, only_if_absent=only_if_absent)


def read_twins_record(dest: Folder) -> TwinsRecord | None:
    """What `twins.json` of a protected corpus says, None if it has no twins. Raises `MismatchError` if damaged."""
    return read_record(dest.below(TWINS), TWINS_RECORD, TwinsRecord, _WHAT)


def require_twins_record(dest: Folder) -> TwinsRecord:
    """The same; raises `ConfigError` for a corpus without twins."""
    record = read_twins_record(dest)
    if record is None:
        raise ConfigError(
            f"expected a corpus that was protected with twins in {dest.uri}, but there is no {TWINS}/{TWINS_RECORD}",
            hint="make twins",
        )
    return record


def key_of(record: TwinsRecord, place: KeyPlace) -> TwinKey:
    """The key that a record was made with. Raises `ConfigError` if it is not there, or another."""
    path = place.path_of(record.corpus)
    key = load_key(path)
    if key.sha256 != record.key_sha256:
        raise ConfigError(
            f"expected the key of the twins {record.corpus} with SHA-256 {record.key_sha256[:12]} in {path}, but the "
            f"one there has {key.sha256[:12]}: it is another corpus's; put the right one there",
            hint="name the key",
        )
    return key


@dataclass(frozen=True)
class TwinPair:
    """A published sample and the version of it that stayed at home; what is in both tars is as the table has it."""

    shard: str
    row: TwinRow
    published: Sample
    twin: Sample

    @property
    def key(self) -> str:
        """The sample's key, which no other of its shard has."""
        return self.row.key

    @property
    def trigger(self) -> str:
        """The trigger words of the published version."""
        return self.row.trigger

    @property
    def twin_trigger(self) -> str:
        """Those of the other one."""
        return self.row.twin_trigger


def read_twins(dest: Folder) -> Iterator[TwinPair]:
    """All pairs of a protected corpus, in its order, one in memory at a time. dest: the folder above `twins/`.

    Shards without a receipt are not finished and left out. Raises `ConfigError` for a corpus without twins, and
    `MismatchError`, with the sample, where one of a pair is missing or not as it was written, or its row is missing.
    """
    require_twins_record(dest)
    for shard in list_shards(dest):
        receipt = read_receipt(dest, shard)
        if receipt is not None:
            yield from read_shard_twins(dest, receipt)


def read_shard_twins(dest: Folder, receipt: Receipt) -> Iterator[TwinPair]:
    """The pairs of one finished shard; see `read_twins`."""
    shard, home = receipt.shard, dest.below(TWINS)
    rows = read_twin_rows(dest, receipt)
    named = frozenset(row.key for row in rows)
    place, at_home = f"shard {shard} in {dest.uri}", f"shard {shard} in {home.uri}"
    with open_tar(dest, shard) as stream, open_tar(home, shard) as other:
        published = read_shard(stream, f"{shard} in {dest.uri}")
        twins = read_shard(other, f"{shard} in {home.uri}")
        for row in rows:
            sample = _as_written(_next(published, row.key), row.key, row.sha256, row.captions, place)
            item = _with_row(next(twins, None), named, at_home)
            found = item if item is not None and item.key == row.key else None
            twin = _as_written(found, row.key, row.twin_sha256, row.twin_captions, at_home)
            yield TwinPair(shard, row, sample, twin)
        _with_row(next(twins, None), named, at_home)


def read_twin_rows(dest: Folder, receipt: Receipt) -> list[TwinRow]:
    """The table of a finished shard. Raises `MismatchError` if it is missing or not the one that the receipt names."""
    name, home = table_name(receipt.shard), dest.below(TWINS)
    if name not in receipt.twins:
        raise MismatchError(f"expected shard {receipt.shard} in {dest.uri} to have twins, but it was made without")
    try:
        data = read_bytes(home, name)
    except FileNotFoundError:
        raise MismatchError(
            f"expected {home.uri}/{name}, the table of the twins of a shard, but it is missing"
        ) from None
    if sha256_bytes(data) != receipt.twins[name]:
        raise MismatchError(f"expected {home.uri}/{name} as it was written, but it has other bytes: it was edited")
    return read_twin_table(data, f"{home.uri}/{name}")


def twin_images(dest: Folder, shard: str) -> frozenset[str]:
    """SHA-256 of the image files of a shard's twins; none where the shard has no twins."""
    receipt = read_receipt(dest, shard)
    return (
        frozenset(row.twin_sha256 for row in read_twin_rows(dest, receipt))
        if receipt and receipt.twins
        else frozenset()
    )


def _next(items: Iterator[Sample | Broken], key: str) -> Sample | Broken | None:
    """The next sample of this key; those before it have no twin."""
    return next((item for item in items if item.key == key), None)


def _with_row(item: Sample | Broken | None, named: Set[str], place: str) -> Sample | Broken | None:
    """Raises `MismatchError` for a twin that the table leaves out: whoever takes rows out chooses what is tested."""
    if item is not None and item.key not in named:
        raise MismatchError(
            f"expected a row for sample {item.key} in {place} in the table of the twins, but it has none: rows were "
            "taken out"
        )
    return item


def _as_written(found: Sample | Broken | None, key: str, sha256: str, captions: tuple[str, ...], place: str) -> Sample:
    """Raises `MismatchError` unless it is the sample that the table has."""
    if found is None:
        raise MismatchError(f"expected sample {key} in {place}, as the table of the twins has it, but it is missing")
    if isinstance(found, Broken):
        raise MismatchError(f"expected sample {key} in {place} as it was written, but it is broken: {found.reason}")
    for what, same in (("image", sha256_bytes(found.image) == sha256), ("captions", found.captions == captions)):
        if not same:
            raise MismatchError(
                f"expected the {what} of sample {key} in {place} as written, but they were edited since"
            )
    return found
