"""The clean corpus as protecting reads it: its shards, their hashes, and the last ones decoded."""

from functools import cached_property

from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import input_hashes, input_sha256_of, list_shards
from mem_core.data.shard_cache import LoadedShard, ShardCache


class CleanCorpus:
    """Shared by all devices of a process: names and hashes are looked up once, pixels are decoded once."""

    def __init__(self, folder: Folder, max_pixels: int, cache_bytes: int) -> None:
        self.folder = folder
        self._cache = ShardCache(folder, max_pixels, cache_bytes)

    @cached_property
    def shards(self) -> list[str]:
        """The names of the clean shards."""
        return list_shards(self.folder)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Shard -> SHA-256 of its clean tar."""
        return input_hashes(self.folder)

    def hash_now(self, shard: str) -> str:
        """The SHA-256 of one clean tar as it is now, which may be another than when the run began."""
        return input_sha256_of(self.folder, shard)

    def load(self, shard: str) -> LoadedShard:
        """The shard in memory, decoded as far as the cache has room."""
        return self._cache.load(shard)
