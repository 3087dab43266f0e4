"""What a corpus is made of, as one hash."""

from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_of
from mem_core.config import fingerprint
from mem_core.data.manifest import list_shards
from mem_core.data.receipt import read_receipt


def corpus_fingerprint(folder: Folder) -> str:
    """Hash of all tars of a corpus: from the receipts, or, for tars that came from elsewhere, from their bytes.

    Raises `SourceError` for a folder without shards, `MismatchError` for a damaged receipt.
    """
    tars = {}
    for shard in list_shards(folder):
        receipt, tar = read_receipt(folder, shard), f"{shard}.tar"
        tars[tar] = receipt.outputs[tar] if receipt is not None else sha256_of(folder, tar)
    return fingerprint(tars)
