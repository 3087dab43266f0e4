"""One corpus protected: fitted, published shard by shard, and which shards are left."""
