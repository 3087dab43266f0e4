"""A part of a corpus as a corpus of its own: its first shards, copied with all their files."""

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.data.manifest import build_manifest, list_shards, write_manifest
from mem_core.data.receipt import receipt_name


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
            if not (dest.exists(receipt_name(shard)) and dest.exists(name)):
                write_bytes(dest, name, read_bytes(corpus, name))
    if any(dest.exists(receipt_name(shard)) for shard in shards[:count]):
        write_manifest(dest, build_manifest(dest, kind="clean"))
