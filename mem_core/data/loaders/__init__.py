"""What others' data loaders ask for: the shards of a corpus as one line, and index files beside the tars."""
