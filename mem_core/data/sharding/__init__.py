"""From any source to clean shards, one split after the other."""
