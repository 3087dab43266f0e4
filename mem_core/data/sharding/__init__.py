"""From any source to clean shards, split by split."""
