"""The tar of a shard, opened to be read."""

from typing import BinaryIO

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder
from mem_core.data.receipt import receipt_name


def open_tar(folder: Folder, shard: str) -> BinaryIO:
    """A stream of the shard's tar. Raises `SourceError` if it is not there."""
    try:
        return folder.open(f"{shard}.tar")
    except FileNotFoundError as error:
        listed = ", which its receipt lists" if folder.exists(receipt_name(shard)) else ""
        raise SourceError(f"expected {shard}.tar{listed}, in {folder.uri}, but it is missing") from error
