"""A destination must not overlap its source, whatever names the two go by."""

import os
from pathlib import Path, PurePath, PurePosixPath

from mem_core.errors import DestinationError


def check_apart(source: str, dest: str) -> None:
    """Raises `DestinationError` if one of two addresses is the other, or lies inside it.

    Paths are compared where their links and `..` lead; addresses in a store as they are written.
    """
    origin, target = _real(source), _real(dest)
    if origin == target:
        raise DestinationError(f"expected a destination apart from the source, but {dest} is the source")
    if target.is_relative_to(origin):
        raise DestinationError(f"expected a destination apart from the source, but {dest} lies inside {source}")
    if origin.is_relative_to(target):
        raise DestinationError(f"expected a destination apart from the source, but the source {source} lies inside it")


def _real(address: str) -> PurePath:
    return PurePosixPath(address) if "://" in address else Path(os.path.realpath(address))
