"""Images, shards and corpora: read with suspicion, written to equal bytes, accounted for sample by sample."""
