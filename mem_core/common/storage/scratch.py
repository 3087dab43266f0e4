"""A folder to try something in, which is left as it was."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from mem_core.common.errors import DestinationError
from mem_core.common.storage.folder import Folder, LocalFolder

_OURS = "memshield-scratch"


@contextmanager
def scratch_below(folder: Folder | None) -> Iterator[Folder]:
    """An empty folder below one that has to be empty, too, or a temporary one. Raises `DestinationError` otherwise."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix=f"{_OURS}-") as made:
            yield LocalFolder(made)
        return
    if other := next(folder.names(), None):
        raise DestinationError(f"expected an empty folder to calibrate in, but {folder.uri} holds other data: {other}")
    is_new = isinstance(folder, LocalFolder) and not folder.path.exists()
    ours = folder.below(_OURS)
    try:
        yield ours
    finally:
        for name in list(ours.names()):
            ours.delete(name)
        if isinstance(folder, LocalFolder):  # a store has no empty folders
            shutil.rmtree(folder.path if is_new else folder.path / _OURS, ignore_errors=True)
