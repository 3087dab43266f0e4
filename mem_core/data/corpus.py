"""The shards of a corpus: which there are, and the hashes of the clean tars."""

import re
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_of
from mem_core.config import fingerprint
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.loaders.tar_index import index_tar
from mem_core.data.manifest import (
    RECEIPT_READERS,
    build_manifest,
    listed_entries,
    manifest_bytes,
    read_entry,
    vouched_sha256,
    write_manifest,
)
from mem_core.data.receipt import has_receipt, read_receipt, receipt_name
from mem_core.data.side_files import is_side_file

SHARDING_NAME = "sharding.json"
"""At the top of a sharded corpus: the settings it was made with. It also says that the folder is ours."""

_STEM = re.compile(r"[A-Za-z0-9_-]+")
_CAPTIONS = (".csv", ".tsv", ".token", ".token.txt", ".jsonl", ".ndjson", ".tar.gz", ".tgz")
_LOOKED_AT, _MEANT = 10_000, 3


def list_shards(folder: Folder) -> list[str]:
    """The names of all shards (stems of the tars right in the folder), sorted.

    Raises `SourceError` if there is none, or one whose name has other characters than letters, digits, `_` and `-`.
    """
    return shard_stems(folder, folder.names())


def shard_stems(folder: Folder, names: Iterable[str]) -> list[str]:
    """The shards among the names of a folder, all or those right in it; see `list_shards`."""
    stems = [name.removesuffix(".tar") for name in names if _is_shard(name)]
    if not stems:
        raise _no_shards(folder)
    for stem in stems:
        if not _STEM.fullmatch(stem):
            raise SourceError(f"expected letters, digits, _ and - in the name of shard {stem!r} in {folder.uri}")
    return sorted(stems)


def _is_shard(name: str) -> bool:
    return name.endswith(".tar") and "/" not in name and not is_side_file(name)


def _no_shards(folder: Folder) -> SourceError:
    """Says what a folder without shards holds, and what was probably meant."""
    expected = f"expected shards (.tar files) in {folder.uri}, but"
    names = list(islice(folder.names(), _LOOKED_AT))
    holders = list(dict.fromkeys(name.rpartition("/")[0] for name in names if name.endswith(".tar")))
    if holders:
        meant = " or ".join(f"{folder.uri}/{holder}" for holder in holders[:_MEANT])
        return SourceError(f"{expected} they are in folders below it: did you mean {meant}?")
    if any(name.lower().endswith((*PICTURE_SUFFIXES, *_CAPTIONS)) for name in names):
        return SourceError(f"{expected} it holds pictures or captions", hint="shard the source", about=folder.uri)
    is_absent = isinstance(folder, LocalFolder) and not folder.path.exists()
    return SourceError(f"{expected} there is {'no such folder' if is_absent else 'none'}")


def input_hashes(clean: Folder) -> dict[str, str]:
    """The SHA-256 of every clean tar by shard, from the manifest where that agrees with the listing.

    Else from its receipt, else by reading it. Raises `SourceError` if there are no clean shards.
    """
    hashes, inputs = listed_entries(manifest_bytes(clean)), clean.top()
    shards = shard_stems(clean, inputs)

    def digest(shard: str) -> str:
        return vouched_sha256(hashes.get(shard), inputs[f"{shard}.tar"]) or input_sha256_of(clean, shard)

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        return dict(zip(shards, pool.map(digest, shards), strict=True))


def count_samples(clean: Folder, shards: Collection[str]) -> int:
    """How many samples these clean shards hold, usable or not: as the manifest or their receipts say.

    A tar that has no receipt is read through.
    """
    entries, sizes = listed_entries(manifest_bytes(clean)), clean.top()

    def count(shard: str) -> int:
        if vouched_sha256(entries.get(shard), sizes[f"{shard}.tar"]):
            return entries[shard].samples
        if receipt_name(shard) in sizes:
            return read_entry(clean, receipt_name(shard)).samples
        return len(index_tar(clean, shard).samples)

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        return sum(pool.map(count, shards))


def input_sha256_of(clean: Folder, shard: str) -> str:
    """The hash of one clean tar: as its receipt says, else read."""
    receipt, tar = read_receipt(clean, shard), f"{shard}.tar"
    return receipt.outputs[tar] if receipt is not None else sha256_of(clean, tar)


def copy_shards(corpus: Folder, dest: Folder, count: int) -> None:
    """Copies the first `count` shards, receipts last; those whose receipt is there are not copied again.

    Raises `ConfigError` if the corpus has fewer.
    """
    shards = list_shards(corpus)
    if count > len(shards):
        raise ConfigError(f"expected at least {count} shards in {corpus.uri} to take, got {len(shards)}")
    names = list(corpus.names())
    for shard in shards[:count]:
        own = [name for name in names if name.partition(".")[0] in (shard, f"{shard}_stats")]
        for name in sorted(own, key=lambda name: name == receipt_name(shard)):
            if not (has_receipt(dest, shard) and dest.exists(name)):
                write_bytes(dest, name, read_bytes(corpus, name))
    if any(has_receipt(dest, shard) for shard in shards[:count]):
        write_manifest(dest, build_manifest(dest, kind="clean"))


def corpus_fingerprint(folder: Folder) -> str:
    """Hash of all tars of a corpus: from the receipts, or, for tars that came from elsewhere, from their bytes.

    Raises `SourceError` for a folder without shards, `MismatchError` for a damaged receipt.
    """
    return tars_fingerprint({shard: input_sha256_of(folder, shard) for shard in list_shards(folder)})


def tars_fingerprint(hashes: Mapping[str, str]) -> str:
    """`corpus_fingerprint` from the hash of each shard's tar."""
    return fingerprint({f"{shard}.tar": sha256 for shard, sha256 in hashes.items()})
